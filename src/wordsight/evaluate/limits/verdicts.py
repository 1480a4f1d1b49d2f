"""Meaning of a share of right answers to a user, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from wordsight.evaluate.report.words import percent
from wordsight.metrics import Estimate

RELIABLE = 0.95  # share right from which an ability is called reliable, if its interval reaches 0.9
_RELIABLE_LOW = 0.9
_HARDLY = 0.25  # of the way from chance to all right: below it nobody would use the answers
_SEEN = 0.5  # of that way: below it, the control says that the drawings are not recognised
_MISLED = 0.75  # of chance: answers that are surely below it are systematically wrong, not only guessed
_TOUCHES = 1e-9
_LOST = 0.1  # share of answers that may be lost, at the upper end of the interval
_SMALL = 0.05  # share of answers lost below which no fall is spoken of

Kind = Literal["reliable", "partly", "hardly", "at chance", "misled", "not seen"]


@dataclass(frozen=True)
class Verdict:
    """A kind, by which programs may decide, and its words."""

    kind: Kind
    words: str
    brief: str = ""

    @property
    def short(self) -> str:
        """The words in a line of a table, without those that its other columns say anyway."""
        return self.brief or self.words.split(": do not trust", 1)[0].removeprefix("better than chance: ")


def judge_share(
    trust: str,
    accuracy: Estimate,
    chance: float,
    *,
    control: Estimate,
    control_chance: float,
) -> Verdict:
    """Verdict on an ability by the interval against chance, and by what the control says."""
    if accuracy.value >= RELIABLE and accuracy.low >= _RELIABLE_LOW:
        return Verdict("reliable", "reliable")
    if accuracy.value >= RELIABLE and accuracy.low > chance + _TOUCHES:
        return Verdict("partly", "better than chance: hardly ever wrong, too few scenes to be sure")
    if accuracy.high < _MISLED * chance:
        return Verdict("misled", f"worse than chance: do not trust {trust}")
    if accuracy.low > chance + _TOUCHES and accuracy.value >= _on_the_way(_HARDLY, chance):
        return Verdict("partly", f"better than chance: wrong {say_odds(1 - accuracy.value)}")
    if control.value < _on_the_way(_SEEN, control_chance):
        recognised = percent(control.value, 0)
        words = f"cannot be judged: the drawings are not recognised (control {recognised})"
        return Verdict("not seen", words, "drawings not recognised")
    if accuracy.low <= chance + _TOUCHES:
        return Verdict("at chance", f"at chance: do not trust {trust}")
    return Verdict("hardly", f"hardly better than chance: do not trust {trust}")


def judge_curve(
    trust: str, clean: Estimate, accuracy: Mapping[str, Estimate], loss: Mapping[str, Estimate], chance: float
) -> Verdict:
    """Verdict on a degradation: `accuracy` and `loss` against `clean` by its levels, of the same images."""
    if clean.value < _on_the_way(_SEEN, chance):
        words = f"cannot be judged: only {percent(clean.value, 0)} of the photos are recognised undegraded"
        return Verdict("not seen", words, "photos not recognised")
    if all(lost.low <= 0 and lost.high <= _LOST for lost in loss.values()):
        return Verdict("reliable", "no worse at any level")
    last = list(accuracy)[-1]
    fallen = [level for level, lost in loss.items() if lost.low > 0]
    if not fallen and max(lost.value for lost in loss.values()) <= _SMALL:
        return Verdict("partly", "no clear loss, too few photos to be sure")
    if not fallen:
        change = f"{percent(clean.value, 0)} to {percent(accuracy[last].value, 0)} at {last}"
        words = f"perhaps worse: {change}, too few photos to be sure"
        return Verdict("partly", words, "perhaps worse, too few photos")
    words = f"falls from {percent(clean.value, 0)} to {percent(accuracy[fallen[0]].value, 0)} at {fallen[0]}"
    brief = f"falls to {percent(accuracy[fallen[0]].value, 0)} at {fallen[0]}"
    if last != fallen[0]:
        words += f" and {percent(accuracy[last].value, 0)} at {last}"
    if accuracy[last].low <= chance:
        return Verdict("at chance", f"{words}: do not trust {trust}", brief)
    return Verdict("partly", words, brief)


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
