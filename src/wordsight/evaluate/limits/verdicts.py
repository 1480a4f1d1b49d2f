"""What a share of right answers means to a user, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from wordsight.metrics import Estimate

RELIABLE = 0.95  # share right from which an ability is called reliable, if its interval reaches 0.9
_RELIABLE_LOW = 0.9
_HARDLY = 0.25  # of the way from chance to all right: below it nobody would use the answers
_SEEN = 0.5  # of that way: below it, the control says that the drawings are not recognised
_MISLED = 0.75  # of chance: answers that are surely below it are systematically wrong, not only guessed
_TOUCHES = 1e-9
_LOST = 0.02  # share of answers that may be lost by chance

Kind = Literal["reliable", "partly", "hardly", "at chance", "misled", "not seen"]


@dataclass(frozen=True)
class Verdict:
    """A kind, by which programs may decide, and its words."""

    kind: Kind
    words: str


def judge_share(
    trust: str,
    accuracy: Estimate,
    chance: float,
    *,
    control: Estimate,
    control_chance: float,
    compared: Estimate | None = None,
) -> Verdict:
    """Verdict on an ability by the interval against chance, and by what the control says."""
    if accuracy.value >= RELIABLE and accuracy.low >= _RELIABLE_LOW:
        return Verdict("reliable", "reliable")
    ranked = ""
    if compared is not None and compared.low > max(accuracy.high, _on_the_way(_HARDLY, chance)):
        ranked = f"; {compared.value:.0%} right when images are compared with each other"
    if accuracy.high < _MISLED * chance:
        return Verdict("misled", f"worse than chance: do not trust {trust}{ranked}")
    if accuracy.low <= chance + _TOUCHES:
        if control.value < _on_the_way(_SEEN, control_chance):
            return Verdict("not seen", f"at chance, but so may be the drawings: only {control.value:.0%} recognised")
        return Verdict("at chance", f"at chance: do not trust {trust}{ranked}")
    wrong = f"wrong {say_odds(1 - accuracy.value)}"
    if accuracy.value < _on_the_way(_HARDLY, chance):
        return Verdict("hardly", f"hardly better than chance, {wrong}: do not trust {trust}{ranked}")
    return Verdict("partly", f"better than chance: {wrong}{ranked}")


def judge_curve(
    trust: str, clean: Estimate, accuracy: Mapping[str, Estimate], loss: Mapping[str, Estimate], chance: float
) -> Verdict:
    """Verdict on a degradation: `accuracy` and `loss` against `clean` by its levels, of the same images."""
    if clean.value < _on_the_way(_SEEN, chance):
        return Verdict("not seen", f"cannot be judged: only {clean.value:.0%} of the photos are recognised undegraded")
    if all(lost.value <= _LOST for lost in loss.values()):
        return Verdict("reliable", f"as good as {clean.value:.0%} without, at all levels")
    last = list(accuracy)[-1]
    fallen = [level for level, lost in loss.items() if lost.low > 0]
    if not fallen:
        return Verdict("partly", f"perhaps worse: {accuracy[last].value:.0%} at {last}, {clean.value:.0%} without; "
                       "too few photos to say")  # fmt: skip
    words = f"falls from {clean.value:.0%} to {accuracy[fallen[0]].value:.0%} at {fallen[0]}"
    if last != fallen[0]:
        words += f" and {accuracy[last].value:.0%} at {last}"
    if accuracy[last].low <= chance:
        return Verdict("at chance", f"{words}: do not trust {trust}")
    return Verdict("partly", words)


def say_odds(share: float) -> str:
    """A share of wrong answers as people say it: "about one time in three"."""
    if share < 0.01:
        return "less than one time in a hundred"
    if share <= 0.4:
        return f"about one time in {_NUMBERS.get(round(1 / share), round(1 / share))}"
    if share <= 0.6:
        return "about half of the time"
    if share <= 0.7:
        return "about two times in three"
    return f"about {_NUMBERS[min(9, round(10 * share))]} times in ten"


def _on_the_way(share: float, chance: float) -> float:
    """Accuracy that is `share` of the way from chance to all right."""
    return chance + share * (1 - chance)


_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten"}
