"""`wordsight import`: import clip-retrieval files into an index."""

from __future__ import annotations

from pathlib import Path

import click

from wordsight.cli._messages import DONE, plain_warnings, report_skips
from wordsight.cli._options import NEW_INDEX, index_option
from wordsight.cli._progress import progress_bar
from wordsight.errors import InputError

EPILOG = """\b
Examples:
  wordsight import embeddings/ --model ViT-B-32/openai --in shop
  wordsight import exported/ --in copy         (written by wordsight export: the model is recorded)

FOLDER is the output of clip-retrieval inference: img_emb/img_emb_0.npy, metadata/metadata_0.parquet and so on. Name the
model that made the vectors: these files do not record it, and with any other model searches return nonsense. An import
that fails or is interrupted leaves nothing behind.

\b
Exit codes: 0 all rows imported; 1 some were skipped (listed on standard error); 2 the command or an input is wrong;
3 no row could be used.
"""


@click.command(epilog=EPILOG)
@click.argument("folder", type=click.Path(path_type=Path))
@index_option(NEW_INDEX)
@click.option("--model", "model_name", metavar="MODEL", help="Model that made the vectors: name, file, folder or "
              "hf-hub:org/repo.")  # fmt: skip
@click.pass_context
def command(ctx: click.Context, folder: Path, location: str | None, model_name: str | None) -> None:
    """Import the clip-retrieval files in FOLDER, embeddings and metadata, into an index."""
    from wordsight.index.clip_retrieval import ROWS_AT_ONCE, check_dim, find_parts, import_folder, read_model_name

    parts = find_parts(folder)
    made_by = model_name or read_model_name(folder)
    if made_by is None:
        raise InputError(f"Nothing in {str(folder)!r} records which model made the vectors; add --model NAME.")

    from wordsight.cli._progress import download_progress
    from wordsight.gallery import Gallery
    from wordsight.index.new_index import nothing_left_of_failure
    from wordsight.model import load

    with download_progress() as download:
        model = load(made_by, progress=download)
    check_dim(parts, model.spec.embed_dim, made_by)
    total = sum(part.rows for part in parts)
    with nothing_left_of_failure(location, even_rows=True):
        gallery = Gallery.create(location, model=model)
        steps = sum(-(-part.rows // ROWS_AT_ONCE) for part in parts)
        with gallery, plain_warnings(), progress_bar(steps, "Importing") as bar:
            skips = import_folder(folder, gallery.index, lambda _: bar.advance())
            click.echo(f"{total - len(skips)} × {gallery.info.dim} → {gallery.location}", err=True)
    ctx.exit(report_skips(skips, total) if total else DONE)
