"""From what a user asks (words, pictures, several of both with weights) to the pictures that answer."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from PIL import Image

from wordsight.class_embeddings import normalise_rows
from wordsight.errors import InputError, StoreError, did_you_mean
from wordsight.index import Index, Row
from wordsight.index.rows import Floats
from wordsight.model import Model
from wordsight.search.cutoff import CUT, SAMPLE, Cutoff, bank_vectors
from wordsight.search.fusion import Fusion, ranked
from wordsight.search.hits import Hit

Kind: TypeAlias = Literal["text", "image", "vector"]
By: TypeAlias = Literal["auto", "vector", "text", "both"]

# rows taken from each side before they are put in one order
CANDIDATES = 200
# rows compared whitened: the order by plain cosines only has to hold them somewhere
_WHITENED = 2000
# words that tell nothing of a picture, which a text that answers need not hold
_EMPTY_WORDS = frozenset(
    ("a", "an", "and", "are", "at", "by", "for", "from", "in", "is", "it", "its", "of", "on", "or", "the", "this", "to",
     "with")
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Part:
    """One piece of a query. weight: how much it counts; a negative one asks for pictures unlike it.

    value: of "text" a str; of "image" what `images.read_image` takes; of "vector" a vector (D,) of any length.
    """

    kind: Kind
    value: Any
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Query:
    """What is asked for: one or more parts, at least one of them wanted (of a positive weight)."""

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        for part in self.parts:
            _check(part)
        if not self.parts:
            raise InputError("The query is empty; give a text, a picture, or several of them.")
        if all(part.weight < 0 for part in self.parts):
            raise InputError("The query says only what is not wanted; add a text or a picture that is.")

    @classmethod
    def of(cls, asked: Any) -> Query:
        """Return the query that is meant: a str is text; a Path, PIL picture, bytes or a uint8 array is a picture.

        A 1-D array of floats is a vector. A list holds any of these, and pairs (one of these, weight).
        Raises: InputError for anything else, an empty text, no parts, and weights that say nothing.
        """
        return asked if isinstance(asked, cls) else cls(tuple(_parts(asked)))

    @property
    def words(self) -> str:
        """The wanted texts, as BM25 reads them; empty where none is wanted."""
        return " ".join(part.value for part in self.parts if part.kind == "text" and part.weight > 0)

    @property
    def only_texts(self) -> bool:
        """Whether no part is a picture or a vector."""
        return all(part.kind == "text" for part in self.parts)


def run(
    index: Index,
    model: Model,
    query: Any,
    k: int = 10,
    *,
    where: str | None = None,
    by: By = "auto",
    cut: bool = True,
    whiten: bool = False,
) -> list[Hit]:
    """Return up to k pictures of the index that answer a query (see `Query.of`), best first; [] is "no match".

    where: an SQL condition (see `Index`).
    by: "vector" (what pictures look like), "text" (BM25 over their texts), "both", or "auto": what `wordsight tune`
        chose; else both where pictures came with texts of their own (tables, documents, captions), and what they look
        like where a file's name is all there is.
    cut: leave out hits whose probability is under `cutoff.CUT`, but for those whose text holds every word asked for.
    whiten: compare pictures after taking off what all of the collection share (see `search.whitening`).

    Raises: InputError for a query, k, condition or `by` that cannot be worked with; ImageError for a picture that
    cannot be read; StoreError for an index of another model.
    """
    query = Query.of(query)
    _check_call(index, model, query, k, by, whiten)
    found = (
        _find_whitened(index, model, query, k, where)
        if whiten
        else _find(index, model, query, max(k, CANDIDATES), where, by)
    )
    if not found.rows:
        return []
    cosine_K = found.vectors_KD @ found.query_D
    proba_K = found.cutoff.proba(cosine_K, found.vectors_KD)
    hits = (
        Hit(row.id, Path(row.path), float(cosine), float(p), row, found.bm25.get(row.id))
        for row, cosine, p in zip(found.rows, cosine_K, proba_K, strict=True)
    )
    return [hit for hit in hits if not cut or hit.proba >= CUT or (hit.bm25 and holds(hit.row.text, query.words))][:k]


def query_vector(model: Model, query: Query, sample_ND: Floats) -> Floats:
    """Return the one unit vector (D,) of a query: Σ weight · part / spread of the part's cosines over the collection.

    Cosines of texts spread less than those of pictures, so that of two parts of the same weight the picture would
    decide alone; in units of their spreads they count alike. One part is itself, whatever its weight.
    """
    parts_PD = embed_parts(model, query.parts)
    if len(parts_PD) == 1:
        return np.asarray(parts_PD[0])
    spread_P = (sample_ND @ parts_PD.T).std(axis=0) if len(sample_ND) > 1 else np.ones(len(parts_PD))
    weight_P = np.array([part.weight for part in query.parts]) / np.maximum(spread_P, 1e-6)
    sum_D = weight_P / np.abs(weight_P).max() @ parts_PD.astype(np.float64)
    if np.linalg.norm(sum_D) < 1e-6:
        raise InputError("The parts of the query cancel each other out; change a weight.")
    return np.asarray(normalise_rows(sum_D[None])[0])


def embed_parts(model: Model, parts: Sequence[Part]) -> Floats:
    """Return one unit vector per part, (P, D)."""
    vectors_PD = np.empty((len(parts), model.spec.embed_dim), np.float32)
    texts = [i for i, part in enumerate(parts) if part.kind == "text"]
    images = [i for i, part in enumerate(parts) if part.kind == "image"]
    if texts:
        vectors_PD[texts] = model.embed_texts([parts[i].value for i in texts])
    if images:
        vectors_PD[images] = model.embed_images([parts[i].value for i in images])
    for i, part in enumerate(parts):
        if part.kind == "vector":
            vectors_PD[i] = _unit(part.value, model.spec.embed_dim)
    return vectors_PD


def holds(text: str, words: str) -> bool:
    """Return whether a text holds every word that says something, one or several of a thing alike."""
    wanted = _stems(words) - _EMPTY_WORDS
    return bool(wanted) and wanted <= _stems(text)


@dataclass(frozen=True, eq=False)
class _Found:
    """Rows in order, best first, with what judges them."""

    rows: Sequence[Row]
    query_D: Floats
    vectors_KD: Floats
    cutoff: Cutoff
    bm25: dict[str, float] = field(default_factory=dict)


def _find(index: Index, model: Model, query: Query, n: int, where: str | None, by: By) -> _Found:
    """Take n rows of each side that counts and put them in one order."""
    sample_ND = index.sample(SAMPLE)
    query_D = query_vector(model, query, sample_ND)
    near = [] if by == "text" else index.nearest(query_D, n, where)
    fusion = _fusion(index, query, by, [match.row for match in near])
    said = [] if fusion.way == "vector" else index.match_text(query.words, n, where)
    if fusion.way == "text":
        near = []
    rows = {match.row.id: match.row for match in (*said, *near)}
    bm25 = {match.row.id: match.score for match in said}
    cosines = {id: float(row.vector @ query_D) for id, row in rows.items()}
    floor = float((sample_ND @ query_D).mean()) if len(sample_ND) else None
    order = [rows[id] for id in ranked(fusion(cosines, bm25, floor))]
    vectors_KD = np.stack([row.vector for row in order]) if order else sample_ND[:0]
    bank_BD = bank_vectors(model) if query.only_texts else None
    return _Found(order, query_D, vectors_KD, Cutoff.of(query_D, sample_ND, bank_BD, len(index)), bm25)


def _find_whitened(index: Index, model: Model, query: Query, k: int, where: str | None) -> _Found:
    """Put the rows nearest by plain cosines in the order of their whitened ones."""
    from wordsight.search.whitening import whitening_of

    whitening = whitening_of(index)
    sample_ND = index.sample(SAMPLE)
    query_D = query_vector(model, query, sample_ND)
    rows = [match.row for match in index.nearest(query_D, max(k, _WHITENED), where)]
    sample_ND, query_D = whitening.apply(sample_ND), whitening.apply(query_D[None])[0]
    vectors_KD = whitening.apply(np.stack([row.vector for row in rows])) if rows else sample_ND[:0]
    order = np.argsort(-(vectors_KD @ query_D), kind="stable")
    return _Found([rows[i] for i in order], query_D, vectors_KD[order], Cutoff.of(query_D, sample_ND, None, len(index)))


def _fusion(index: Index, query: Query, by: By, near: Sequence[Row]) -> Fusion:
    """Return how the two sides count: what the caller says, else what was tuned, else what the rows came with."""
    if by in ("vector", "text"):
        return Fusion(by)
    if not query.words.strip():
        return Fusion("vector")
    note = index.note("fusion")
    tuned = Fusion.from_note(note) if note else None
    if by == "both":
        return tuned if tuned and tuned.way in ("rank", "score") else Fusion()
    return tuned or (Fusion() if any(map(speaks, near)) else Fusion("vector"))


def speaks(row: Row) -> bool:
    """Return whether a row came with more text than the name of its file: a table's, a document's, a caption."""
    return row.page is not None or bool(row.meta) or not _stems(row.text) <= _stems(row.path)


def _parts(asked: Any) -> Iterator[Part]:
    """Yield the parts of what a caller may give."""
    if isinstance(asked, list | tuple):
        for one in asked:
            weighted = isinstance(one, list | tuple) and len(one) == 2 and isinstance(one[1], int | float)
            value, weight = one if weighted else (one, 1.0)
            yield from (Part(part.kind, part.value, part.weight * weight) for part in _parts(value))
    elif isinstance(asked, Query):
        yield from asked.parts
    elif isinstance(asked, Part):
        yield asked
    elif isinstance(asked, str):
        yield Part("text", asked)
    elif isinstance(asked, np.ndarray) and asked.ndim == 1 and asked.dtype.kind == "f":
        yield Part("vector", asked)
    elif isinstance(asked, os.PathLike | bytes | Image.Image | np.ndarray):
        yield Part("image", asked)
    else:
        raise InputError(
            f"The query holds {type(asked).__name__}, expected text (str), a picture (Path, PIL picture, bytes or "
            "uint8 array), a vector, or a list of these or of pairs (one of these, weight)."
        )


def _check(part: Part) -> None:
    """Raise InputError for a part that says nothing."""
    if part.kind not in get_args(Kind):
        raise InputError(f"A part of the query is of kind {part.kind!r}, expected one of {', '.join(get_args(Kind))}.")
    if part.kind == "text" and (not isinstance(part.value, str) or not part.value.strip()):
        raise InputError(f"A text of the query is {part.value!r}, which says nothing; give some words.")
    if not math.isfinite(part.weight) or part.weight == 0:
        raise InputError(
            f"A weight of the query is {part.weight}, expected a number other than 0; leave that part out."
        )


def _check_call(index: Index, model: Model, query: Query, k: int, by: str, whiten: bool) -> None:
    """Raise for a call that cannot be answered."""
    if k < 1:
        raise InputError(f"k is {k}, expected 1 or more: how many answers to give.")
    if by not in get_args(By):
        raise InputError(f"by is {by!r}, expected one of: {', '.join(get_args(By))}.{did_you_mean(by, get_args(By))}")
    if by in ("text", "both") and not query.words.strip():
        raise InputError(
            f"by={by!r} searches texts, but the query has no words that are wanted; add some, or leave it out."
        )
    if whiten and any(part.kind == "text" for part in query.parts):
        raise InputError("whiten compares pictures with pictures, but the query holds text; leave one of the two out.")
    check_model(index, model)


def check_model(index: Index, model: Model) -> None:
    """Raise StoreError where an index was made with another model, naming both."""
    if model.fingerprint != index.about.fingerprint or model.spec.embed_dim != index.about.dim:
        raise StoreError(
            f"The index was made with {index.about.model} ({index.about.fingerprint[:12]}, {index.about.dim} "
            f"dimensions), the query is for {model.spec.name} ({model.fingerprint[:12]}, {model.spec.embed_dim}); "
            "their vectors cannot be compared. Load the index's model, or index again with the other."
        )


def _unit(vector: Any, dim: int) -> Floats:
    """Return a given vector as a unit one."""
    vector_D = np.asarray(vector, np.float64)
    norm = float(np.linalg.norm(vector_D)) if vector_D.shape == (dim,) else 0.0
    if not math.isfinite(norm) or norm == 0:
        raise InputError(
            f"A vector of the query has the shape {vector_D.shape} and the length {norm:g}; expected ({dim},), as the "
            "model embeds, of finite numbers that are not all 0."
        )
    return np.asarray(vector_D / norm, np.float32)


def _stems(text: str) -> set[str]:
    """Return the words of a text, lower-case, without the s of several."""
    return {_singular(word) for word in re.findall(r"[^\W_]+", text.casefold())}


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
