"""Findings of the doctor, each with a value, its origin and a verdict."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warn", "fail"]
_GRAVITY: dict[Verdict, int] = {"ok": 0, "warn": 1, "fail": 2}


@dataclass(frozen=True)
class Finding:
    """One fact or check.

    subject: what it is about, e.g. "image.activation". value: what was found, as text. origin: for facts the place they
    were read from, for checks what they were held against. note: why the verdict is not "ok", or a remark.
    """

    subject: str
    value: str
    origin: str
    verdict: Verdict = "ok"
    note: str = ""


@dataclass(frozen=True)
class Report:
    """All findings about one model: `facts` as read and judged for plausibility, `checks` as computed."""

    model: str
    fingerprint: str
    facts: tuple[Finding, ...]
    checks: tuple[Finding, ...]

    def __repr__(self) -> str:
        """Model, the verdict and how many findings there are."""
        return f"<Report {self.model}: {self.verdict}, {len(self.facts)} facts, {len(self.checks)} checks>"

    @property
    def verdict(self) -> Verdict:
        """The gravest verdict of all findings."""
        return gravest(finding.verdict for finding in (*self.facts, *self.checks))

    def of(self, subject: str) -> Finding:
        """Finding about `subject`. Raises: KeyError when there is none."""
        for finding in (*self.facts, *self.checks):
            if finding.subject == subject:
                return finding
        raise KeyError(subject)

    def to_json(self) -> str:
        """Report as JSON, with the overall verdict."""
        return json.dumps({"verdict": self.verdict, **dataclasses.asdict(self)}, indent=2, ensure_ascii=False)


def conclude(
    subject: str, value: str, origin: str, *, sound: bool, otherwise: Verdict = "fail", note: str = ""
) -> Finding:
    """Finding of a check: "ok" where it is sound, else `otherwise` with the note on what is wrong."""
    if sound:
        return Finding(subject, value, origin)
    return Finding(subject, value, origin, otherwise, note)


def gravest(verdicts: Iterable[Verdict]) -> Verdict:
    """Gravest of some verdicts; "ok" of none."""
    return max(verdicts, key=_GRAVITY.__getitem__, default="ok")
