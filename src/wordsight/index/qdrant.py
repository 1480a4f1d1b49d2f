"""An index in Qdrant: on a server or in its cloud by address, or in a folder by the client's local mode.

A collection holds a point for each row: the dense vector "image" (dot product of unit vectors: the cosine), the sparse
vector "text" (BM25, see `sparse_text`), and the row's fields as payload. A second collection, "<name>-wordsight", keeps
what the index was made with, its columns and its notes.

What to expect of it:
- A server finds neighbours by HNSW, which is approximate in large collections. Scores are exact.
- A server writes one request whole or not at all, and `add` of many rows sends several; local mode writes row by row.
  Killed between two, `add` leaves the rows that were written, and the next update completes them.
- BM25 needs the mean length of the texts when a text is written. It is taken from the first rows, and `optimise`
  writes the weights anew once the mean has moved by more than 2 %.
- Local mode is for trying out and for tests: it holds the collection in memory, scans every point for each query in
  Python, and commits every point to disk by itself, which takes milliseconds each. Its client warns beyond 20,000
  points. One process at a time may open a folder.
- The filter LIKE 'begins with%' and '%holds%' needs a client and a server of 2026 or later.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pickle
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np

from wordsight.errors import InputError, MissingExtraError, StoreError, WordsightError
from wordsight.index.filters import (
    TAKEN_SECONDS,
    Always,
    clean,
    column_name,
    columns_with,
    meta_field,
    meta_fields,
    parse,
    seconds_of,
    to_qdrant,
)
from wordsight.index.rows import OWN_COLUMNS, About, Floats, Index, Match, Note, Row, Stamp
from wordsight.index.sparse_text import document_vector, query_vector, words_of

T = TypeVar("T")

IMAGE, TEXT = "image", "text"
STAMP = ("id", "source", "path", "digest", "size", "mtime_ns", "about")
PAGE = 1000  # points asked for at a time
ROWS_A_REQUEST, BYTES_A_REQUEST = 256, 8 << 20  # a server takes requests of 32 MiB
DRIFT = 0.02  # how far the mean length of the texts may move before BM25's weights are written anew
OWN_TYPES = dict(zip(OWN_COLUMNS, ("text", "integer", "integer", "integer", "text"), strict=True))
INDEX_TYPES = {"text": "keyword", "integer": "integer", "number": "float", "boolean": "bool"}


def open_store(location: str, about: About | None) -> QdrantIndex:
    """Open the index at "qdrant:FOLDER/COLLECTION" or "qdrant:http://HOST:6333/COLLECTION", or make it.

    about: what to make the index with; None opens one that is there. A server's key is read from QDRANT_API_KEY.

    Raises: InputError for a location of another form; StoreError where there is no index, or one that another model
    made (naming both), or where the server or folder cannot be used; MissingExtraError without qdrant-client.
    """
    place, collection = _parts(location)
    if about is None and "://" not in place and not (Path(place) / "meta.json").is_file():
        raise StoreError(_absent(location))
    try:
        from qdrant_client import QdrantClient
    except ImportError as error:
        raise MissingExtraError("An index in Qdrant", "qdrant-client", "qdrant") from error
    with _asking(location):
        if "://" in place:
            split = urlsplit(place)
            client = QdrantClient(
                url=f"{split.scheme}://{split.netloc}",
                prefix=split.path or None,
                api_key=os.environ.get("QDRANT_API_KEY"),
                timeout=60,
                check_compatibility=False,  # it would ask for the server's version in a thread of its own
            )
        else:
            client = _opened(place, location)
    try:
        return QdrantIndex(client, collection, location, about)
    except BaseException:
        client.close()
        raise


def _opened(folder: str, location: str) -> Any:
    """Open a folder in local mode."""
    from qdrant_client import QdrantClient

    try:
        return QdrantClient(path=folder)
    except (ValueError, EOFError, pickle.UnpicklingError) as error:
        raise StoreError(
            f"The folder of {location} is damaged or of another version of the client ({error}); put it back from a "
            "copy, or delete it and make the index anew."
        ) from error


def _parts(location: str) -> tuple[str, str]:
    """Return the folder or address, and the collection's name."""
    place, slash, collection = location.removeprefix("qdrant:").replace(os.sep, "/").rpartition("/")
    if not (place and slash and collection) or place.endswith(":/") or set(collection) & set('<>:"\\|?*'):
        raise InputError(
            f"The location {location!r} is not of the form qdrant:FOLDER/COLLECTION or "
            "qdrant:http://HOST:6333/COLLECTION."
        )
    return place, collection


def _absent(location: str) -> str:
    return f"There is no index at {location}; make one with: wordsight index SOURCE --into {location}"


@contextlib.contextmanager
def _asking(location: str) -> Iterator[None]:
    """Turn what the client raises into StoreError."""
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    try:
        yield
    except WordsightError:
        raise
    except ResponseHandlingException as error:
        raise StoreError(f"The server of {location} cannot be reached ({error}); is it running there?") from error
    except UnexpectedResponse as error:
        if error.status_code in (401, 403):
            text = f"The server of {location} refused the key; set QDRANT_API_KEY to one it knows."
            raise StoreError(text) from error
        answer = error.content.decode(errors="replace")[:500]
        raise StoreError(f"The server of {location} answered {error.status_code}: {answer}") from error
    except RuntimeError as error:
        if "already accessed" in str(error):
            raise StoreError(
                f"The index at {location} is in use by another process; close it, or run a Qdrant server and name its "
                "address."
            ) from error
        raise StoreError(f"The index at {location} cannot be used: {error}") from error
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"The index at {location} cannot be read or written: {error}") from error


class QdrantIndex(Index):
    """The index in one collection; `open_store` makes these."""

    def __init__(self, client: Any, collection: str, location: str, about: About | None) -> None:
        self._client = client
        self._collection = collection
        self._beside = f"{collection}-wordsight"
        self._location = location
        with _asking(location):
            kept = self._record("about") if client.collection_exists(self._beside) else None
            if kept is None:
                if about is None:
                    raise StoreError(_absent(location))
                self._make(about)
                kept = asdict(about)
            self.about = About(**kept)
            if about is not None and (about.fingerprint, about.dim) != (self.about.fingerprint, self.about.dim):
                raise StoreError(
                    f"The index at {location} was made with {self.about.model} ({self.about.fingerprint}); "
                    f"{about.model} ({about.fingerprint}) gives other vectors. Use that model, or another location."
                )
            self._columns: dict[str, str] = self._record("columns") or dict(OWN_TYPES)

    def _make(self, about: About) -> None:
        from qdrant_client import models

        if not self._client.collection_exists(self._collection):
            self._client.create_collection(
                self._collection,
                vectors_config={IMAGE: models.VectorParams(size=about.dim, distance=models.Distance.DOT)},
                sparse_vectors_config={TEXT: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            )
        elif self._client.count(self._collection).count:
            raise StoreError(
                f"The collection at {self._location} holds points that wordsight did not make; name another collection."
            )
        if not self._client.collection_exists(self._beside):
            self._client.create_collection(self._beside, vectors_config={})
        self._index_payload({**OWN_TYPES, TAKEN_SECONDS: "number"})
        if "://" in self._location:
            self._client.create_payload_index(self._collection, "digest", "keyword", wait=True)
        self._set_record("about", asdict(about))

    def _index_payload(self, columns: Mapping[str, str], replace: bool = False) -> None:
        """Let a server filter by columns without reading every payload; local mode has no such indexes."""
        if "://" not in self._location:
            return
        for column, type_ in columns.items():
            if replace:
                self._client.delete_payload_index(self._collection, _key(column), wait=True)
            self._client.create_payload_index(self._collection, _key(column), INDEX_TYPES[type_], wait=True)

    # records of the second collection

    def _record(self, key: str) -> Any:
        points = self._client.retrieve(self._beside, [_point_id(key)])
        return json.loads(points[0].payload["value"]) if points else None

    def _set_record(self, key: str, value: Any) -> None:
        from qdrant_client import models

        point = models.PointStruct(id=_point_id(key), vector={}, payload={"key": key, "value": json.dumps(value)})
        self._client.upsert(self._beside, [point], wait=True)

    def note(self, key: str) -> Note | None:
        """Return what was noted under a key, or None."""
        with _asking(self._location):
            note: Note | None = self._record(f"note:{key}")
            return note

    def set_note(self, key: str, note: Note) -> None:
        """Keep a note."""
        with _asking(self._location):
            self._set_record(f"note:{key}", note)

    # reading

    def __len__(self) -> int:
        with _asking(self._location):
            return int(self._client.count(self._collection, exact=True).count)

    def columns(self) -> dict[str, str]:
        """Return the columns that `where` may name, with their types."""
        with _asking(self._location):
            self._columns = self._record("columns") or dict(OWN_TYPES)
        return dict(self._columns)

    def stamps(self) -> Iterator[Stamp]:
        """Yield the stamp of every row, a thousand at a time."""
        for point in self._scroll(list(STAMP), vectors=False):
            yield Stamp(**{name: point.payload.get(name, "") for name in STAMP})

    def batches(self, size: int = 4096) -> Iterator[tuple[list[str], Floats]]:
        """Yield (ids, vectors (B, D)) of the whole index, in the order of the points' hashed ids."""
        for points in _portions(self._scroll(["id"], vectors=True), size):
            yield [point.payload["id"] for point in points], _vectors(points)

    def sample(self, n: int) -> Floats:
        """Return the vectors (≤ n, D) of the first points: their ids are hashes, so they are spread evenly."""
        chosen = [point for point, _ in zip(self._scroll([], vectors=True), range(n), strict=False)]
        return _vectors(chosen).reshape(-1, self.about.dim)

    def _scroll(self, payload: list[str] | bool, vectors: bool, chosen: Any = None) -> Iterator[Any]:
        offset: Any = None
        while True:
            with _asking(self._location):
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
        """Return the rows of those ids that are there, in the order asked."""
        found: dict[str, Row] = {}
        with _asking(self._location):
            for some in _portions(dict.fromkeys(ids), PAGE):
                points = self._client.retrieve(
                    self._collection, [_point_id(id) for id in some], with_payload=True, with_vectors=[IMAGE]
                )
                found |= {row.id: row for row in map(_row, points)}
        return [found[id] for id in ids if id in found]

    def vectors_of(self, digests: Sequence[str]) -> dict[str, Floats]:
        """Return digest → vector (D,) of the contents that are there."""
        from qdrant_client import models

        found: dict[str, Floats] = {}
        if "://" not in self._location:  # local mode would compare every point with every digest
            wanted = set(digests)
            for point in self._scroll(["digest"], vectors=True) if wanted else ():
                if point.payload["digest"] in wanted:
                    found.setdefault(point.payload["digest"], np.asarray(point.vector[IMAGE], np.float32))
            return found
        for some in _portions(dict.fromkeys(digests), PAGE):
            match = models.FieldCondition(key="digest", match=models.MatchAny(any=some))
            for point in self._scroll(["digest"], vectors=True, chosen=models.Filter(must=[match])):
                found.setdefault(point.payload["digest"], np.asarray(point.vector[IMAGE], np.float32))
        return found

    def nearest(self, query_D: Floats, k: int, where: str | None = None) -> list[Match]:
        """Return the k rows of the largest cosine, best first."""
        if query_D.shape != (self.about.dim,):
            raise InputError(f"The query's vector has the shape {query_D.shape}; expected ({self.about.dim},).")
        return self._answer([float(value) for value in query_D], IMAGE, k, where)

    def match_text(self, words: str, k: int, where: str | None = None) -> list[Match]:
        """Return the k rows whose text matches best by BM25, best first."""
        from qdrant_client import models

        dimensions, weights = query_vector(words)
        if not dimensions:
            return []
        return self._answer(models.SparseVector(indices=dimensions, values=weights), TEXT, k, where)

    def _answer(self, query: Any, using: str, k: int, where: str | None) -> list[Match]:
        from qdrant_client import models

        chosen = self._filter(where)
        if k < 1 or chosen is False:
            return []
        with _asking(self._location):
            points = self._client.query_points(
                self._collection,
                query=query,
                using=using,
                limit=k,
                query_filter=chosen,
                with_payload=models.PayloadSelectorExclude(exclude=["thumbnail"]),
                with_vectors=[IMAGE],
            ).points
        return [Match(_row(point), float(point.score)) for point in points]

    def _filter(self, where: str | None) -> Any:
        """Return the condition as a Filter; None is no condition, False one that no row meets."""
        if where is None:
            return None
        from pydantic import ValidationError
        from qdrant_client import models

        try:
            condition = parse(where, self._columns)
        except InputError:
            condition = parse(where, self.columns())  # another process may have added columns
        if isinstance(condition, Always):
            return None if condition.value else False
        try:
            return models.Filter.model_validate(to_qdrant(condition, _key, self._columns))
        except ValidationError as error:
            raise InputError(
                f"The condition {where!r} needs a newer qdrant-client than the one installed; upgrade it."
            ) from error

    # writing

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows, or put them in the place of those of their ids; every row is looked at before one is sent."""
        from qdrant_client import models

        rows = list({row.id: row for row in rows}.values())
        for row in rows:
            if row.vector.shape != (self.about.dim,):
                seen = row.vector.shape
                raise InputError(f"The vector of {row.id!r} has the shape {seen}; expected ({self.about.dim},).")
        columns = columns_with(self._columns, rows)
        with _asking(self._location):
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
                    if words_of(row.text):
                        dimensions, weights = document_vector(row.text, mean_words)
                        vectors[TEXT] = models.SparseVector(indices=dimensions, values=weights)
                    points.append(models.PointStruct(id=_point_id(row.id), vector=vectors, payload=_payload(row)))
                self._client.upsert(self._collection, points, wait=True)

    def _mean_words(self, rows: Sequence[Row]) -> float:
        """Return the mean length of the texts that weights are written with; the first rows set it."""
        texts = self._record("texts") or {}
        lengths = [length for row in rows if (length := len(words_of(row.text)))]
        if lengths and (not texts or not texts["stale"]):
            texts = {"mean_words": texts.get("mean_words") or sum(lengths) / len(lengths), "stale": True}
            self._set_record("texts", texts)
        return float(texts.get("mean_words", 1.0))

    def remove(self, ids: Sequence[str]) -> None:
        """Remove rows; ids that are not there are passed over."""
        from qdrant_client import models

        with _asking(self._location):
            for some in _portions(ids, PAGE):
                chosen = models.PointIdsList(points=[_point_id(id) for id in some])
                self._client.delete(self._collection, chosen, wait=True)
            if ids and (texts := self._record("texts")) and not texts["stale"]:
                self._set_record("texts", texts | {"stale": True})

    def optimise(self) -> None:
        """Write BM25's weights anew if the mean length of the texts has moved; the server does the rest by itself."""
        from qdrant_client import models

        with _asking(self._location):
            texts = self._record("texts")
            if not texts or not texts["stale"]:
                return
            lengths = [n for point in self._scroll(["words"], vectors=False) if (n := point.payload.get("words"))]
            mean_words = sum(lengths) / len(lengths) if lengths else 1.0
            if abs(mean_words / texts["mean_words"] - 1) > DRIFT:
                for points in _portions(self._scroll(["text"], vectors=False), ROWS_A_REQUEST):
                    renewed = []
                    for point in points:
                        dimensions, weights = document_vector(point.payload.get("text", ""), mean_words)
                        if dimensions:
                            vector: Any = {TEXT: models.SparseVector(indices=dimensions, values=weights)}
                            renewed.append(models.PointVectors(id=point.id, vector=vector))
                    if renewed:
                        self._client.update_vectors(self._collection, renewed, wait=True)
            else:
                mean_words = texts["mean_words"]
            self._set_record("texts", {"mean_words": mean_words, "stale": False})

    def close(self) -> None:
        """Let go of the folder or the connection."""
        self._client.close()


def _point_id(id: str) -> str:
    """Qdrant's ids are numbers or UUIDs: a hash of the row's id."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, clean(id)))


def _key(column: str) -> str:
    """Return where a column lies in the payload."""
    if column == TAKEN_SECONDS:
        return "taken_seconds"
    return column if column in OWN_COLUMNS else f"meta.{meta_field(column)}"


def _payload(row: Row) -> dict[str, Any]:
    own = {name: getattr(row, name) for name in (*STAMP, *OWN_COLUMNS)}
    payload = {
        **{name: clean(value) if isinstance(value, str) else value for name, value in own.items()},
        "taken_seconds": seconds_of(row.taken) if row.taken else None,
        "text": clean(row.text),
        "words": len(words_of(row.text)),
        "thumbnail": base64.b64encode(row.thumbnail).decode() if row.thumbnail else None,
        "meta": meta_fields(row),
    }
    return {name: value for name, value in payload.items() if value is not None}


def _row(point: Any) -> Row:
    payload = point.payload
    return Row(
        vector=np.asarray(point.vector[IMAGE], np.float32),
        meta={column_name(name): value for name, value in payload.get("meta", {}).items()},
        thumbnail=base64.b64decode(payload.get("thumbnail", "")),
        text=payload.get("text", ""),
        **{name: payload[name] for name in (*STAMP, *OWN_COLUMNS) if name in payload},
    )


def _vectors(points: Sequence[Any]) -> Floats:
    return np.array([point.vector[IMAGE] for point in points], np.float32)


def _portions(items: Iterable[T], count: int, size: float = float("inf")) -> Iterator[list[T]]:
    """Yield items in lists of `count` at most; rows, whose size is known, in lists of `size` bytes at most too."""
    portion: list[T] = []
    held = 0
    for item in items:
        weight = 12 * item.vector.size + 2 * len(item.text) + 2 * len(item.thumbnail) if isinstance(item, Row) else 0
        if portion and (len(portion) == count or held + weight > size):
            yield portion
            portion, held = [], 0
        portion.append(item)
        held += weight
    if portion:
        yield portion
