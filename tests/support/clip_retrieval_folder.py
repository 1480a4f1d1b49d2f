"""A folder as clip-retrieval writes it."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet


def written(folder, parts, digits=1):
    """A folder as clip-retrieval inference writes it: (embeddings, metadata columns) for each part."""
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    for number, (embeddings, columns) in enumerate(parts):
        stem = str(number).zfill(digits)
        np.save(folder / "img_emb" / f"img_emb_{stem}.npy", embeddings)
        parquet.write_table(pa.table(columns), folder / "metadata" / f"metadata_{stem}.parquet")
    return folder
