"""Sorting a folder into classes: a plan to look at first, then the move, listed so that it can be undone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wordsight.errors import InputError
from wordsight.images.skipped import Skipped
from wordsight.output.sorting import Sorter, safe_name
from wordsight.output.sorting_undo import undo
from wordsight.path_text import json_text
from wordsight.serve.engine.engine import Floats
from wordsight.serve.errors import RequestError
from wordsight.serve.items.embedding import EngineInJob
from wordsight.serve.items.jobs import Job, describe_disk
from wordsight.serve.items.sort_folder import SortFolder, Stamp
from wordsight.serve.media.keys import encode_key
from wordsight.zeroshot.answer import NONE_LABEL
from wordsight.zeroshot.classifier import Classifier

KIND = "sort"
_AT_ONCE = 16  # images asked for together
_NONE_FOLDER = "none"  # as of `wordsight classify --sort-into`


@dataclass(frozen=True)
class Planned:
    """An image of the plan: its most probable label."""

    name: str
    label: str
    probability: float
    stamp: Stamp


@dataclass(eq=False)
class Plan:
    """Where each image of a folder would go. least: probability from which one is moved. Applied once."""

    id: str
    folder: SortFolder
    labels: tuple[str, ...]
    least: float
    items: list[Planned] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    applied: bool = False

    def check_ready(self) -> None:
        """Raise RequestError (409) where it was applied."""
        if self.applied:
            raise RequestError("was applied already; make a new preview", "plan", status=409)

    def make_sorter(self, *, copy: bool) -> Sorter:
        """Sorter into the classes' folders."""
        wishes = {label: _NONE_FOLDER if label == NONE_LABEL else label for label in self.labels}
        return Sorter(self.folder.folder, wishes, "copy" if copy else "move")

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON."""
        folder_of = self.make_sorter(copy=False).folder_of
        items = [
            {
                "id": item.name,
                "name": json_text(item.name),
                "label": item.label,
                "probability": round(item.probability, 4),
                "destination": f"{folder_of[item.label]}/{json_text(item.name)}",
                "moves": item.probability >= self.least,
                "thumb": f"/v1/sort/thumb/{encode_key(item.name)}?v={item.stamp.mtime_ns:x}",
            }
            for item in self.items
        ]
        return {"id": self.id, "labels": list(self.labels), "least": self.least, "items": items}


@dataclass(frozen=True, eq=False)
class Preview:
    """Job that makes a plan; nothing is moved."""

    folder: SortFolder
    classifier: Classifier
    access: EngineInJob
    least: float

    def __call__(self, job: Job) -> dict[str, Any]:
        """Judge every image of the folder. Raises: InputError, StoreError; JobCancelledError."""
        plan = Plan(job.id, self.folder, tuple(self.classifier.labels), self.least)
        self.folder.check_places(plan.make_sorter(copy=False).folder_of.values())
        images = list(self.folder.list_images().items())
        for start in range(0, len(images), _AT_ONCE):
            job.report(start, len(images))
            plan.items += self._judge(images[start : start + _AT_ONCE], job)
        job.report(len(images), len(images))
        job.value = plan
        job.more = {"plan": plan.to_dict()}
        return {"plan": plan.id, "images": len(plan.items)}

    def _judge(self, images: Sequence[tuple[str, Stamp]], job: Job) -> Iterator[Planned]:
        answers = self.access.embed_images([str(self.folder.path(name)) for name, _ in images], job)
        for (name, stamp), answer in zip(images, answers, strict=True):
            if isinstance(answer, Skipped):
                job.skip(json_text(name), answer.reason)
            else:
                yield self._plan(name, stamp, answer)

    def _plan(self, name: str, stamp: Stamp, vector_D: Floats) -> Planned:
        proba_K = self.classifier.proba_of_embeddings(vector_D[None])[0]
        best = int(np.argmax(proba_K))
        return Planned(name, self.classifier.labels[best], float(proba_K[best]), stamp)


@dataclass(frozen=True, eq=False)
class Apply:
    """Job that moves (or copies) what a plan says. changes: name of an image → the class that a person gave it."""

    plan: Plan
    changes: Mapping[str, str]
    least: float
    copy: bool

    def __call__(self, job: Job) -> dict[str, Any]:
        """Move the images. Raises: RequestError (409) where the plan is out of date or was applied."""
        plan = self.plan
        with plan.lock:
            plan.check_ready()
            chosen = self._choose()
            plan.folder.check_unchanged((item.name, item.stamp) for item, _ in chosen)
            sorter = plan.make_sorter(copy=self.copy)
            plan.folder.check_places({sorter.folder_of[label] for _, label in chosen})
            plan.applied = True
        moved = 0
        for done, (item, label) in enumerate(chosen):
            job.report(done, len(chosen))
            moved += self._place(sorter, item, label, job)
        job.report(len(chosen), len(chosen))
        done_as = "copied" if self.copy else "moved"
        job.more = {done_as: moved, "folders": sorted({sorter.folder_of[label] for _, label in chosen})}
        return {done_as: moved}

    def _choose(self) -> list[tuple[Planned, str]]:
        """Images that go, each with its label: those that are probable enough, and those that a person sorted."""
        return [
            (item, self.changes.get(item.name, item.label))
            for item in self.plan.items
            if item.name in self.changes or item.probability >= self.least
        ]

    def _place(self, sorter: Sorter, item: Planned, label: str, job: Job) -> bool:
        try:
            sorter.place(self.plan.folder.path(item.name), label, item.probability)
        except OSError as error:
            job.skip(json_text(item.name), describe_disk(error))
            return False
        return True


def check_changes(plan: Plan, changes: Mapping[str, str]) -> None:
    """Raise RequestError for changes of images or to classes that the plan does not have."""
    names, labels = {item.name for item in plan.items}, set(plan.labels)
    for name, label in changes.items():
        if name not in names:
            raise RequestError(f"names {name[:80]!r}, which is not an image of the plan", "changes")
        if label not in labels:
            raise RequestError(f"gives {name[:80]!r} the class {label[:80]!r}, which the plan does not have", "changes")


def undo_sorting(folder: SortFolder, job: Job) -> dict[str, Any]:
    """Put back what was sorted; the counts as JSON. Raises: InputError, StoreError."""
    folder.check_listing()
    undone = undo(folder.folder)
    for path, reason in undone.kept:
        job.skip(json_text(path.name), reason)
    job.more = {"moved_back": undone.moved_back, "removed": undone.removed, "kept": len(undone.kept)}
    return dict(job.more)


def check_folders(labels: Sequence[str]) -> None:
    """Raise InputError for a class without a single letter that a folder's name may have."""
    for label in labels:
        if safe_name(label).strip("_") == "":
            raise InputError(f"The class {label[:80]!r} has nothing that a folder could be named by.")
