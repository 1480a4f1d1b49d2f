"""Summary of an index update: its counts, and on standard error all that was skipped, kept or moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from wordsight.cli._messages import DONE, NOTHING_READ, SKIPS_SHOWN, SOME_SKIPPED, clean, say
from wordsight.cli._options import quote_index_option

if TYPE_CHECKING:
    from wordsight.gallery import Gallery
    from wordsight.images.skipped import Skipped
    from wordsight.update.run import Summary


def summary_text(gallery: Gallery, summary: Summary, into: str | None) -> str:
    """The counts in words, and the command that searches the index."""
    from wordsight.update.run import COUNTS

    counts = ", ".join(f"{getattr(summary, name):,} {name}" for name in COUNTS if getattr(summary, name))
    time = f"{summary.seconds:.1f} s"
    if summary.embedded and summary.seconds:
        time += f", {summary.embedded / summary.seconds:.0f} embedded/s"
    done = f"{len(gallery):,} images in {gallery.location}: {counts or 'nothing found'} ({time})."
    if not len(gallery):
        return clean(done)
    return clean(f'{done}\nSearch them with: wordsight search "a red car"{quote_index_option(into)}')


def report(summary: Summary) -> int:
    """Report on standard error what was skipped, kept or moved, and return the exit code."""
    from wordsight.images.names import source_name

    for old, new in summary.moved.items():
        say(f"{source_name(old)} is gone, and its images are in {source_name(new)}, which is tracked in its place.")
    for folder, images in summary.left_out.items():
        say(f"{images:,} images in folders called {folder!r} were removed from the index: such folders are skipped "
            f"now; to keep them, name the source again with --exclude '!{folder}/'.")  # fmt: skip
    for source in summary.kept:
        say(
            f"{source_name(source)} no longer holds any images; those in the index are kept. If it was moved, index "
            "its new location. Unless the drive is just unmounted, remove its images with: wordsight index --forget …"
        )
    for state, skips in (("incomplete, but in the index", summary.incomplete), ("skipped", summary.skipped)):
        if skips:
            say(f"{len(skips):,} {state}:")
            for line in _group(skips):
                click.echo(clean(f"  {line}"), err=True)
    if not (summary.altered or summary.unchanged or summary.skipped or summary.kept):
        say("found nothing to index; expected images (.jpg, .png, .heic, …), PDF or tar files. Other files, and names "
            "that begin with a dot, are skipped unless they are named themselves.")  # fmt: skip
        return NOTHING_READ
    return _exit_code(summary)


def _exit_code(summary: Summary) -> int:
    if summary.skipped and not (summary.altered or summary.unchanged):
        return NOTHING_READ
    return SOME_SKIPPED if summary.skipped or summary.incomplete else DONE


def _group(skips: Sequence[Skipped]) -> Iterator[str]:
    """Lines that name the first skips of each reason, the most frequent reason first."""
    from wordsight.images.names import source_name

    by_reason: defaultdict[str, list[Any]] = defaultdict(list)
    for skip in skips:
        by_reason[skip.reason].append(skip.item)
    left = SKIPS_SHOWN
    for reason, items in sorted(by_reason.items(), key=lambda pair: -len(pair[1])):
        shown = items[: max(left, 0)]
        left -= len(shown)
        if len(items) == 1 and shown:
            yield f"{source_name(items[0])}: {reason}"
            continue
        heading = f"{reason} ({len(items):,})"
        if not shown:
            yield heading
            continue
        yield f"{heading}:"
        yield from (f"  {source_name(item)}" for item in shown)
        if len(items) > len(shown):
            yield f"  … and {len(items) - len(shown):,} more"
