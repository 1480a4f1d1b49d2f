"""Upkeep of a Lance dataset: compaction, its text and ANN indexes, wider columns, old versions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pyarrow as pa

from wordsight.index.base import Floats
from wordsight.index.lance.schema import NAME_KEY, OLD, TERMS, TERMS_FIELD, has_terms, terms_array

EXACT_LIMIT = 300_000  # rows up to which every vector is compared; benchmarks/query_speed.py
ROWS_PER_FILE = 32_768  # what one new image makes Lance write again, at most
ID_INDEX_FROM = 10_000  # rows from which looking up an id in a tree is worth its upkeep
REMOTE_EXACT_LIMIT = 20_000  # the same for an index at a URL, where comparing every vector means fetching it
# RaBitQ, one bit a dimension (Gao and Long 2024), 80 bytes a row: of Lance's kinds the quickest to build (100,000 rows
# of 512 in 6 s, where IVF_PQ took minutes) and better than IVF_PQ: recall@10 0.99 against 0.95, 5 candidates refined
ANN_KIND, ANN_BITS = "IVF_RQ", 1
ROWS_PER_PARTITION = 4096
PROBES, REFINED = 32, 10  # partitions looked at, and candidates (of k each) whose cosine is computed in full
STALE_TEXTS = 0.02  # the share of texts that may be of rows gone by, before word frequencies are counted again
KEPT_RUNS = 3  # states before the last runs that can be gone back to
CACHES = {"index_cache_size_bytes": 512 * 2**20, "metadata_cache_size_bytes": 64 * 2**20}
TEXT_INDEX, VECTOR_INDEX = "_terms_idx", "_vector_idx"
FIRST_TEXT_INDEX = "_text_idx"  # of the texts themselves, which the first format had
RUN = "run-"


def ensure_terms(dataset: Any) -> bool:
    """Analyse the texts of an index that an older version made, and index them; return whether there was need to.

    Until the last step the dataset is read as before, by the index of its texts.
    """
    if has_terms(dataset.schema):
        return False
    if TERMS in dataset.schema.names:  # of another analysis, or of a process that was killed here
        _drop_index(dataset, TEXT_INDEX)
        dataset.drop_columns([TERMS])
    schema = pa.schema([pa.field(TERMS, pa.string())])  # its version is noted last
    dataset.add_columns(
        lambda batch: pa.record_batch([terms_array(text or "" for text in batch["_text"].to_pylist())], schema=schema),
        read_columns=["_text"], batch_size=1024,
    )  # fmt: skip
    _build_text_index(dataset)
    dataset.update_field_metadata(
        {TERMS: {key.decode(): value.decode() for key, value in TERMS_FIELD.metadata.items()}}
    )
    _drop_index(dataset, FIRST_TEXT_INDEX)
    return True


def ensure_text_index(dataset: Any) -> None:
    """Make the text index where there is none."""
    if TEXT_INDEX not in {index.name for index in dataset.describe_indices()}:
        _build_text_index(dataset)
    _drop_index(dataset, FIRST_TEXT_INDEX)


def _drop_index(dataset: Any, name: str) -> None:
    if name in {index.name for index in dataset.describe_indices()}:
        dataset.drop_index(name)


def _build_text_index(dataset: Any) -> None:
    """Index terms as they are: what is done to words is done by `wordsight.text.analysis`."""
    dataset.create_scalar_index(
        TERMS, "INVERTED", TEXT_INDEX, base_tokenizer="whitespace", stem=False, lower_case=False,
        remove_stop_words=False, ascii_folding=False, max_token_length=None, memory_limit=256, num_workers=1,
    )  # fmt: skip


def count_terms(batches: Iterable[pa.RecordBatch]) -> Counter[str]:
    """Number of times that each term stands in the column of terms."""
    import pyarrow.compute as pc  # 0.06 s, which only writing spends

    counts: Counter[str] = Counter()
    for batch in batches:
        found = pc.value_counts(pc.list_flatten(pc.split_pattern(batch[TERMS], " ")))
        counts.update(dict(zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True)))
    del counts[""]
    return counts


def optimise(dataset: Any, local: bool) -> None:
    """Compact small files, bring indexes up to date, forget all versions but those that the last runs ended with."""
    if dataset.version in runs(dataset):
        return
    dataset.optimize.compact_files(target_rows_per_fragment=ROWS_PER_FILE, batch_size=1024, num_threads=1)
    ensure_text_index(dataset)
    rows, names = dataset.count_rows(), {index.name for index in dataset.describe_indices()}
    if rows >= ID_INDEX_FROM:
        for column in ("_id", "_digest"):
            if f"{column}_idx" not in names:
                dataset.create_scalar_index(column, "BTREE", f"{column}_idx")
    exact_limit, keep_for = EXACT_LIMIT, timedelta(0)
    if not local:
        exact_limit, keep_for = REMOTE_EXACT_LIMIT, timedelta(days=1)
    if rows > exact_limit:
        _ensure_vector_index(dataset, rows, VECTOR_INDEX in names)
    dataset.optimize.optimize_indices()
    # Lance continues to count the words of rows that are gone
    documents = sum(part.get("num_docs", 0) for part in dataset.stats.index_stats(TEXT_INDEX)["indices"])
    if documents > (1 + STALE_TEXTS) * rows:
        _build_text_index(dataset)
    dataset.tags.create(f"{RUN}{dataset.version}", dataset.version)
    for number in runs(dataset)[:-KEPT_RUNS]:
        dataset.tags.delete(f"{RUN}{number}")
    # only the holder of the lock runs this, so what no version names was left by a killed process
    dataset.cleanup_old_versions(keep_for, delete_unverified=local, error_if_tagged_old_versions=False)


def _ensure_vector_index(dataset: Any, rows: int, present: bool) -> None:
    """Build the ANN index; again when the collection has outgrown the partitions that it was built with."""
    partitions = max(1, rows // ROWS_PER_PARTITION)
    if present:
        (built, *_) = dataset.stats.index_stats(VECTOR_INDEX)["indices"]
        if partitions <= 4 * built["num_partitions"]:
            return
    dataset.create_index(
        "_vector", ANN_KIND, VECTOR_INDEX, metric="cosine", replace=True, num_partitions=partitions, num_bits=ANN_BITS
    )


def runs(dataset: Any) -> list[int]:
    """Versions that runs ended with and that are kept, oldest first."""
    return sorted(tag["version"] for name, tag in dataset.tags.list().items() if name.startswith(RUN))


def nearest_query(dataset: Any, query_D: Floats, k: int, few: bool) -> dict[str, Any]:
    """Options by which Lance is asked for the nearest rows; `few`: a condition leaves so few that each is compared."""
    asked = {"column": "_vector", "q": query_D, "k": k}
    if few or VECTOR_INDEX not in {index.name for index in dataset.describe_indices()}:
        return {**asked, "metric": "dot", "use_index": False}
    return {**asked, "metric": "cosine", "nprobes": PROBES, "refine_factor": REFINED}


def widen(dataset: Any, fields: list[pa.Field]) -> None:
    """Give a dataset columns that it lacks, and make integer columns columns of numbers.

    Each step leaves a dataset that reads as before or after it: the new column takes the old one's name in the same
    transaction in which the old one loses it.
    """
    if left := [name for name in dataset.schema.names if name.startswith(OLD)]:
        dataset.drop_columns(left)
    for field in fields:
        if field.name not in dataset.schema.names:
            dataset.add_columns([field])
            continue
        old, new = f"{OLD}{field.name}", f"{OLD}{field.name} as number"
        dataset.add_columns({new: f"cast(`{field.name}` as double)"})
        dataset.alter_columns({"path": field.name, "name": old}, {"path": new, "name": field.name})
        if field.metadata and NAME_KEY in field.metadata:
            dataset.update_field_metadata({field.name: {NAME_KEY.decode(): field.metadata[NAME_KEY].decode()}})
        dataset.drop_columns([old])
