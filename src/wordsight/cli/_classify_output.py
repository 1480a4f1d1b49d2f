"""How `wordsight classify` shows its answers: lines of text, JSON or CSV, the count per class, a contact sheet."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NONE_LABEL = "none of these"  # as in wordsight.zeroshot.classifier, which `--help` need not load
FIRST_COLUMNS = ("path", "label", "probability")
TILES_SHOWN = 300  # per class, on a contact sheet, which holds its images

Ranked = list[tuple[str, float]]


@dataclass(frozen=True)
class Answer:
    """One image's answer.

    chosen: the label that is most probable; of independent classes all that are probable, or "none of these".
    ranked: the best labels, best first. proba: every label's probability, in the order of the classifier's labels.
    page: of a document, counted from 1. source: the image in memory of what is no image file.
    """

    path: Path
    chosen: Ranked
    ranked: Ranked
    proba: Sequence[float]
    page: int | None = None

    @property
    def name(self) -> str:
        """The path, and the page of a document as an address writes it."""
        return str(self.path) if self.page is None else f"{self.path}#page={self.page}"


Render = Callable[[Answer], str]


def renderer(form: str | None, labels: Sequence[str]) -> Render:
    """Return what turns an answer into its line. form: "json", "csv" or None for text."""
    if form == "json":
        return lambda answer: json.dumps(_to_dict(answer, labels))
    return _as_csv if form == "csv" else _as_text(labels)


def _as_text(labels: Sequence[str]) -> Render:
    """Return a renderer: " 97.0%  cat      photos/a.jpg   (dog 2%)"."""
    from wordsight.images.names import source_name

    width = min(max(map(len, labels)), 30)

    def render(answer: Answer) -> str:
        (label, proba), *more = answer.chosen
        chosen = ", ".join([label, *(f"{name} {p:.0%}" for name, p in more)])
        taken = {name for name, _ in answer.chosen}
        others = "  ".join(f"{name} {p:.0%}" for name, p in answer.ranked if p >= 0.01 and name not in taken)
        return f"{proba:6.1%}  {chosen:<{width}}  {source_name(answer.name)}" + (f"  ({others})" if others else "")

    return render


def _to_dict(answer: Answer, labels: Sequence[str]) -> dict[str, Any]:
    top = [{"label": label, "probability": round(p, 6)} for label, p in answer.ranked]
    label, proba = answer.chosen[0]
    entry: dict[str, Any] = {"path": str(answer.path)}
    if answer.page is not None:
        entry["page"] = answer.page
    entry |= {"label": label, "probability": round(proba, 6), "labels": [name for name, _ in answer.chosen], "top": top}
    if len(labels) == len(answer.proba) and labels[-1] == NONE_LABEL:
        entry["none_probability"] = round(float(answer.proba[-1]), 6)
    return entry


def csv_heading(labels: Sequence[str]) -> str:
    """Return the heading: path, label, probability, and a column for each label with its probability."""
    return _csv_row([*FIRST_COLUMNS, *(f"{name} (class)" if name in FIRST_COLUMNS else name for name in labels)])


def _as_csv(answer: Answer) -> str:
    from wordsight.images.names import recorded_path

    chosen = "; ".join(name for name, _ in answer.chosen)
    probabilities = [f"{p:.6f}" for p in (answer.chosen[0][1], *answer.proba)]
    return _csv_row([recorded_path(answer.name), chosen, *probabilities])


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
    answers: dict[str, list[Answer]] = field(default_factory=dict)

    def add(self, answer: Answer) -> None:
        """Count an answer; of independent classes under each that it names."""
        for label, _ in answer.chosen:
            self.counts[label] += 1
            if self.keep:
                self.answers.setdefault(label, []).append(answer)

    def summary(self, images: int) -> str:
        """Return "12 images: cat 7, dog 5, none of these 0"."""
        named = [*self.labels, *([NONE_LABEL] if NONE_LABEL in self.counts and NONE_LABEL not in self.labels else [])]
        rows = [(name, self.counts[name]) for name in named]
        if len(rows) > 12:  # of many classes those that occur, largest first
            rows = sorted((row for row in rows if row[1]), key=lambda row: -row[1])
        return f"{images} image{'' if images == 1 else 's'}: " + ", ".join(f"{name} {count}" for name, count in rows)


def write_html(path: Path, tally: Tally, title: str) -> None:
    """Write a contact sheet with a section per label, the most probable images first."""
    from wordsight.output.contact_sheet import Section, render_sections_html

    sections = []
    for label in [*tally.labels, *(name for name in tally.answers if name not in tally.labels)]:
        answers = sorted(tally.answers.get(label, []), key=lambda answer: -dict(answer.chosen)[label])
        if answers:
            cut = f", the first {TILES_SHOWN}" if len(answers) > TILES_SHOWN else ""
            heading = f"{label} · {len(answers)} image{'' if len(answers) == 1 else 's'}{cut}"
            sections.append(Section(heading, [_tile(answer) for answer in answers[:TILES_SHOWN]]))
    path.write_text(render_sections_html(sections, title, " · ".join(tally.labels)), encoding="utf-8")


def _tile(answer: Answer) -> Any:
    """Return the tile of one image, which leads to its file."""
    from wordsight.images.names import source_name
    from wordsight.output.contact_sheet import Tile, file_link

    thumbnail = b""
    if answer.page is not None:
        from wordsight.errors import ImageError
        from wordsight.ingest.pdf import Document

        try:
            file = io.BytesIO()
            Document(str(answer.path)).render(answer.page).save(file, "PNG")
            thumbnail = file.getvalue()
        except ImageError:  # changed since it was sorted: the answer stays an answer
            pass
    link = file_link(answer.path, answer.page)
    return Tile(answer.path, answer.ranked, name=source_name(answer.name), link=link, thumbnail=thumbnail)
