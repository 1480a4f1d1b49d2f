"""An index in Pinecone, through its documents API (client 10 or later).

**This has not been run against the live service.** It is written against Pinecone's own client and its documentation
of API version 2026-07, and tested with that client against a local server that speaks the documented wire format.

A document holds a row: "vector" (dense, cosine), "text" (full-text, scored by Pinecone's BM25: the text and, below it,
the terms that its own words lack, such as stems), and the rest as metadata. What the index was made with, its columns
and its notes are documents of a second namespace, "<namespace>-notes".

What to expect of it:
- Pinecone is eventually consistent: up to about a minute passes until a search sees what was written. A search waits
  for the writes of its own process (`SETTLE` seconds at most, then it warns); reading by id, counts and the writes of
  others are not waited for.
- Neighbours are found approximately; their cosines are computed again from the stored vectors.
- One request is written whole or not at all; `add` of many rows sends several. Killed between two, it leaves the rows
  of the first, which the next update completes.
- Metadata of a document is limited to 40 KB: a thumbnail that does not fit is left out (it is made again from the
  file), and the longest text columns are cut, with a warning. Texts are cut at 100 kB.
- Numbers are kept as 64-bit floats: whole numbers up to 2^53.
- A query answers with 10,000 rows at most. LIKE and the order of texts (but for `taken`) are not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from wordsight.columns import OWN_COLUMNS, Value
from wordsight.errors import InputError, NoIndexError, StoreError, WordsightWarning
from wordsight.index.base import Floats, IndexInfo, Match, Row, RowVersion, by_coverage, describe_absence
from wordsight.index.filters.parse import Always
from wordsight.index.filters.translate import to_pinecone
from wordsight.index.payload_fields import columns_with
from wordsight.index.pinecone.client_errors import client_errors
from wordsight.index.pinecone.documents import (
    VERSION_FIELDS,
    as_word,
    document_id,
    field_key,
    to_document,
    to_row,
    vectors_in,
)
from wordsight.index.records import RecordIndex, portions
from wordsight.text.analysis import Query, collect_terms, coverage, plain_words, to_words

# docs.pinecone.io, "Operation limits": 1,000 documents and 2 MB a request, 1,000 ids a fetch or delete, 100 ids a
# listing, top_k of 10,000
DOCUMENTS_A_REQUEST, BYTES_A_REQUEST = 1000, 1_900_000
IDS_A_DELETE, IDS_A_LISTING, MOST_ANSWERS = 1000, 100, 10_000
WHOLE_A_FETCH, LIGHT_A_FETCH = 100, 1000  # documents with their vectors; without
WHOLE_ANSWERS = 20  # up to so many answers come with their fields in one request
NOTE_BYTES = 30_000
SETTLE, PAUSE = 60.0, 0.5  # seconds: the longest wait for a search to see this process's writes; between two looks


class PineconeIndex(RecordIndex):
    """The index in one namespace; `opening.open_store` makes these."""

    def __init__(self, client: Any, name: str, namespace: str, location: str, info: IndexInfo | None) -> None:
        from pinecone.errors.exceptions import NotFoundError

        self._client = client
        self._namespace = namespace
        self._beside = f"{namespace}-notes"
        self._location = location
        self._written: int | None = None  # the position of this process's last write in Pinecone's log
        with self._asking():
            try:
                model = client.indexes.describe(name)
            except NotFoundError:
                if info is None:
                    raise NoIndexError(describe_absence(location)) from None
                model = _create(client, name, info.dim)
            self._check(model, info)
            self._data = client.index(host=model.host)
            self._documents = self._data.documents
            dim = model.schema.fields["vector"].dimension
            self._filler = [1.0] + [0.0] * (dim - 1)  # a document of notes has to have a vector, too
            self._begin(self._record("about"), info)

    def _asking(self) -> contextlib.AbstractContextManager[None]:
        return client_errors(self._location)

    def _check(self, model: Any, info: IndexInfo | None) -> None:
        """Raise StoreError unless the index has the fields that rows are kept in."""
        vector, text = (model.schema.fields.get(name) for name in ("vector", "text"))
        dim = getattr(vector, "dimension", None)
        if not isinstance(dim, int) or getattr(text, "full_text_search", None) is None:
            fields = ", ".join(model.schema.fields) or "none"
            raise StoreError(
                f"Pinecone's index of {self._location} has other fields ({fields}) than wordsight's (vector: dense, "
                "text: full text); name one that does not exist yet, and it will be made."
            )
        if info is not None and dim != info.dim:
            raise StoreError(
                f"Pinecone's index of {self._location} holds vectors of {dim} dimensions; the model {info.model} makes "
                f"{info.dim}. Name another index."
            )

    # records of the second namespace: JSON in parts, the first of which is written last and names the others

    def _record(self, key: str) -> Any:
        head_id = document_id(key)
        for _ in range(5):
            head = self._by_id(self._beside, [head_id]).get(head_id)
            if head is None:
                return None
            rest = self._parts(head_id, head)
            parts = {head_id: head}
            for some in portions(rest, 40):
                parts |= self._by_id(self._beside, some)
            if len(parts) == 1 + len(rest):
                return json.loads("".join(parts[id].get("value") for id in [head_id, *rest]))
            time.sleep(PAUSE)
        raise StoreError(f"A note of {self._location} is not readable yet; try again in a minute.")

    @staticmethod
    def _parts(head_id: str, head: Any) -> list[str]:
        return [f"{head_id}.{head.get('version')}.{i}" for i in range(1, int(head.get("parts")))]

    def _set_record(self, key: str, value: Any) -> None:
        head_id, text = document_id(key), json.dumps(value)  # ASCII: a character is a byte
        old = self._by_id(self._beside, [head_id]).get(head_id)
        pieces = [text[at : at + NOTE_BYTES] for at in range(0, len(text), NOTE_BYTES)]
        version = hashlib.sha256(text.encode() + str(time.time_ns()).encode()).hexdigest()[:12]
        head = {"_id": head_id, "key": key, "version": version, "parts": len(pieces), "value": pieces[0]}
        rest = [{"_id": f"{head_id}.{version}.{i}", "value": pieces[i]} for i in range(1, len(pieces))]
        for documents in (rest, [head]):  # the head last: it names the rest
            self._upsert(self._beside, [document | {"vector": self._filler} for document in documents])
        if old is not None:
            self._delete(self._beside, self._parts(head_id, old))

    # reading

    def __len__(self) -> int:
        with self._asking():
            held = self._data.describe_index_stats().namespaces.get(self._namespace)
            return int(held.vector_count) if held else 0

    def row_versions(self) -> Iterator[RowVersion]:
        """Yield the version of every row, a thousand at a time."""
        for document in self._chosen({"row_id": {"$exists": True}}, list(VERSION_FIELDS.values()), LIGHT_A_FETCH):
            fields = {name: document.get(stored, "") for name, stored in VERSION_FIELDS.items()}
            yield RowVersion(**fields | {name: int(fields[name]) for name in ("size", "mtime_ns")})

    def read_columns(self, names: Sequence[str], where: str | None = None) -> dict[str, list[Value]]:
        """Raises: InputError, since Pinecone does not list rows by a condition."""
        raise InputError(
            "Pinecone cannot list the rows that a condition admits, so there are no facets and no browsing of such an "
            "index; search it by words or an image, or keep the index in a folder or in Qdrant."
        )

    def batches(self, size: int = 4096) -> Iterator[tuple[list[str], Floats]]:
        """Batches of (ids, vectors (B, D)) of the whole index, in the order of the documents' hashed ids."""
        every = self._chosen({"row_id": {"$exists": True}}, ["row_id", "vector"], WHOLE_A_FETCH)
        for documents in portions(every, size):
            yield [document.get("row_id") for document in documents], vectors_in(documents)

    def sample(self, n: int) -> Floats:
        """Vectors (≤ n, D) of the first documents: their ids are hashes, so they are spread evenly."""
        ids: list[str] = []
        if n > 0:
            with self._asking(), self._perhaps_empty():
                listing = self._documents.list(namespace=self._namespace, limit=min(n, IDS_A_LISTING))
                ids += (entry.id for entry, _ in zip(listing, range(n), strict=False))
        found = self._fetched(ids, ["vector"])
        return vectors_in([found[id] for id in ids if id in found]).reshape(-1, self.info.dim)

    @contextlib.contextmanager
    def _perhaps_empty(self) -> Iterator[None]:
        """Ignore "not found": a namespace is created with the first document that is written to it."""
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
            with self._asking(), self._perhaps_empty():
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
            token = page.pagination and page.pagination.next
            if not token:
                return

    def _fetched(self, document_ids: Sequence[str], fields: list[str] | None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        with self._asking():
            for some in portions(dict.fromkeys(document_ids), WHOLE_A_FETCH):
                found |= self._by_id(self._namespace, some, fields)
        return found

    def get(self, ids: Sequence[str]) -> list[Row]:
        """Rows of those ids that are there, in the order asked."""
        found = self._fetched([document_id(id) for id in ids], None)
        return [to_row(found[key], self._columns) for id in ids if (key := document_id(id)) in found]

    def find_vectors(self, content_hashes: Sequence[str]) -> dict[str, Floats]:
        """Content hash → vector (D,) of the contents that are there."""
        found: dict[str, Floats] = {}
        for some in portions(dict.fromkeys(content_hashes), WHOLE_A_FETCH):
            for document in self._chosen({"digest": {"$in": some}}, ["digest", "vector"], WHOLE_A_FETCH):
                found.setdefault(document.get("digest"), np.asarray(document.get("vector"), np.float32))
        return found

    def nearest(self, query_D: Floats, k: int, where: str | None = None) -> list[Match]:
        """The k (≤ 10,000) rows of the largest cosine, best first."""
        self._check_query(query_D)
        by = {"type": "dense_vector", "field": "vector", "values": [float(value) for value in query_D]}
        rows = [match.row for match in self._answer(by, k, where)]
        matches = [Match(row, float(row.vector @ query_D)) for row in rows]
        return sorted(matches, key=lambda match: -match.score)

    def match_text(self, words: Query, k: int, where: str | None = None) -> list[Match]:
        """The k (≤ 10,000) rows whose text matches best by Pinecone's BM25, best first."""
        wanted = to_words(words)
        # rows of older versions hold their words only, without stems
        query = " ".join(dict.fromkeys((*map(as_word, collect_terms(wanted)), *plain_words(wanted))))
        if not query:
            return []
        found = self._answer({"type": "text", "fields": ["text"], "query": query}, k, where)
        return by_coverage(((each.row, each.score, coverage(wanted, each.row.text)) for each in found), k)

    def _answer(self, by: dict[str, Any], k: int, where: str | None) -> list[Match]:
        """Search; the score is Pinecone's."""
        filter_ = None
        if where is not None:
            condition = self._condition(where)
            if condition == Always(False):
                return []
            filter_ = to_pinecone(condition, field_key, self._columns) or None
        if k < 1:
            return []
        whole = k <= WHOLE_ANSWERS
        with self._asking():
            found = self._settled(
                namespace=self._namespace,
                score_by=[by],
                top_k=min(k, MOST_ANSWERS),
                filter=filter_,
                include_fields=["*"] if whole else [],
            )
        if whole:
            return [Match(to_row(document, self._columns), float(document.score)) for document in found]
        light = ["vector", "text", "taken", *VERSION_FIELDS.values(), *OWN_COLUMNS, *map(field_key, self.columns())]
        documents = self._fetched([document.id for document in found], list(dict.fromkeys(light)))
        return [Match(to_row(documents[d.id], self._columns), float(d.score)) for d in found if d.id in documents]

    def _settled(self, **asked: Any) -> list[Any]:
        """Search until the answer has seen what this process wrote."""
        deadline = time.monotonic() + SETTLE
        response = None
        while True:
            with self._perhaps_empty():
                response = self._documents.search(**asked)
            if response is None:
                return []
            seen = response.response_info and response.response_info.lsn_reconciled
            if self._written is None or seen is None:
                break
            if seen >= self._written:
                self._written = None
                break
            if time.monotonic() > deadline:
                warnings.warn(
                    f"Pinecone has not shown the last changes of {self._location} within {SETTLE:.0f} seconds; the "
                    "answer is from before them.",
                    WordsightWarning,
                    stacklevel=4,
                )
                break
            time.sleep(PAUSE)
        return list(response.matches)

    # writing

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows, or put them in the place of those of their ids; every row is looked at before one is sent."""
        rows = self._checked(rows)
        columns = columns_with(self._columns, rows)
        documents = [to_document(row) for row in rows]
        with self._asking():
            if columns != self._columns:
                columns = columns_with(self.columns(), rows)
                self._set_record("columns", columns)
                self._columns = columns
            self._upsert(self._namespace, documents)

    def remove(self, ids: Sequence[str]) -> None:
        """Remove rows; ids that are not there are ignored."""
        with self._asking():
            self._delete(self._namespace, [document_id(id) for id in ids])

    def _upsert(self, namespace: str, documents: Sequence[dict[str, Any]]) -> None:
        # the comma between two documents is sent as ", "
        for some in portions(documents, DOCUMENTS_A_REQUEST, BYTES_A_REQUEST, lambda each: len(json.dumps(each)) + 2):
            self._noted(self._documents.upsert(namespace=namespace, documents=some))

    def _delete(self, namespace: str, document_ids: Sequence[str]) -> None:
        for some in portions(dict.fromkeys(document_ids), IDS_A_DELETE):
            with self._perhaps_empty():
                self._noted(self._documents.delete(namespace=namespace, ids=some))

    def _noted(self, response: Any) -> None:
        """Remember how far a search has to have come to see this write."""
        position = response.response_info and response.response_info.lsn_committed
        if position is not None:
            self._written = max(position, self._written or 0)

    def optimise(self) -> None:
        """Do nothing: Pinecone keeps its indexes itself."""

    def close(self) -> None:
        """Close the connections."""
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
