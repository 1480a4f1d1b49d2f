"""`wordsight index`: index images for search, and keep the index up to date."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from wordsight.cli._index.bar import run_with_bar
from wordsight.cli._index.check import check_index
from wordsight.cli._index.summary import report, summary_text
from wordsight.cli._messages import plain_warnings, say
from wordsight.cli._options import NEW_INDEX, index_option, json_option, model_options
from wordsight.cli._redaction import redact_values
from wordsight.errors import InputError, StoreError

if TYPE_CHECKING:
    from wordsight.gallery import Gallery
    from wordsight.ingest.options import IngestOptions
    from wordsight.update.run import Summary

EPILOG = """\b
Examples:
  wordsight index photos/                                  then: wordsight search "a red car"
  wordsight index                                          (update all sources)
  wordsight index products.csv --image-column photo --in shop
  wordsight index manuals/ --mask-title-block --in drawings --exclude drafts/ --exclude '*.tif'
  wordsight index --status
  wordsight index --check
  wordsight index --forget photos/

SOURCEs are images, folders, tables (.csv, .tsv, .jsonl, .parquet), PDF files, tar files of images, patterns of these
('photos/**/*.jpg'), or "hf:NAME". Only new and changed images are embedded, and images whose file is gone are removed.
To continue with a source that was moved, name its new location. Nothing is written to the sources. Recycle bins,
thumbnail folders (@eaDir, #recycle, $RECYCLE.BIN, node_modules, …) and names that begin with a dot are skipped.

\b
Exit codes: 0 all images indexed; 1 some were skipped, or are incomplete (listed on standard error), or --check found
damage; 2 the command or an input is wrong; 3 no image could be read; 130 interrupted: finished work is kept, rerun to
continue.
"""


@click.command(epilog=EPILOG)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@index_option(NEW_INDEX)
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Skip paths that match PATTERN, as in .gitignore.")
@click.option("--image-column", metavar="NAME", help="Table column with image paths or URLs.")
@click.option("--text-column", "text_columns", multiple=True, metavar="NAME", help="Table column with text to search.")
@click.option("--urls", is_flag=True, help="Fetch images from the URLs in a table (http, https).")
@click.option("--mask-title-block", is_flag=True, help="Ignore the title block in the corner of PDF pages.")
@click.option("--forget", multiple=True, metavar="SOURCE", help="Stop tracking SOURCE and remove its images.")
@click.option("--status", is_flag=True, help="Show what the index holds, and exit.")
@click.option("--check", is_flag=True, help="Look for damaged files of the index, and exit.")
@click.option("--repair", is_flag=True, help="Embed the images of damaged files again.")
@click.option("--on", type=click.Choice(["ray"]), help="Read and embed on a Ray cluster.")
@json_option()
@model_options
@click.pass_context
def command(ctx: click.Context, /, sources: tuple[str, ...], location: str | None, **options: Any) -> None:
    """Index the images in each SOURCE, so that `wordsight search` finds them.

    Without a SOURCE, all sources of the index are updated.
    """
    reading = _reading_options(options)
    _check_call(sources, reading, options)
    model = options["model_name"]
    if ctx.get_parameter_source("model_name") is ParameterSource.DEFAULT:
        model = None
    from wordsight.cli._progress import download_progress
    from wordsight.index.new_index import nothing_left_of_failure

    with nothing_left_of_failure(location), download_progress() as download, plain_warnings():
        how = {"backend": options["backend"], "precision": options["precision"], "download": download}
        with _open(location, model, create=bool(sources), how=how) as gallery:
            if options["check"]:
                ctx.exit(check_index(gallery, as_json=options["as_json"]))
            if options["repair"]:
                gallery.index.repair()
            if options["status"] or options["forget"]:
                _print_status(gallery, options)
                return
            if reading:
                _announce_changes(gallery, sources, reading)
            summary = _run(gallery, sources, reading, options)
            if options["as_json"]:
                record = {"index": gallery.location, "images": len(gallery), **summary.to_dict()}
                click.echo(json.dumps(redact_values(record)))
            else:
                click.echo(summary_text(gallery, summary, location))
    ctx.exit(report(summary))


def _reading_options(options: dict[str, Any]) -> IngestOptions | None:
    """Options for reading the sources; None where all are left as they were."""
    from wordsight.ingest.options import IngestOptions

    reading = IngestOptions(
        exclude=options["exclude"],
        image_column=options["image_column"],
        text_columns=options["text_columns"] or None,
        urls=options["urls"],
        mask_title_block=options["mask_title_block"],
    )
    return None if reading == IngestOptions() else reading


def _check_call(sources: Sequence[str], reading: IngestOptions | None, options: dict[str, Any]) -> None:
    for name in ("forget", "status", "check", "repair"):
        if options[name] and (sources or reading):
            raise InputError(f"--{name} cannot be combined with sources or their options; run separately.")
    if reading and not sources:
        raise InputError("Options are given without the source that they are for; name the source too.")
    from wordsight.images.files import is_pattern
    from wordsight.images.names import source_name

    for source in sources:
        if ":" not in source and not os.path.lexists(source) and not is_pattern(source):
            raise InputError(
                f"'{source_name(source)}' does not exist; expected an image, folder, table, PDF, tar file or pattern."
            )


def _open(location: str | None, model: str | None, *, create: bool, how: dict[str, Any]) -> Gallery:
    """Open the gallery, or create one where there is none: with the model asked for, or the bundled one."""
    from wordsight.gallery import Gallery

    try:
        return Gallery.open(location, model=model, **how)
    except StoreError:
        if not create:
            raise
    return Gallery.create(location, model=model or "mini", **how)


def _print_status(gallery: Gallery, options: dict[str, Any]) -> None:
    """Remove the sources to forget, and print the status of what is left."""
    from wordsight.cli._index.status import status_text

    removed = sum(gallery.forget(source) for source in _sources_to_forget(gallery, options["forget"]))
    status = gallery.status().to_dict()
    if options["as_json"]:
        click.echo(json.dumps(redact_values(status)))
        return
    if removed:
        click.echo(f"{removed:,} images removed.")
    click.echo(status_text(status))


def _sources_to_forget(gallery: Gallery, forget: Sequence[str]) -> list[str]:
    """Sources that are named, or match a pattern that is not a source itself."""
    import fnmatch

    from wordsight.images.files import is_pattern
    from wordsight.ingest.scan import source_root

    tracked = gallery.sources
    named: dict[str, None] = {}
    for source in forget:
        root = source_root(source)
        matches = []
        if is_pattern(source) and root not in tracked:
            matches = fnmatch.filter(tracked, root)
        named.update(dict.fromkeys(matches or [source]))
    return list(named)


def _announce_changes(gallery: Gallery, sources: Sequence[str], options: IngestOptions) -> None:
    """Announce sources whose options differ from those of the last run."""
    from wordsight.ingest.scan import source_root

    for source in sources:
        before = gallery.sources.get(source_root(source))
        if before is not None and before != options:
            was = ", ".join(f"{k}={v!r}" for k, v in asdict(before).items() if v != asdict(options)[k])
            say(f"{source!r} now uses different options (before: {was}).")


def _run(gallery: Gallery, sources: Sequence[str], reading: IngestOptions | None, options: dict[str, Any]) -> Summary:
    """Update the index from the sources, or from all that it tracks, with a bar."""
    how: dict[str, Any] = {"exact": options["exact"]}
    if options["on"] == "ray":
        from wordsight.update.on_ray import embedder

        how["embed"] = embedder(gallery.model)
    if sources:
        return run_with_bar(partial(gallery.add, sources, options=reading, **how))
    return run_with_bar(partial(gallery.refresh, **how))
