"""An index in Qdrant: on a server or in its cloud by URL, or in a folder by the client's local mode.

A collection holds a point for each row: the dense vector "image" (dot product of unit vectors: the cosine), the sparse
vector "text" (BM25, see `index.bm25`), and the row's fields as payload. A second collection, "<name>-wordsight", keeps
what the index was made with, its columns and its notes.

What to expect of it:
- A server finds neighbours by HNSW, which is approximate in large collections. Scores are exact.
- A server writes one request whole or not at all, and `add` of many rows sends several; local mode writes row by row.
  Killed between two, `add` leaves the rows that were written, and the next update completes them.
- BM25 needs the mean length of the texts when a text is written. It is taken from the first rows, and `optimise`
  writes the weights again once the mean has moved by more than 2 %.
- Local mode is for trying out and for tests: it holds the collection in memory, scans every point for each query in
  Python, and commits every point to disk by itself, which takes milliseconds each. Its client warns beyond 20,000
  points. One process at a time may open a folder.
- The filter LIKE 'begins with%' and '%holds%' needs a client and a server of 2026 or later.
"""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from wordsight.columns import OWN_KINDS, Value
from wordsight.errors import InputError, StoreError, WordsightWarning
from wordsight.index import is_local
from wordsight.index.base import (
    ANALYSED_AGAIN,
    TEXTS_COMPARED,
    Floats,
    IndexInfo,
    Match,
    Row,
    RowVersion,
    by_coverage,
    check_columns,
)
from wordsight.index.bm25 import document_vector, query_vector
from wordsight.index.filters.parse import Always
from wordsight.index.filters.translate import to_qdrant
from wordsight.index.payload_fields import TAKEN_SECONDS, columns_with
from wordsight.index.qdrant.client_errors import client_errors
from wordsight.index.qdrant.points import (
    IMAGE,
    TEXT,
    field_key,
    payload_value,
    point_id,
    to_payload,
    to_row,
    vectors_in,
)
from wordsight.index.records import STORED_FIELD, RecordIndex, portions
from wordsight.text.analysis import VERSION, Query, coverage, plain_words, terms, to_words

PAGE = 1000  # points asked for at a time
ROWS_A_REQUEST, BYTES_A_REQUEST = 256, 8 << 20  # a server takes requests of 32 MiB
DRIFT = 0.02  # how far the mean length of the texts may move before BM25's weights are written again
INDEX_TYPES = {"text": "keyword", "integer": "integer", "number": "float", "boolean": "bool"}


class QdrantIndex(RecordIndex):
    """The index in one collection; `opening.open_store` makes these."""

    def __init__(self, client: Any, collection: str, location: str, info: IndexInfo | None) -> None:
        self._client = client
        self._collection = collection
        self._beside = f"{collection}-wordsight"
        self._location = location
        self._local = is_local(location.removeprefix("qdrant:"))  # the client's local mode, not a server
        self._analysed = False  # whether all texts are known to be written as this version analyses them
        with self._asking():
            kept = None
            if client.collection_exists(self._beside):
                kept = self._record("about")
            if kept is None and info is not None:
                self._make(info)
            self._begin(kept, info)

    def _asking(self) -> contextlib.AbstractContextManager[None]:
        return client_errors(self._location)

    def _make(self, info: IndexInfo) -> None:
        from qdrant_client import models

        if not self._client.collection_exists(self._collection):
            self._client.create_collection(
                self._collection,
                vectors_config={IMAGE: models.VectorParams(size=info.dim, distance=models.Distance.DOT)},
                sparse_vectors_config={TEXT: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            )
        elif self._client.count(self._collection).count:
            raise StoreError(
                f"The collection at {self._location} holds points that wordsight did not make; name another collection."
            )
        if not self._client.collection_exists(self._beside):
            self._client.create_collection(self._beside, vectors_config={})
        self._index_payload({**OWN_KINDS, TAKEN_SECONDS: "number"})
        if not self._local:
            self._client.create_payload_index(self._collection, "digest", "keyword", wait=True)

    def _index_payload(self, columns: Mapping[str, str], replace: bool = False) -> None:
        """Let a server filter by columns without reading every payload; local mode has no such indexes."""
        if self._local:
            return
        for column, type_ in columns.items():
            if replace:
                self._client.delete_payload_index(self._collection, field_key(column), wait=True)
            self._client.create_payload_index(self._collection, field_key(column), INDEX_TYPES[type_], wait=True)

    # records of the second collection

    def _record(self, key: str) -> Any:
        points = self._client.retrieve(self._beside, [point_id(key)])
        return json.loads(points[0].payload["value"]) if points else None

    def _set_record(self, key: str, value: Any) -> None:
        from qdrant_client import models

        point = models.PointStruct(id=point_id(key), vector={}, payload={"key": key, "value": json.dumps(value)})
        self._client.upsert(self._beside, [point], wait=True)

    # reading

    def __len__(self) -> int:
        with self._asking():
            return int(self._client.count(self._collection, exact=True).count)

    def count(self, where: str) -> int:
        """Number of rows that a condition admits."""
        chosen = self._filter(where)
        if chosen is False:
            return 0
        with self._asking():
            return int(self._client.count(self._collection, count_filter=chosen, exact=True).count)

    def row_versions(self) -> Iterator[RowVersion]:
        """Yield the version of every row, a thousand at a time."""
        for point in self._scroll(list(STORED_FIELD.values()), vectors=False):
            yield RowVersion(**{name: point.payload.get(stored, "") for name, stored in STORED_FIELD.items()})

    def batches(self, size: int = 4096) -> Iterator[tuple[list[str], Floats]]:
        """Batches of (ids, vectors (B, D)) of the whole index, in the order of the points' hashed ids."""
        for points in portions(self._scroll(["id"], vectors=True), size):
            yield [point.payload["id"] for point in points], vectors_in(points)

    def sample(self, n: int) -> Floats:
        """Vectors (≤ n, D) of the first points: their ids are hashes, so they are spread evenly."""
        chosen = [point for point, _ in zip(self._scroll([], vectors=True), range(n), strict=False)]
        return vectors_in(chosen).reshape(-1, self.info.dim)

    def read_columns(self, names: Sequence[str], where: str | None = None) -> dict[str, list[Value]]:
        """Values of columns of all rows that a condition admits, in the order of the points' hashed ids."""
        check_columns(names, self.columns())
        read: dict[str, list[Value]] = {name: [] for name in ("id", *names)}
        chosen = self._filter(where)
        if chosen is False:
            return read
        keys = ["id", *map(field_key, names)]
        for point in self._scroll(keys, vectors=False, chosen=chosen):
            read["id"].append(point.payload["id"])
            for name, key in zip(names, keys[1:], strict=True):
                read[name].append(payload_value(point, key))
        return read

    def _scroll(self, payload: list[str] | bool, vectors: bool, chosen: Any = None) -> Iterator[Any]:
        offset: Any = None
        while True:
            with self._asking():
                points, offset = self._client.scroll(
                    self._collection,
                    scroll_filter=chosen,
                    limit=PAGE,
                    offset=offset,
                    with_payload=payload,
                    with_vectors=[IMAGE] if vectors else False,
                )
            yield from points
            if offset is None:
                return

    def get(self, ids: Sequence[str]) -> list[Row]:
        """Rows of those ids that are there, in the order asked."""
        found: dict[str, Row] = {}
        with self._asking():
            for some in portions(dict.fromkeys(ids), PAGE):
                points = self._client.retrieve(
                    self._collection, [point_id(id) for id in some], with_payload=True, with_vectors=[IMAGE]
                )
                found |= {row.id: row for row in map(to_row, points)}
        return [found[id] for id in ids if id in found]

    def find_vectors(self, content_hashes: Sequence[str]) -> dict[str, Floats]:
        """Content hash → vector (D,) of the contents that are there."""
        from qdrant_client import models

        found: dict[str, Floats] = {}
        if not content_hashes:
            return found
        if self._local:  # local mode would compare every point with every hash
            wanted = set(content_hashes)
            for point in self._scroll(["digest"], vectors=True):
                if point.payload["digest"] in wanted:
                    found.setdefault(point.payload["digest"], np.asarray(point.vector[IMAGE], np.float32))
            return found
        for some in portions(dict.fromkeys(content_hashes), PAGE):
            match = models.FieldCondition(key="digest", match=models.MatchAny(any=some))
            for point in self._scroll(["digest"], vectors=True, chosen=models.Filter(must=[match])):
                found.setdefault(point.payload["digest"], np.asarray(point.vector[IMAGE], np.float32))
        return found

    def nearest(self, query_D: Floats, k: int, where: str | None = None) -> list[Match]:
        """The k rows of the largest cosine, best first."""
        self._check_query(query_D)
        return self._answer([float(value) for value in query_D], IMAGE, k, where)

    def match_text(self, words: Query, k: int, where: str | None = None) -> list[Match]:
        """The k rows whose text matches best by BM25, best first."""
        from qdrant_client import models

        wanted = to_words(words)
        with self._asking():
            self._analysed = self._analysed or self._is_analysed(self._record("texts"))
        more: Iterable[str] = ()
        if not self._analysed:
            more = plain_words(wanted)
        dimensions, weights = query_vector(wanted, *more)
        if not dimensions or k < 1:
            return []
        asked = models.SparseVector(indices=dimensions, values=weights)
        found = self._answer(asked, TEXT, max(k, TEXTS_COMPARED), where)
        return by_coverage(((each.row, each.score, coverage(wanted, each.row.text)) for each in found), k)

    def _answer(self, query: Any, using: str, k: int, where: str | None) -> list[Match]:
        from qdrant_client import models

        chosen = self._filter(where)
        if k < 1 or chosen is False:
            return []
        with self._asking():
            points = self._client.query_points(
                self._collection,
                query=query,
                using=using,
                limit=k,
                query_filter=chosen,
                with_payload=models.PayloadSelectorExclude(exclude=["thumbnail"]),
                with_vectors=[IMAGE],
            ).points
        return [Match(to_row(point), float(point.score)) for point in points]

    def _filter(self, where: str | None) -> Any:
        """Condition as a Filter; None without a condition, False for one that no row meets."""
        if where is None:
            return None
        from pydantic import ValidationError
        from qdrant_client import models

        condition = self._condition(where)
        if isinstance(condition, Always):
            return None if condition.value else False
        try:
            return models.Filter.model_validate(to_qdrant(condition, field_key, self._columns))
        except ValidationError as error:
            raise InputError(
                f"The condition {where!r} needs a newer qdrant-client than the one installed; upgrade it."
            ) from error

    # writing

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows, or put them in the place of those of their ids; every row is looked at before one is sent."""
        from qdrant_client import models

        rows = self._checked(rows)
        columns = columns_with(self._columns, rows)
        with self._asking():
            if columns != self._columns:
                columns = columns_with(self.columns(), rows)
                fresh = {name: type_ for name, type_ in columns.items() if name not in self._columns}
                other = {name: type_ for name, type_ in columns.items() if self._columns.get(name, type_) != type_}
                self._index_payload(fresh)
                self._index_payload(other, replace=True)
                self._set_record("columns", columns)
                self._columns = columns
            mean_words = self._mean_words(rows)
            for some in _portions(rows, ROWS_A_REQUEST, BYTES_A_REQUEST):
                points = []
                for row in some:
                    vectors: dict[str, Any] = {IMAGE: row.vector.astype(float).tolist()}
                    if terms(row.text):
                        dimensions, weights = document_vector(row.text, mean_words)
                        vectors[TEXT] = models.SparseVector(indices=dimensions, values=weights)
                    points.append(models.PointStruct(id=point_id(row.id), vector=vectors, payload=to_payload(row)))
                self._client.upsert(self._collection, points, wait=True)

    def _mean_words(self, rows: Sequence[Row]) -> float:
        """Mean length of the texts that weights are written with; the first rows set it."""
        texts = self._record("texts") or {}
        lengths = [length for row in rows if (length := len(terms(row.text)))]
        if lengths and (not texts or not texts["stale"]):
            texts = {"analysis": VERSION, "mean_words": sum(lengths) / len(lengths), **texts, "stale": True}
            self._set_record("texts", texts)
        return float(texts.get("mean_words", 1.0))

    @staticmethod
    def _is_analysed(texts: Any) -> bool:
        """Whether the texts were all written as this version analyses them; None are no texts yet."""
        return texts is None or texts.get("analysis") == VERSION

    def remove(self, ids: Sequence[str]) -> None:
        """Remove rows; ids that are not there are ignored."""
        from qdrant_client import models

        with self._asking():
            for some in portions(ids, PAGE):
                chosen = models.PointIdsList(points=[point_id(id) for id in some])
                self._client.delete(self._collection, chosen, wait=True)
            if ids and (texts := self._record("texts")) and not texts["stale"]:
                self._set_record("texts", texts | {"stale": True})

    def optimise(self) -> None:
        """Write BM25's weights again if the mean length of the texts has moved, or an older version wrote them; the
        server does the rest by itself.
        """
        with self._asking():
            texts = self._record("texts")
            analysed = self._is_analysed(texts)
            if not texts or (analysed and not texts["stale"]):
                return
            if analysed:
                lengths = [n for point in self._scroll(["words"], vectors=False) if (n := point.payload.get("words"))]
            else:
                every = self._scroll(["text"], vectors=False)
                lengths = [n for point in every if (n := len(terms(point.payload.get("text", ""))))]
            mean_words = sum(lengths) / len(lengths) if lengths else 1.0
            if not analysed or abs(mean_words / texts["mean_words"] - 1) > DRIFT:
                self._write_weights(mean_words, counts=not analysed)
            else:
                mean_words = texts["mean_words"]
            self._set_record("texts", {"analysis": VERSION, "mean_words": mean_words, "stale": False})
        if not analysed:
            warnings.warn(ANALYSED_AGAIN.format(self._location), WordsightWarning, stacklevel=2)

    def _write_weights(self, mean_words: float, counts: bool) -> None:
        """Write the text's vector of every point again; `counts`: and how many terms it has."""
        from qdrant_client import models

        for points in portions(self._scroll(["text"], vectors=False), ROWS_A_REQUEST):
            renewed = []
            for point in points:
                text = point.payload.get("text", "")
                dimensions, weights = document_vector(text, mean_words)
                if dimensions:
                    vector: Any = {TEXT: models.SparseVector(indices=dimensions, values=weights)}
                    renewed.append(models.PointVectors(id=point.id, vector=vector))
                if counts:
                    length = {"words": len(terms(text))}
                    self._client.set_payload(self._collection, length, points=[point.id], wait=True)
            if renewed:
                self._client.update_vectors(self._collection, renewed, wait=True)

    def close(self) -> None:
        """Close the folder or the connection."""
        self._client.close()


def _portions(rows: Iterable[Row], count: int, size: float = float("inf")) -> Iterator[list[Row]]:
    """Yield rows in lists of `count`, and about `size` bytes as they are sent, at most."""
    return portions(rows, count, size, lambda row: 12 * row.vector.size + 2 * len(row.text) + 2 * len(row.thumbnail))
