"""Whether labelled images help: what is said of a method beside zero-shot, which needs none."""

from __future__ import annotations

from wordsight.evaluate.fewshot.curves import FewShotResult
from wordsight.evaluate.fewshot.shots import ALL
from wordsight.evaluate.report.words import describe_gain, format_gain

FEWEST_TO_JUDGE = 10  # test images, below which nothing is said to be better


def judge_gain(result: FewShotResult, name: str) -> str:
    """Sentence on whether a method with the most shots is better than zero-shot, which needs no labels."""
    gain = result.gains[name][result.counts[-1]]
    if result.test_images < FEWEST_TO_JUDGE:
        return f"{result.test_images} test images are too few to tell which is better."
    sentence = describe_gain(gain, name, "zero-shot")
    text = f"{sentence[:1].upper()}{sentence[1:]}."
    if gain.high < 0:
        text += " On this dataset, words alone are better."
    elif gain.low <= 0:
        text += " On this dataset, words alone are as good, as far as these images tell."
    return text


def describe_head(name: str, result: FewShotResult) -> str:
    """Sentences on what was measured of a method that is saved, with a warning where zero-shot is as good."""
    most = result.counts[-1]
    accuracy = result.accuracy[name][most]
    text = f"{name} was measured with {most} images per class: {accuracy:.1%} of the test images"
    if most == ALL:
        text = f"{name} was measured with all images but the test images: {accuracy:.1%} of these"
    if result.zero_shot is None:
        return f"{text}."
    gain = result.gains[name][most]
    text = f"{text}, zero-shot {result.zero_shot:.1%}: {format_gain(gain)} points."
    if gain.low > 0 and result.test_images >= FEWEST_TO_JUDGE:
        return text
    compared = "worse than zero-shot on this dataset"
    if gain.high >= 0:
        compared = "not shown to be better than zero-shot on this dataset: words may be as good"
    return f"{text} Warning: it is {compared}. `wordsight classify` without --probe sorts by words, without labels."
