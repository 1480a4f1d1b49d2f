"""`wordsight index`: make images findable, and keep the index up to date."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from wordsight.cli._options import (
    DONE,
    NOTHING_READ,
    SKIPS_SHOWN,
    SOME_SKIPPED,
    Interrupted,
    index_option,
    model_options,
    plain_warnings,
)
from wordsight.errors import InputError, StoreError

if TYPE_CHECKING:
    from wordsight.gallery import Gallery
    from wordsight.images.skipped import Skipped
    from wordsight.ingest.options import IngestOptions
    from wordsight.update.run import Progress, Summary

EPILOG = """\b
Examples:
  wordsight index photos/                                  then: wordsight search "a red car"
  wordsight index                                          (what was indexed before, brought up to date)
  wordsight index products.csv --image-column photo --in shop
  wordsight index manuals/ --mask-title-block --in drawings --exclude drafts/ --exclude '*.tif'
  wordsight index --status
  wordsight index --forget photos/

SOURCEs are images, folders, tables (.csv, .tsv, .jsonl, .parquet), PDF, tar files of images, patterns of these
('photos/**/*.jpg'), "hf:NAME". Only what is new or changed is embedded; an image whose file is gone leaves the index;
a source that was moved is taken over when it is named again. Nothing is written to the sources. Recycle bins, thumbnail
folders (@eaDir, #recycle, $RECYCLE.BIN, node_modules, …) and names that begin with a dot are left out.

\b
Exit codes: 0 all done; 1 some images were skipped, or are in but incomplete (listed on standard error); 2 the call
or an input is wrong; 3 no image could be read; 130 interrupted: what was done is kept, the same command continues.
"""


@click.command(epilog=EPILOG)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@index_option("The index, made where it is not there: a folder or address; your own by default.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out such paths, as .gitignore does.")
@click.option("--image-column", metavar="NAME", help="The column of a table that names the images.")
@click.option("--text-column", "text_columns", multiple=True, metavar="NAME", help="Search words in these columns.")
@click.option("--urls", is_flag=True, help="Fetch images that a table gives by address (http, https).")
@click.option("--mask-title-block", is_flag=True, help="Of PDF pages, do not look at the text block in the corner.")
@click.option("--forget", multiple=True, metavar="SOURCE", help="Follow a source no longer; remove its images.")
@click.option("--status", is_flag=True, help="Say what the index holds, and do nothing.")
@click.option("--on", type=click.Choice(["ray"]), help="Read and embed on a Ray cluster.")
@click.option("--json", "as_json", is_flag=True, help="Answer with one JSON object.")
@model_options
@click.pass_context
def command(
    ctx: click.Context,
    sources: tuple[str, ...],
    location: str | None,
    exclude: tuple[str, ...],
    image_column: str | None,
    text_columns: tuple[str, ...],
    urls: bool,
    mask_title_block: bool,
    forget: tuple[str, ...],
    status: bool,
    on: str | None,
    as_json: bool,
    model_name: str,
    backend: str,
    precision: str,
    exact: bool,
) -> None:
    """Make images findable: SOURCEs are put into an index, which `wordsight search` reads.

    Without a SOURCE, all that were named before are brought up to date.
    """
    from wordsight.ingest.options import IngestOptions

    options = IngestOptions(
        exclude=exclude,
        image_column=image_column,
        text_columns=text_columns or None,
        urls=urls,
        mask_title_block=mask_title_block,
    )
    said = options if options != IngestOptions() else None
    _check_call(sources, said, forget, status)
    chosen = None if ctx.get_parameter_source("model_name") is ParameterSource.DEFAULT else model_name
    from wordsight.cli._progress import download_progress
    from wordsight.index.new_index import nothing_left_of_failure

    with nothing_left_of_failure(location), download_progress() as download, plain_warnings():
        how: dict[str, Any] = {"backend": backend, "precision": precision, "download": download}
        with _gallery(location, chosen, make=bool(sources), how=how) as gallery:
            if status or forget:
                removed = sum(gallery.forget(source) for source in _named(gallery, forget))
                click.echo(json.dumps(gallery.status().to_dict()) if as_json else _status_text(gallery, removed))
                return
            if said:
                _announce(gallery, sources, said)
            summary = _run(gallery, sources, options=said, exact=exact, on=on)
            click.echo(json.dumps(_summary(gallery, summary)) if as_json else _summary_text(gallery, summary, location))
    ctx.exit(_report(summary))


def _check_call(sources: Sequence[str], said: IngestOptions | None, forget: Sequence[str], status: bool) -> None:
    if (forget or status) and (sources or said):
        raise InputError(f"{'--forget' if forget else '--status'} stands alone; index sources in a call of their own.")
    if said and not sources:
        raise InputError("Options are given, but no source that they are for; name it again with its new options.")
    from wordsight.images.files import is_pattern
    from wordsight.images.names import source_name

    for source in sources:
        if ":" not in source and not os.path.lexists(source) and not is_pattern(source):
            raise InputError(
                f"'{source_name(source)}' does not exist; expected an image, a folder, a table, PDF, tar, or pattern."
            )


def _gallery(location: str | None, model: str | None, *, make: bool, how: dict[str, Any]) -> Gallery:
    """Return the gallery that is there, else make one: with the model that was asked for, or the bundled one."""
    from wordsight.gallery import Gallery

    try:
        return Gallery.open(location, model=model, **how)
    except StoreError:
        if not make:
            raise
    return Gallery.create(location, model=model or "mini", **how)


def _named(gallery: Gallery, forget: Sequence[str]) -> list[str]:
    """Return the sources to forget; a pattern names those that match, unless it is a source itself."""
    import fnmatch

    from wordsight.images.files import is_pattern
    from wordsight.ingest.scan import source_root

    followed = gallery.sources
    named: dict[str, None] = {}
    for source in forget:
        root = source_root(source)
        matches = fnmatch.filter(followed, root) if is_pattern(source) and root not in followed else []
        named.update(dict.fromkeys(matches or [source]))
    return list(named)


def _announce(gallery: Gallery, sources: Sequence[str], options: IngestOptions) -> None:
    """Say on standard error where a source was read otherwise the last time."""
    from wordsight.ingest.scan import source_root

    for source in sources:
        before = gallery.sources.get(source_root(source))
        if before is not None and before != options:
            was = ", ".join(f"{k}={v!r}" for k, v in asdict(before).items() if v != asdict(options)[k])
            click.echo(f"wordsight: {source!r} is read otherwise than the last time (it was: {was}).", err=True)


def _run(gallery: Gallery, sources: Sequence[str], *, options: Any, exact: bool, on: str | None) -> Summary:
    """Bring the sources, or all that were recorded, into the index, with a bar.

    Raises: Interrupted on Ctrl-C, with what is kept.
    """
    last: list[Progress] = []
    embed = None
    if on == "ray":
        from wordsight.update.on_ray import embedder

        embed = embedder(gallery.model)
    try:
        with progress_bar() as draw:

            def progress(state: Progress) -> None:
                last[:] = [state]
                draw(state)

            if not sources:
                return gallery.refresh(exact=exact, embed=embed, progress=progress)
            return gallery.add(sources, options=options, exact=exact, embed=embed, progress=progress)
    except KeyboardInterrupt as error:
        done = last[0].in_index if last else 0
        said = f"wordsight: {done:,} images of this run are in; the same command continues there."
        raise Interrupted(said) from error


@contextlib.contextmanager
def progress_bar() -> Iterator[Callable[[Progress], object]]:
    """Draw a bar on standard error while that is a terminal: files done, images per second, time left."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich import progress as rich
    from rich.console import Console

    said = rich.TextColumn("{task.completed:,.0f}/{task.fields[of]} files  {task.fields[rate]:.0f} images/s")
    columns = (rich.TextColumn("Indexing"), rich.BarColumn(), said, rich.TimeRemainingColumn())
    with rich.Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("index", total=None, of="…", rate=0.0)

        def draw(state: Progress) -> None:
            of = "…" if state.total is None else f"{state.total:,}"
            bar.update(task, completed=state.done, total=state.total, of=of, rate=state.rate)

        yield draw


def _summary(gallery: Gallery, summary: Summary) -> dict[str, Any]:
    return {"index": gallery.location, "images": len(gallery), **summary.to_dict()}


def _summary_text(gallery: Gallery, summary: Summary, into: str | None) -> str:
    from wordsight.update.run import COUNTS

    counts = ", ".join(f"{getattr(summary, name):,} {name}" for name in COUNTS if getattr(summary, name))
    rate = f", {summary.embedded / summary.seconds:.0f} embedded/s" if summary.embedded and summary.seconds else ""
    where = f" --in {shlex.quote(into)}" if into else ""
    took = f"{summary.seconds:.1f} s{rate}"
    done = f"{len(gallery):,} images in {gallery.location}: {counts or 'nothing found'} ({took})."
    return f'{done}\nFind them with: wordsight search "a red car"{where}' if len(gallery) else done


def _report(summary: Summary) -> int:
    """Write what was skipped and kept to standard error, and return the exit code."""
    from wordsight.images.names import source_name

    for old, new in summary.moved.items():
        click.echo(f"wordsight: {source_name(old)} is not there any more; its images are in {source_name(new)}, "
                   "which is followed in its place.", err=True)  # fmt: skip
    for folder, images in summary.left_out.items():
        click.echo(
            f"wordsight: {images:,} images in folders called {folder!r} left the index: such folders are passed "
            f"over now; to keep them, name the source again with --exclude '!{folder}/'.",
            err=True,
        )
    for source in summary.kept:
        click.echo(
            f"wordsight: {source_name(source)} holds no images now, which it did before; they stay in the index. "
            "If it was moved, index it where it is now; unless its drive is just not mounted, remove its images "
            "with: wordsight index --forget …",
            err=True,
        )
    for what, skips in (("in the index, but incomplete", summary.incomplete), ("skipped", summary.skipped)):
        if skips:
            click.echo(f"wordsight: {len(skips):,} {what}:", err=True)
            for line in _grouped(skips):
                click.echo(f"  {line}", err=True)
    if not (summary.altered or summary.unchanged or summary.skipped or summary.kept):
        click.echo(
            "wordsight: nothing to index was found; expected images (.jpg, .png, .heic, …), PDF or tar files. Other "
            "kinds, and names that begin with a dot, are passed over; name such a file itself.",
            err=True,
        )
        return NOTHING_READ
    if not summary.skipped:
        return SOME_SKIPPED if summary.incomplete else DONE
    return SOME_SKIPPED if summary.altered or summary.unchanged else NOTHING_READ


def _grouped(skips: Sequence[Skipped]) -> Iterator[str]:
    """Yield lines that name the first skips of each reason, the most frequent reason first."""
    from wordsight.images.names import source_name

    items_of: defaultdict[str, list[Any]] = defaultdict(list)
    for skip in skips:
        items_of[skip.reason].append(skip.item)
    left = SKIPS_SHOWN
    for reason, items in sorted(items_of.items(), key=lambda pair: -len(pair[1])):
        shown = items[: max(left, 0)]
        left -= len(shown)
        if len(items) == 1 and shown:
            yield f"{source_name(items[0])}: {reason}"
            continue
        yield f"{reason} ({len(items):,}){':' if shown else ''}"
        yield from (f"  {source_name(item)}" for item in shown)
        if shown and len(items) > len(shown):
            yield f"  … and {len(items) - len(shown):,} more"


def _status_text(gallery: Gallery, removed: int) -> str:
    from wordsight.images.names import source_name

    status = gallery.status().to_dict()
    size = f", {status['bytes'] / 2**20:,.1f} MiB" if status["bytes"] else ""
    lines = [f"{removed:,} images removed."] if removed else []
    lines += [
        f"{status['images']:,} images in {status['index']}{size}",
        f"model: {status['model']} (fingerprint {status['fingerprint']}, {status['dim']} dimensions)",
        *(f"source: {source_name(name)} ({said['images']:,} images)" for name, said in status["sources"].items()),
        "columns for --where: "
        + ", ".join(f"{source_name(name)} ({kind})" for name, kind in status["columns"].items()),
    ]
    if status["fusion"]:
        from wordsight.cli.tune import named
        from wordsight.search.fusion import Fusion

        lines.append(f"tuned: {named(Fusion.from_note(status['fusion']))} (more: wordsight tune --status)")
    return "\n".join(lines)
