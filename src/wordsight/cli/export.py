"""`wordsight export`: export an index as clip-retrieval files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from wordsight.cli._options import index_option
from wordsight.cli._progress import progress_bar

EPILOG = """\b
Examples:
  wordsight export embeddings/                 (your personal index)
  wordsight export embeddings/ --in shop --float32

FOLDER gets img_emb/img_emb_0.npy, metadata/metadata_0.parquet and so on, as written by clip-retrieval inference and
read by `clip-retrieval index`, and wordsight-model.json, which names the model that made the vectors.
"""


@click.command(epilog=EPILOG)
@click.argument("folder", type=click.Path(path_type=Path))
@index_option()
@click.option("--float32", "dtype", flag_value="float32", help="Store vectors as float32; twice the size.")
@click.option("--float16", "dtype", flag_value="float16", default=True, help="Store vectors as float16, as "
              "clip-retrieval does (default).")  # fmt: skip
def command(folder: Path, location: str | None, dtype: Literal["float16", "float32"]) -> None:
    """Export an index to FOLDER as clip-retrieval files."""
    from wordsight.index import open_index
    from wordsight.index.clip_retrieval import ROWS_PER_PART, export_index

    index = open_index(location)
    try:
        with progress_bar(-(-len(index) // ROWS_PER_PART), "Writing") as bar:
            rows = export_index(index, folder, dtype=dtype, progress=lambda _: bar.advance())
    finally:
        index.close()
    click.echo(f"{rows} × {index.info.dim} → {folder}", err=True)
