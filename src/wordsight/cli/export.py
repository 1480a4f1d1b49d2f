"""`wordsight export`: write an index as clip-retrieval's files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from wordsight.cli._options import index_option, progress_bar

EPILOG = """\b
Examples:
  wordsight export embeddings/                 (the user's own index)
  wordsight export embeddings/ --in shop --float32

OUT becomes a folder with img_emb/img_emb_0.npy, metadata/metadata_0.parquet and so on, as clip-retrieval inference
writes it (`clip-retrieval index` reads it), and wordsight-model.json, which says which model made the vectors.
"""


@click.command(epilog=EPILOG)
@click.argument("out", type=click.Path(path_type=Path))
@index_option()
@click.option("--float32", "dtype", flag_value="float32", help="Write the vectors in full; twice as large.")
@click.option("--float16", "dtype", flag_value="float16", default=True, help="As clip-retrieval does (the default).")
def command(out: Path, location: str | None, dtype: Literal["float16", "float32"]) -> None:
    """Write an index into the folder OUT, as clip-retrieval's files."""
    from wordsight.index import open_index
    from wordsight.index.clip_retrieval import ROWS_PER_PART, export_index

    index = open_index(location)
    try:
        with progress_bar(-(-len(index) // ROWS_PER_PART), "Writing") as bar:
            rows = export_index(index, out, dtype=dtype, progress=lambda _: bar.advance())
    finally:
        index.close()
    click.echo(f"{rows} × {index.info.dim} → {out}", err=True)
