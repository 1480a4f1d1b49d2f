"""An `Index` in a dict: the oracle that the stores are compared with, and the index of tests that need no store.

Conditions are evaluated by sqlite, BM25 by a float64 loop: neither shares a line with the stores.
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections import Counter

import numpy as np

from wordsight.columns import OWN_COLUMNS, OWN_KINDS
from wordsight.errors import InputError
from wordsight.index import Index, IndexInfo, Match, Row, RowVersion
from wordsight.index.base import check_columns
from wordsight.text.analysis import collect_terms, coverage, terms

TYPES = {str: "text", bool: "boolean", int: "integer", float: "number"}


def index_info(dim=4, model="tiny", fingerprint="0" * 32):
    """An `IndexInfo` for tests."""
    return IndexInfo(model=model, fingerprint=fingerprint, dim=dim, created="2026-01-01T00:00:00Z")


def words_of(text):
    return re.findall(r"\w+", text.lower())


def bm25(query, documents, k1=1.2, b=0.75, words=terms):
    """Robertson and Zaragoza 2009, with Lucene's idf: ln(1 + (N - n + 0.5) / (n + 0.5)). Returns one score each."""
    bags = [Counter(words(text)) for text in documents]
    mean = sum(sum(bag.values()) for bag in bags) / max(1, len(bags))
    scores = []
    for bag in bags:
        score = 0.0
        for word in collect_terms(query) if words is terms else set(words(query)):
            n = sum(word in other for other in bags)
            tf = bag[word]
            idf = math.log(1 + (len(bags) - n + 0.5) / (n + 0.5))
            score += idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * sum(bag.values()) / max(mean, 1e-9)))
        scores.append(score)
    return scores


def scores_of(query, texts):
    """Result of `match_text`: number of the text → BM25's score times the share of the query's words it holds."""
    found = enumerate(zip(texts, bm25(query, texts), strict=True))
    return {f"{i}": score * coverage(query, text) for i, (text, score) in found if score > 0}


class MemoryIndex(Index):
    """Rows in insertion order."""

    def __init__(self, made_with=None):
        self.info = made_with or index_info()
        self.rows = {}
        self.notes = {}
        self.optimised = 0

    def __len__(self):
        return len(self.rows)

    def columns(self):
        found = dict(OWN_KINDS)
        for row in self.rows.values():
            for name, value in row.meta.items():
                if value is not None and not (found.get(name) == "number" and isinstance(value, int)):
                    found[name] = TYPES[type(value)]
        return found

    def row_versions(self):
        for row in list(self.rows.values()):
            yield RowVersion(
                row.id, row.source, row.path, row.content_hash, row.size, row.mtime_ns, row.annotation_hash
            )

    def add(self, rows):
        for row in rows:
            if row.vector.shape != (self.info.dim,):
                seen = row.vector.shape
                raise InputError(f"The vector of {row.id!r} has the shape {seen}; expected ({self.info.dim},).")
        self.rows.update({row.id: row for row in rows})

    def remove(self, ids):
        for id in ids:
            self.rows.pop(id, None)

    def get(self, ids):
        return [self.rows[id] for id in ids if id in self.rows]

    def find_vectors(self, content_hashes):
        return {row.content_hash: row.vector for row in self.rows.values() if row.content_hash in set(content_hashes)}

    def nearest(self, query_D, k, where=None):
        rows = self._where(where)
        matches = [Match(row, float(np.float32(row.vector @ query_D))) for row in rows]
        return sorted(matches, key=lambda match: -match.score)[:k]

    def match_text(self, words, k, where=None):
        every = list(self.rows.values())
        score_of = dict(zip(self.rows, bm25(words, [row.text for row in every]), strict=True))
        rows = [row for row in self._where(where) if score_of[row.id] > 0]
        shares = {row.id: coverage(words, row.text) for row in rows}
        matches = [Match(row, score_of[row.id] * shares[row.id], shares[row.id]) for row in rows]
        return sorted(matches, key=lambda match: -match.score)[:k]

    def sample(self, n):
        rows = list(self.rows.values())
        chosen = sorted({int(i) for i in np.linspace(0, len(rows) - 1, min(n, len(rows)))}) if rows else []
        return np.array([rows[i].vector for i in chosen], np.float32).reshape(-1, self.info.dim)

    def read_columns(self, names, where=None):
        check_columns(names, self.columns())
        rows = self._where(where)
        own = [{**row.meta, **{name: getattr(row, name) for name in OWN_COLUMNS}} for row in rows]
        return {"id": [row.id for row in rows]} | {name: [values.get(name) for values in own] for name in names}

    def batches(self, size=4096):
        rows = list(self.rows.values())
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            yield [row.id for row in part], np.stack([row.vector for row in part])

    def note(self, key):
        return self.notes.get(key)

    def set_note(self, key, note):
        self.notes[key] = note

    def optimise(self):
        self.optimised += 1

    def close(self):
        pass

    def _where(self, condition):
        """The rows for which sqlite finds the condition true."""
        if condition is None:
            return list(self.rows.values())
        columns = list(self.columns())
        with sqlite3.connect(":memory:") as base:
            quoted = ", ".join(f'"{name}"' for name in columns)
            base.execute(f"create table rows (_id, {quoted})")
            for row in self.rows.values():
                own = {name: getattr(row, name) for name in OWN_COLUMNS}
                values = [{**row.meta, **own}.get(name) for name in columns]
                base.execute(f"insert into rows values ({', '.join('?' * (1 + len(columns)))})", [row.id, *values])
            try:
                chosen = {id for (id,) in base.execute(f"select _id from rows where {condition}")}
            except sqlite3.Error as error:
                raise InputError(f"The condition {condition!r} cannot be read ({error}); known: {columns}.") from None
        return [row for row in self.rows.values() if row.id in chosen]


EAST = np.array([1, 0, 0, 0], np.float32)


def a_row(id, vector=EAST, **fields):
    """A `Row` of which only the id matters."""
    return Row(
        id=id, **{"source": "/s", "path": f"/s/{id}", "content_hash": f"digest of {id}", "vector": vector, **fields}
    )
