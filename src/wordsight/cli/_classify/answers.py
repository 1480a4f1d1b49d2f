"""Answers of `wordsight classify`: lines of text, JSON or CSV, and the count per class."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wordsight.cli._messages import plural
from wordsight.zeroshot.answer import Answer

FIRST_COLUMNS = ("path", "label", "probability")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet runs a cell for
_MANY = 12  # labels: of more, a summary names only those that occur


@dataclass(frozen=True)
class ImageAnswer:
    """A classifier's answer for one image. page: of a document, counted from 1; None for an image file.

    `answer.proba` is in the order of the labels of the run, which end in "none of these" for independent classes too.
    """

    path: Path
    answer: Answer
    page: int | None = None

    @property
    def name(self) -> str:
        """The path, with the page of a document as a URL writes it."""
        if self.page is None:
            return str(self.path)
        return f"{self.path}#page={self.page}"


Render = Callable[[ImageAnswer], str]


def make_renderer(form: str, labels: Sequence[str]) -> Render:
    """Function that turns an answer into its line. form: "json", "csv" or "text"."""
    if form == "json":
        return lambda image: json.dumps(_to_dict(image))
    if form == "csv":
        return _to_csv
    return _text_renderer(labels)


def _text_renderer(labels: Sequence[str]) -> Render:
    """Renderer of lines such as " 97.0%  cat      photos/a.jpg   (dog 2%)"."""
    from wordsight.cli._messages import clean
    from wordsight.images.names import source_name

    width = min(max(map(len, labels)), 30)

    def render(image: ImageAnswer) -> str:
        answer = image.answer
        (label, proba), *more = answer.chosen
        chosen = ", ".join([label, *(f"{name} {p:.0%}" for name, p in more)])
        taken = {name for name, _ in answer.chosen}
        others = "  ".join(f"{name} {p:.0%}" for name, p in answer.ranked if p >= 0.01 and name not in taken)
        line = f"{proba:6.1%}  {clean(chosen):<{width}}  {source_name(image.name)}"
        if others:
            line += f"  ({clean(others)})"
        return line

    return render


def _to_dict(image: ImageAnswer) -> dict[str, Any]:
    entry: dict[str, Any] = {"path": str(image.path)}
    if image.page is not None:
        entry["page"] = image.page
    return entry | image.answer.to_dict()


def csv_header(labels: Sequence[str]) -> str:
    """Header row: path, label, probability, and a column for each label with its probability."""
    return _csv_row([*FIRST_COLUMNS, *(f"{name} (class)" if name in FIRST_COLUMNS else name for name in labels)])


def _to_csv(image: ImageAnswer) -> str:
    answer = image.answer
    chosen = "; ".join(name for name, _ in answer.chosen)
    probabilities = [f"{p:.6f}" for p in (answer.chosen[0][1], *answer.proba)]
    return _csv_row([_csv_path(image.name), chosen, *probabilities])


def _csv_path(name: str) -> str:
    """Path for a cell; a relative one that a spreadsheet would take for a formula begins with "./"."""
    from wordsight.images.names import recorded_path

    if name.startswith(_FORMULA):
        name = os.path.join(os.curdir, name)
    return recorded_path(name)


def _csv_row(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


@dataclass
class Tally:
    """Images per label, and for a contact sheet the answers themselves."""

    labels: Sequence[str]
    keep: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    answers: dict[str, list[ImageAnswer]] = field(default_factory=dict)

    def add(self, image: ImageAnswer) -> None:
        """Count an answer; of independent classes under each that it names."""
        for label, _ in image.answer.chosen:
            self.counts[label] += 1
            if self.keep:
                self.answers.setdefault(label, []).append(image)

    def summary(self, images: int) -> str:
        """The count of each label: "12 images: cat 7, dog 5, none of these 0"."""
        rows = [(name, self.counts[name]) for name in self.labels]
        if len(rows) > _MANY:
            rows = sorted((row for row in rows if row[1]), key=lambda row: -row[1])
        return f"{count_images(images)}: " + ", ".join(f"{name} {count}" for name, count in rows)


def count_images(n: int) -> str:
    """A number of images, in words: "1 image", "12 images"."""
    return f"{n} {plural(n, 'image')}"
