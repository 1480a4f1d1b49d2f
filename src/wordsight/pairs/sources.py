"""Sources of pairs, opened: each name leads to the reader of its kind (`ingest.kinds`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from wordsight.errors import InputError
from wordsight.ingest.kinds import DATASET_PREFIX, SourceKind, file_kind, source_kind
from wordsight.pairs.datasets import DatasetPairs, DatasetRows, open_dataset, open_parquet
from wordsight.pairs.folders import list_folder
from wordsight.pairs.options import PairOptions
from wordsight.pairs.order import JoinedPairs
from wordsight.pairs.references import Pairs
from wordsight.pairs.shards import Shard, expand_shards
from wordsight.pairs.tables import find_embedded_images, read_table
from wordsight.pairs.tally import Tally


class PairSources:
    """All pairs of some sources: `listed`, which can be taken in any order, and `shards`, which are read in theirs.

    datasets: whose rows the references of `listed` name. tally: what was left out at opening.
    Raises: InputError for sources that cannot be read; MissingExtraError for what a source needs.
    """

    def __init__(self, sources: Sequence[str], options: PairOptions) -> None:
        self.options = options
        self.tally = Tally()
        self.shards: list[Shard] = []
        self.datasets: list[DatasetRows] = []
        self._listed: list[Pairs] = []
        for source in sources:
            self._open(os.path.expanduser(source))
        self.listed = JoinedPairs(self._listed)

    def _open(self, source: str) -> None:
        kind = source_kind(source)
        if kind in (SourceKind.PATTERN, SourceKind.MISSING) and file_kind(source) is SourceKind.ARCHIVE:
            kind = SourceKind.ARCHIVE  # names of several shards
        openers: dict[SourceKind, Callable[[str], None]] = {
            SourceKind.DATASET: self._open_dataset,
            SourceKind.SAVED_DATASET: self._open_saved_dataset,
            SourceKind.FOLDER: self._open_folder,
            SourceKind.ARCHIVE: self._open_shards,
            SourceKind.TABLE: self._open_table,
            SourceKind.URL: self._reject_url,
        }
        openers.get(kind, self._reject)(source)

    def _open_dataset(self, source: str) -> None:
        self._add_dataset(open_dataset(source, self.options))

    def _open_saved_dataset(self, folder: str) -> None:
        self._add_dataset(open_dataset(DATASET_PREFIX + folder, self.options))

    def _open_folder(self, folder: str) -> None:
        pairs, archives = list_folder(folder, self.options, self.tally)
        self._listed.append(pairs)
        self.shards += map(Shard, archives)

    def _open_shards(self, source: str) -> None:
        self.shards += map(Shard, expand_shards(source, self.options.name_setting("pairs")))

    def _open_table(self, path: str) -> None:
        if not os.path.exists(path):  # a link that leads nowhere
            self._reject(path)
        image_column = find_embedded_images(path, self.options)
        if image_column:
            self._add_dataset(open_parquet(path, image_column, self.options))
        else:
            self._listed.append(read_table(path, self.options, self.tally))

    def _add_dataset(self, rows: DatasetRows) -> None:
        self._listed.append(DatasetPairs(rows, len(self.datasets)))
        self.datasets.append(rows)

    def _reject_url(self, source: str) -> None:
        setting = self.options.name_setting("pairs")
        raise InputError(f"{setting} names the URL {source!r}; download it, or mount it as a folder.")

    def _reject(self, source: str) -> None:
        seen = "which does not exist"
        if os.path.exists(source):
            seen = "which is none of these"
        raise InputError(
            f"{self.options.name_setting('pairs')} names {source!r}, {seen}: a table (.csv, .tsv, .jsonl, .parquet), a "
            f"folder of images, shards ('shards/{{00000..00099}}.tar'), or a dataset ('{DATASET_PREFIX}NAME')."
        )
