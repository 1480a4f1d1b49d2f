"""Count of what was left out, by reason."""

from __future__ import annotations

from collections import Counter

LeftOut = tuple[str, str, tuple[int, ...]]  # a sample's key, the reason, its number
_NAMES_KEPT = 3  # of the samples of each reason
_REASONS_KEPT = 50


class Tally:
    """Samples that were left out: how many for each reason, with the first names; each sample counts once."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self.names: dict[str, list[str]] = {}
        self._seen: set[int] = set()

    @property
    def total(self) -> int:
        """Number of samples that were left out."""
        return self.reasons.total()

    def add(self, key: str, reason: str, number: tuple[int, ...] = ()) -> bool:
        """Count a sample, and tell whether it was not counted before. number: tells samples of one key apart."""
        sample = hash((key, reason, number))
        if sample in self._seen:
            return False
        self._seen.add(sample)
        kind = reason
        if reason not in self.reasons and len(self.reasons) >= _REASONS_KEPT:
            kind = "other reasons"
        self.reasons[kind] += 1
        names = self.names.setdefault(kind, [])
        if len(names) < _NAMES_KEPT:
            names.append(key)
        return True

    def lines(self) -> list[str]:
        """Line for each reason, the commonest first: "12 × no such file: a.jpg, b.jpg, c.jpg, …"."""
        lines = []
        for reason, count in self.reasons.most_common():
            names = ", ".join(self.names[reason])
            if count > _NAMES_KEPT:
                names += ", …"
            lines.append(f"{count:,} × {reason}: {names}")
        return lines
