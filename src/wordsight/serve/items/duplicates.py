"""Near copies in a gallery: found once for each state of it and each threshold, as a job."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wordsight.duplicates.groups import Group, find_duplicates
from wordsight.errors import WordsightError
from wordsight.index import Row
from wordsight.serve.api.cursor import Cursor, hash_request
from wordsight.serve.api.hit_json import describe_row
from wordsight.serve.items.jobs import Job, Jobs
from wordsight.serve.library import OpenGallery

KIND = "duplicates"


@dataclass(frozen=True, eq=False)
class FoundGroups:
    """Groups of one state of a gallery, as JSON, the largest first. gone: rows left out, since their file is gone."""

    asked: Search
    groups: Sequence[Mapping[str, Any]]
    gone: int


@dataclass(frozen=True)
class Search:
    """What is looked for. state: of the gallery's contents (`Index.state`)."""

    gallery: str
    threshold: float | None
    state: str | None

    @property
    def hash(self) -> str:
        """What a cursor of its answers names."""
        return hash_request([self.gallery, self.threshold])


def find_groups(jobs: Jobs, opened: OpenGallery, asked: Search, page: int) -> Job:
    """Job that looks for copies, or has: the same search of the same contents is made once.

    page: groups of the job's own result. Raises: BusyError.
    """
    if asked.state is not None:
        for job in jobs.all():
            if job.kind == KIND and job.of == asked and job.state in ("waiting", "running", "done"):
                return job

    def work(job: Job) -> dict[str, Any]:
        return _find(opened, asked, page, job)

    return jobs.start(KIND, f"duplicates of {asked.gallery}", work, of=asked)


def _find(opened: OpenGallery, asked: Search, page: int, job: Job) -> dict[str, Any]:
    found = find_duplicates(opened.gallery.index, asked.threshold, progress=job.report)
    groups = [_describe(group, opened.name) for group in found.groups]
    job.value = FoundGroups(asked, groups, len(found.gone))
    return show_groups(job.value, 0, page)


def show_groups(found: FoundGroups, offset: int, limit: int) -> dict[str, Any]:
    """Some of the groups; cursor: of the next ones, or None."""
    end, asked = offset + limit, found.asked
    more = end < len(found.groups)
    return {
        "threshold": asked.threshold,
        "groups": list(found.groups[offset:end]),
        "groups_total": len(found.groups),
        "gone": found.gone,
        "cursor": Cursor(end, asked.hash, asked.state).encode() if more else None,
    }


def _describe(group: Group, gallery: str) -> dict[str, Any]:
    facts = group.to_dict()
    items = [
        describe_row(row, gallery)
        | {
            "size": row.size,
            "cosine": said["cosine"],
            "role": said["role"],
            "keep": said["role"] != "copy",
            "reason": _give_reason(group, row, said),
        }
        for row, said in zip(group.rows, facts["images"], strict=True)
    ]
    return {"because": group.because, "exact": group.exact, "items": items}


def _give_reason(group: Group, row: Row, said: Mapping[str, Any]) -> str:
    """Why an item is kept, or what makes it a copy."""
    if row is group.keep:
        return group.because
    if said["role"] == "shot":
        return "another file of the same shot, which stays"
    if said["same_content"]:
        return "the same content, byte for byte"
    if said["paper"]:
        return "a sheet that looks the same; compare what is written before deleting it"
    return f"looks the same, cosine {said['cosine']:.2f}"


def write_csv(found: FoundGroups) -> str:
    """Copies as CSV: group, keep, copy, bytes, cosine, reason."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["group", "keep", "copy", "bytes", "cosine", "reason"])
    for number, kept, item in _list_copies(found):
        facts = [number, kept["path"], item["path"], item["size"], item["cosine"], item["reason"]]
        writer.writerow([_cell(fact) for fact in facts])
    return file.getvalue()


def write_text(found: FoundGroups) -> str:
    """Paths of copies, one a line."""
    return "".join(f"{item['path']}\n" for _, _, item in _list_copies(found))


def _list_copies(found: FoundGroups) -> Iterable[tuple[int, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield (number of the group, item to keep, copy)."""
    for number, group in enumerate(found.groups, 1):
        kept = next(item for item in group["items"] if item["keep"])
        yield from ((number, kept, item) for item in group["items"] if not item["keep"])


def _cell(value: Any) -> Any:
    """Cell that no spreadsheet takes for a formula."""
    if isinstance(value, str) and (value[:1] in ("\t", "\r") or value.lstrip()[:1] in ("=", "+", "-", "@")):
        return f"'{value}"
    return value


class NotFoundYetError(WordsightError):
    """Copies that are not found yet, or were not."""


def read_found(job: Job) -> FoundGroups:
    """Groups that a job found. Raises: NotFoundYetError."""
    if not isinstance(job.value, FoundGroups):
        raise NotFoundYetError(f"The job {job.id!r} has found no duplicates (yet); its state is {job.state}.")
    return job.value
