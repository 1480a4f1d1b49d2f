"""An index in Pinecone, through its documents API (client 10 or later).

**This has not been run against the live service.** It is written against Pinecone's own client and its documentation
of API version 2026-07, and tested with that client against a local server that speaks the documented wire format.

A document holds a row: "vector" (dense, cosine), "text" (full-text: Pinecone scores it by BM25, whole words without
stemming), and the rest as metadata. What the index was made with, its columns and its notes are documents of a second
namespace, "<namespace>-notes".

What to expect of it:
- Pinecone is eventually consistent: up to about a minute passes until a search sees what was written. A search waits
  for the writes of its own process (`SETTLE` seconds at most, then it warns); reading by id, counts and the writes of
  others are not waited for.
- Neighbours are found approximately; their cosines are worked out anew from the stored vectors.
- One request is written whole or not at all; `add` of many rows sends several. Killed between two, it leaves the rows
  of the first, which the next update completes.
- Metadata of a document is limited to 40 KB: a thumbnail that does not fit is left out (it is made again from the
  file), and the longest text columns are cut, with a warning. Texts are cut at 100 kB.
- Numbers are kept as 64-bit floats: whole numbers up to 2^53.
- A query answers with 10,000 rows at most. LIKE and the order of texts (but for `taken`) are not there.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from wordsight.errors import InputError, MissingExtraError, StoreError, WordsightError
from wordsight.index.filters import (
    TAKEN_SECONDS,
    Always,
    Scalar,
    clean,
    column_name,
    columns_with,
    meta_field,
    meta_fields,
    parse,
    seconds_of,
    to_pinecone,
)
from wordsight.index.rows import OWN_COLUMNS, About, Floats, Index, Match, Note, Row, Stamp

NAMESPACE = "wordsight"
# docs.pinecone.io, "Operation limits": 1,000 documents and 2 MB a request, 40 KB of metadata a document,
# 1,000 ids a fetch or delete, 100 ids a listing, top_k of 10,000
DOCUMENTS_A_REQUEST, BYTES_A_REQUEST, METADATA_BYTES = 1000, 1_900_000, 40_000
IDS_A_DELETE, IDS_A_LISTING, MOST_ANSWERS = 1000, 100, 10_000
WHOLE_A_FETCH, LIGHT_A_FETCH = 100, 1000  # documents with their vectors; without
WHOLE_ANSWERS = 20  # up to so many answers come with their fields in one request
TEXT_BYTES = 100_000
NOTE_BYTES = 30_000
SETTLE, PAUSE = 60.0, 0.5  # seconds: the longest wait for a search to see this process's writes; between two looks
STAMP_FIELDS = ("row_id", "source", "path", "digest", "size", "mtime_ns", "about")
WHOLE_NUMBERS = ("size", "page", "width", "height")
OWN_TYPES = dict(zip(OWN_COLUMNS, ("text", "integer", "integer", "integer", "text"), strict=True))


def open_store(location: str, about: About | None) -> PineconeIndex:
    """Open the index at "pinecone:INDEX" or "pinecone:INDEX/NAMESPACE", or make it.

    about: what to make it with; None opens one that is there. A new index is serverless, in the cloud and region that
    PINECONE_CLOUD and PINECONE_REGION name (aws, us-east-1). The key is read from PINECONE_API_KEY, and another
    controller than Pinecone's own from PINECONE_CONTROLLER_HOST.

    Raises: InputError for a location of another form; StoreError where there is no index, or one that another model
    made (naming both), or where the service refuses; MissingExtraError without the client.
    """
    found = re.fullmatch(r"(?:pinecone:)?([a-z0-9](?:[a-z0-9-]{0,43}[a-z0-9])?)(?:/([\x21-\x7e]{1,200}))?", location)
    if found is None:
        raise InputError(
            f"The location {location!r} is not of the form pinecone:INDEX or pinecone:INDEX/NAMESPACE; an index's name "
            "has up to 45 small letters, digits and hyphens."
        )
    try:
        from pinecone import Pinecone, TextQuery  # noqa: F401 — the second one came with 10
    except ImportError as error:
        raise MissingExtraError("An index in Pinecone", "pinecone>=10", "pinecone") from error
    if not os.environ.get("PINECONE_API_KEY"):
        raise StoreError(f"No key for {location}: set PINECONE_API_KEY to one from app.pinecone.io.")
    with _asking(location):
        client = Pinecone()
    try:
        return PineconeIndex(client, found[1], found[2] or NAMESPACE, location, about)
    except BaseException:
        client.close()
        raise


@contextlib.contextmanager
def _asking(location: str) -> Iterator[None]:
    """Turn what the client raises into StoreError."""
    from pinecone.errors import exceptions

    try:
        yield
    except WordsightError:
        raise
    except (exceptions.UnauthorizedError, exceptions.ForbiddenError) as error:
        raise StoreError(f"Pinecone refused the key for {location}; set PINECONE_API_KEY to one it knows.") from error
    except (exceptions.PineconeConnectionError, exceptions.PineconeTimeoutError) as error:
        raise StoreError(f"Pinecone cannot be reached for {location} ({error}); is there a network?") from error
    except exceptions.ApiError as error:
        raise StoreError(f"Pinecone answered {error.status_code} for {location}: {error.message}") from error
    except exceptions.PineconeError as error:
        raise StoreError(f"Pinecone's client failed for {location}: {error}") from error


class PineconeIndex(Index):
    """The index in one namespace; `open_store` makes these."""

    def __init__(self, client: Any, name: str, namespace: str, location: str, about: About | None) -> None:
        from pinecone.errors.exceptions import NotFoundError

        self._client = client
        self._namespace = namespace
        self._beside = f"{namespace}-notes"
        self._location = location
        self._written: int | None = None  # the position of this process's last write in Pinecone's log
        absent = f"There is no index at {location}; make one with: wordsight index SOURCE --into {location}"
        with _asking(location):
            try:
                model = client.indexes.describe(name)
            except NotFoundError:
                if about is None:
                    raise StoreError(absent) from None
                model = _create(client, name, about.dim)
            self._check(model, about)
            self._data = client.index(host=model.host)
            self._documents = self._data.documents
            dim = model.schema.fields["vector"].dimension
            self._filler = [1.0] + [0.0] * (dim - 1)  # a document of notes has to have a vector, too
            kept = self._record("about")
            if kept is None and about is None:
                raise StoreError(absent)
            self.about = About(**kept) if kept is not None else about  # type: ignore[assignment]
            if about is not None and (about.fingerprint, about.dim) != (self.about.fingerprint, self.about.dim):
                raise StoreError(
                    f"The index at {location} was made with {self.about.model} ({self.about.fingerprint}); "
                    f"{about.model} ({about.fingerprint}) gives other vectors. Use that model, or another location."
                )
            if kept is None:
                self._set_record("about", asdict(self.about))
            self._columns: dict[str, str] = self._record("columns") or dict(OWN_TYPES)

    def _check(self, model: Any, about: About | None) -> None:
        """Raise StoreError unless the index has the fields that rows are kept in."""
        vector, text = (model.schema.fields.get(name) for name in ("vector", "text"))
        dim = getattr(vector, "dimension", None)
        if not isinstance(dim, int) or getattr(text, "full_text_search", None) is None:
            fields = ", ".join(model.schema.fields) or "none"
            raise StoreError(
                f"Pinecone's index of {self._location} has other fields ({fields}) than wordsight's (vector: dense, "
                "text: full text); name one that does not exist yet, and it will be made."
            )
        if about is not None and dim != about.dim:
            raise StoreError(
                f"Pinecone's index of {self._location} holds vectors of {dim} dimensions; {about.model} gives "
                f"{about.dim}. Name another index."
            )

    # records of the second namespace: JSON in parts, the first of which is written last and names the others

    def _record(self, key: str) -> Any:
        head_id = _document_id(key)
        for _ in range(5):
            head = self._by_id(self._beside, [head_id]).get(head_id)
            if head is None:
                return None
            rest = self._parts(head_id, head)
            parts = {head_id: head}
            for some in _portions(rest, 40):
                parts |= self._by_id(self._beside, some)
            if len(parts) == 1 + len(rest):
                return json.loads("".join(parts[id].get("value") for id in [head_id, *rest]))
            time.sleep(PAUSE)
        raise StoreError(f"A note of {self._location} is not readable yet; try again in a minute.")

    @staticmethod
    def _parts(head_id: str, head: Any) -> list[str]:
        return [f"{head_id}.{head.get('version')}.{i}" for i in range(1, int(head.get("parts")))]

    def _set_record(self, key: str, value: Any) -> None:
        head_id, text = _document_id(key), json.dumps(value)  # ASCII: a character is a byte
        old = self._by_id(self._beside, [head_id]).get(head_id)
        pieces = [text[at : at + NOTE_BYTES] for at in range(0, len(text), NOTE_BYTES)]
        version = hashlib.sha256(text.encode() + str(time.time_ns()).encode()).hexdigest()[:12]
        head = {"_id": head_id, "key": key, "version": version, "parts": len(pieces), "value": pieces[0]}
        rest = [{"_id": f"{head_id}.{version}.{i}", "value": pieces[i]} for i in range(1, len(pieces))]
        for documents in ([rest] if rest else []) + [[head]]:
            self._upsert(self._beside, [document | {"vector": self._filler} for document in documents])
        if old is not None:
            self._delete(self._beside, self._parts(head_id, old))

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
            held = self._data.describe_index_stats().namespaces.get(self._namespace)
            return int(held.vector_count) if held else 0

    def columns(self) -> dict[str, str]:
        """Return the columns that `where` may name, with their types."""
        with _asking(self._location):
            self._columns = self._record("columns") or dict(OWN_TYPES)
        return dict(self._columns)

    def stamps(self) -> Iterator[Stamp]:
        """Yield the stamp of every row, a thousand at a time."""
        for document in self._chosen({"row_id": {"$exists": True}}, list(STAMP_FIELDS), LIGHT_A_FETCH):
            fields = {name: document.get(name, "") for name in STAMP_FIELDS[1:]}
            numbers = {"size": int(fields["size"]), "mtime_ns": int(fields["mtime_ns"])}
            yield Stamp(**{"id": document.get("row_id"), **fields, **numbers})

    def batches(self, size: int = 4096) -> Iterator[tuple[list[str], Floats]]:
        """Yield (ids, vectors (B, D)) of the whole index, in the order of the documents' hashed ids."""
        every = self._chosen({"row_id": {"$exists": True}}, ["row_id", "vector"], WHOLE_A_FETCH)
        for documents in _portions(every, size):
            yield [document.get("row_id") for document in documents], _vectors(documents)

    def sample(self, n: int) -> Floats:
        """Return the vectors (≤ n, D) of the first documents: their ids are hashes, so they are spread evenly."""
        ids: list[str] = []
        if n > 0:
            with _asking(self._location), self._perhaps_empty():
                listing = self._documents.list(namespace=self._namespace, limit=min(n, IDS_A_LISTING))
                ids += (entry.id for entry, _ in zip(listing, range(n), strict=False))
        found = self._fetched(ids, ["vector"])
        return _vectors([found[id] for id in ids if id in found]).reshape(-1, self.about.dim)

    @contextlib.contextmanager
    def _perhaps_empty(self) -> Iterator[None]:
        """Pass over "not found": a namespace comes to be with the first document that is written to it."""
        from pinecone.errors.exceptions import NotFoundError

        with contextlib.suppress(NotFoundError):
            yield

    def _by_id(self, namespace: str, document_ids: Sequence[str], fields: list[str] | None = None) -> dict[str, Any]:
        with self._perhaps_empty():
            found = self._documents.fetch(namespace=namespace, ids=document_ids, include_fields=fields)
            return dict(found.documents)
        return {}

    def _chosen(self, filter_: Mapping[str, Any], fields: list[str], limit: int) -> Iterator[Any]:
        """Yield the documents that a filter chooses, a page at a time."""
        token, page = None, None
        while True:
            with _asking(self._location), self._perhaps_empty():
                page = self._documents.fetch(
                    namespace=self._namespace,
                    filter=filter_,
                    include_fields=fields,
                    limit=limit,
                    pagination_token=token,
                )
            if page is None:
                return
            yield from page.documents.values()
            token = page.pagination.next if page.pagination else None
            if not token:
                return

    def _fetched(self, document_ids: Sequence[str], fields: list[str] | None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        with _asking(self._location):
            for some in _portions(dict.fromkeys(document_ids), WHOLE_A_FETCH):
                found |= self._by_id(self._namespace, some, fields)
        return found

    def get(self, ids: Sequence[str]) -> list[Row]:
        """Return the rows of those ids that are there, in the order asked."""
        found = self._fetched([_document_id(id) for id in ids], None)
        return [self._row(found[key]) for id in ids if (key := _document_id(id)) in found]

    def vectors_of(self, digests: Sequence[str]) -> dict[str, Floats]:
        """Return digest → vector (D,) of the contents that are there."""
        found: dict[str, Floats] = {}
        for some in _portions(dict.fromkeys(digests), WHOLE_A_FETCH):
            for document in self._chosen({"digest": {"$in": some}}, ["digest", "vector"], WHOLE_A_FETCH):
                found.setdefault(document.get("digest"), np.asarray(document.get("vector"), np.float32))
        return found

    def nearest(self, query_D: Floats, k: int, where: str | None = None) -> list[Match]:
        """Return the k (≤ 10,000) rows of the largest cosine, best first."""
        if query_D.shape != (self.about.dim,):
            raise InputError(f"The query's vector has the shape {query_D.shape}; expected ({self.about.dim},).")
        by = {"type": "dense_vector", "field": "vector", "values": [float(value) for value in query_D]}
        rows = [match.row for match in self._answer(by, k, where)]
        matches = [Match(row, float(row.vector @ query_D)) for row in rows]
        return sorted(matches, key=lambda match: -match.score)

    def match_text(self, words: str, k: int, where: str | None = None) -> list[Match]:
        """Return the k (≤ 10,000) rows whose text matches best by Pinecone's BM25, best first."""
        query = " ".join(re.findall(r"\w+", words))
        return self._answer({"type": "text", "fields": ["text"], "query": query}, k, where) if query else []

    def _answer(self, by: dict[str, Any], k: int, where: str | None) -> list[Match]:
        """Search; the score is Pinecone's."""
        filter_ = None
        if where is not None:
            try:
                condition = parse(where, self._columns)
            except InputError:
                condition = parse(where, self.columns())  # another process may have added columns
            if condition == Always(False):
                return []
            filter_ = to_pinecone(condition, _key, self._columns) or None
        if k < 1:
            return []
        whole = k <= WHOLE_ANSWERS
        with _asking(self._location):
            found = self._settled(
                namespace=self._namespace,
                score_by=[by],
                top_k=min(k, MOST_ANSWERS),
                filter=filter_,
                include_fields=["*"] if whole else [],
            )
        if whole:
            return [Match(self._row(document), float(document.score)) for document in found]
        light = ["vector", "text", "taken", "row_id", *STAMP_FIELDS, *OWN_COLUMNS, *map(_key, self.columns())]
        documents = self._fetched([document.id for document in found], list(dict.fromkeys(light)))
        return [Match(self._row(documents[d.id]), float(d.score)) for d in found if d.id in documents]

    def _settled(self, **asked: Any) -> list[Any]:
        """Search until the answer has seen what this process wrote."""
        deadline = time.monotonic() + SETTLE
        response = None
        while True:
            with self._perhaps_empty():
                response = self._documents.search(**asked)
            if response is None:
                return []
            seen = response.response_info.lsn_reconciled if response.response_info else None
            if self._written is None or seen is None:
                break
            if seen >= self._written:
                self._written = None
                break
            if time.monotonic() > deadline:
                warnings.warn(
                    f"Pinecone has not shown the last changes of {self._location} within {SETTLE:.0f} seconds; the "
                    "answer is from before them.",
                    stacklevel=4,
                )
                break
            time.sleep(PAUSE)
        return list(response.matches)

    def _row(self, document: Any) -> Row:
        fields = {name: document.get(name) for name in (*STAMP_FIELDS, *OWN_COLUMNS) if document.get(name) is not None}
        fields |= {name: int(fields[name]) for name in WHOLE_NUMBERS if name in fields}
        meta: dict[str, Scalar] = {}
        for field, value in document.to_dict().items():
            if field.startswith("meta_"):
                name = column_name(field.removeprefix("meta_"))
                kind = self._columns.get(f"table_{name}" if name in OWN_COLUMNS else name)
                meta[name] = int(value) if kind == "integer" and isinstance(value, float) else value
        return Row(
            id=fields.pop("row_id"),
            mtime_ns=int(fields.pop("mtime_ns")),
            vector=np.asarray(document.get("vector"), np.float32),
            text=document.get("text") or "",
            thumbnail=base64.b64decode(document.get("thumbnail") or ""),
            meta=meta,
            **fields,
        )

    # writing

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows, or put them in the place of those of their ids; every row is looked at before one is sent."""
        rows = list({row.id: row for row in rows}.values())
        for row in rows:
            if row.vector.shape != (self.about.dim,):
                seen = row.vector.shape
                raise InputError(f"The vector of {row.id!r} has the shape {seen}; expected ({self.about.dim},).")
        columns = columns_with(self._columns, rows)
        documents = [_document(row) for row in rows]
        with _asking(self._location):
            if columns != self._columns:
                columns = columns_with(self.columns(), rows)
                self._set_record("columns", columns)
                self._columns = columns
            self._upsert(self._namespace, documents)

    def remove(self, ids: Sequence[str]) -> None:
        """Remove rows; ids that are not there are passed over."""
        with _asking(self._location):
            self._delete(self._namespace, [_document_id(id) for id in ids])

    def _upsert(self, namespace: str, documents: Sequence[dict[str, Any]]) -> None:
        portion: list[dict[str, Any]] = []
        held = 0
        for document in documents:
            size = len(json.dumps(document))
            if portion and (len(portion) == DOCUMENTS_A_REQUEST or held + size > BYTES_A_REQUEST):
                self._noted(self._documents.upsert(namespace=namespace, documents=portion))
                portion, held = [], 0
            portion.append(document)
            held += size + 2
        if portion:
            self._noted(self._documents.upsert(namespace=namespace, documents=portion))

    def _delete(self, namespace: str, document_ids: Sequence[str]) -> None:
        for some in _portions(dict.fromkeys(document_ids), IDS_A_DELETE):
            with self._perhaps_empty():
                self._noted(self._documents.delete(namespace=namespace, ids=some))

    def _noted(self, response: Any) -> None:
        """Remember how far a search has to have come to see this write."""
        position = response.response_info.lsn_committed if response.response_info else None
        if position is not None:
            self._written = max(position, self._written or 0)

    def optimise(self) -> None:
        """Do nothing: Pinecone keeps its indexes itself."""

    def close(self) -> None:
        """Let go of the connections."""
        self._data.close()
        self._client.close()


def _create(client: Any, name: str, dim: int) -> Any:
    """Make a serverless index, and wait until it is ready."""
    cloud, region = os.environ.get("PINECONE_CLOUD", "aws"), os.environ.get("PINECONE_REGION", "us-east-1")
    return client.indexes.create(
        name=name,
        schema={
            "fields": {
                "vector": {"type": "dense_vector", "dimension": dim, "metric": "cosine"},
                "text": {"type": "string", "full_text_search": {}},
            }
        },
        deployment={"deployment_type": "managed", "cloud": cloud, "region": region},
        timeout=300,
    )


def _document_id(id: str) -> str:
    """Pinecone's ids are ASCII: a hash of the row's id."""
    return hashlib.sha256(clean(id).encode()).hexdigest()[:40]


def _key(column: str) -> str:
    """Return the document's field of a column."""
    if column == TAKEN_SECONDS:
        return "taken_seconds"
    return column if column in OWN_COLUMNS else f"meta_{meta_field(column)}"


def _document(row: Row) -> dict[str, Any]:
    """Return a row as a document. Raises: InputError for whole numbers that a float cannot hold."""
    metadata: dict[str, Any] = {
        "row_id": row.id,
        **{name: getattr(row, name) for name in (*STAMP_FIELDS[1:], *OWN_COLUMNS)},
        "mtime_ns": str(row.mtime_ns),  # more digits than a float has
        "taken_seconds": seconds_of(row.taken) if row.taken else None,
        **{f"meta_{field}": value for field, value in meta_fields(row).items()},
    }
    for name, value in metadata.items():
        if isinstance(value, int) and abs(value) > 2**53:
            raise InputError(f"{name} of {row.id!r} is {value}; Pinecone keeps whole numbers up to 2^53.")
    metadata = {n: clean(v) if isinstance(v, str) else v for n, v in metadata.items() if v is not None}
    thumbnail = base64.b64encode(row.thumbnail).decode()
    if thumbnail and _size(metadata | {"thumbnail": thumbnail}) <= METADATA_BYTES:
        metadata["thumbnail"] = thumbnail
    _cut(metadata, row)
    document = {"_id": _document_id(row.id), "vector": [float(value) for value in row.vector], **metadata}
    if row.text:
        document["text"] = _shortened(clean(row.text), TEXT_BYTES)
    return document


def _cut(metadata: dict[str, Any], row: Row) -> None:
    """Cut the longest text columns until the metadata is within Pinecone's limit."""
    while (over := _size(metadata) - METADATA_BYTES) > 0:
        texts = {n: len(v.encode()) for n, v in metadata.items() if n.startswith("meta_") and isinstance(v, str)}
        longest = max(texts, key=texts.__getitem__, default="")
        if not longest or texts[longest] < 100:
            raise InputError(
                f"The columns of {row.id!r} take {over + METADATA_BYTES:,} bytes; Pinecone keeps {METADATA_BYTES:,} of "
                "a row. Leave columns out."
            )
        name = column_name(longest.removeprefix("meta_"))
        warnings.warn(f"The column {name!r} of {row.id!r} is too long for Pinecone and was cut.", stacklevel=4)
        metadata[longest] = _shortened(metadata[longest], max(50, texts[longest] - over - 10))


def _shortened(text: str, size: int) -> str:
    return text if len(text.encode()) <= size else text.encode()[:size].decode(errors="ignore")


def _size(metadata: Mapping[str, Any]) -> int:
    return len(json.dumps(metadata).encode())


def _vectors(documents: Sequence[Any]) -> Floats:
    return np.array([document.get("vector") for document in documents], np.float32)


def _portions(items: Any, count: int) -> Iterator[list[Any]]:
    portion = []
    for item in items:
        portion.append(item)
        if len(portion) == count:
            yield portion
            portion = []
    if portion:
        yield portion
