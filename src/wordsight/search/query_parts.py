"""Queries: words, images, several of both with weights, and their vector."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from wordsight.errors import InputError
from wordsight.images.decode import read_image
from wordsight.images.inputs import is_image_like, warn_of_paths
from wordsight.images.names import source_name
from wordsight.index.base import Floats
from wordsight.model import Model
from wordsight.search.head_class import HeadClass
from wordsight.zeroshot.class_embeddings import normalise_rows

Kind: TypeAlias = Literal["text", "image", "vector", "class"]

# a good weight of an unwanted part: of products of a type but not of a colour, most are found at -0.5 (of the first 10,
# 85 %; 79 % or less at -1, which pushes away from the type too, and 68 % without)
NOT_WEIGHT = -0.5
LARGEST_WEIGHT = 1e6  # far beyond what makes the other part negligible


@dataclass(frozen=True, eq=False)
class QueryPart:
    """One part of a query. weight: how much it counts; a negative one asks for images unlike it.

    value: of "text" a str; of "image" what `images.decode.read_image` takes; of "vector" a vector (D,) of any length;
    of "class" a `HeadClass`, a class of a linear head.
    """

    kind: Kind
    value: Any
    weight: float = 1.0

    def __repr__(self) -> str:
        """The text, or the name of the image, and a weight other than 1; not bytes or pixels."""
        if self.kind == "text":
            value = repr(self.value)
        elif self.kind == "class":
            value = repr(self.value.classname)
        else:
            value = source_name(self.value)
        if self.weight != 1:
            value += f", weight {self.weight:g}"
        return f"<QueryPart {self.kind} {value}>"


@dataclass(frozen=True, eq=False)
class Query:
    """One or more parts, at least one of them wanted (of a positive weight)."""

    parts: tuple[QueryPart, ...]

    def __post_init__(self) -> None:
        for part in self.parts:
            _check_part(part)
        if not self.parts:
            raise InputError("The query is empty; give a text, an image, or several of them.")
        if all(part.weight < 0 for part in self.parts):
            raise InputError("The query has negative parts only; add a text or an image to find.")

    @classmethod
    def of(cls, asked: Any) -> Query:
        """Query of what a caller gives: a str is text; a Path, PIL image, bytes or a uint8 array is an image.

        A 1-D array of floats is a vector, a `HeadClass` a class of a linear head. A list holds any of these, and pairs
        (one of these, weight).
        Raises: InputError for anything else, an empty text, no parts, and weights that are 0 or not finite.
        """
        if isinstance(asked, cls):
            return asked
        if isinstance(asked, str):
            warn_of_paths([asked], "gallery.search(Path({}))", stacklevel=4)
        return cls(tuple(_split(asked)))

    @property
    def words(self) -> str:
        """Positive texts, as BM25 reads them; empty where there are none."""
        return " ".join(part.value for part in self.parts if part.kind == "text" and part.weight > 0)

    @property
    def is_one_image(self) -> bool:
        """Whether the query is one image, or the vector of one."""
        return len(self.parts) == 1 and self.parts[0].kind in ("image", "vector")

    @property
    def head_classes(self) -> tuple[HeadClass, ...]:
        """Classes of linear heads among the parts."""
        return tuple(part.value for part in self.parts if part.kind == "class")


def query_vector(query: Query, parts_PD: Floats, sample_ND: Floats) -> Floats:
    """Unit vector (D,) of a query from those of its parts, (P, D).

    It is Σ weight · part / spread of the part's cosines with a sample (N, D) of the collection. Cosines of texts spread
    less than those of images, so that of two parts of the same weight the image would nearly decide alone; in units of
    their spreads they count alike. Measured over 4,851 products, with images that were held out when the bundled model
    was trained, and a colour or "for women": of the first 10 hits, 35, 32 and 38 % are of the image's type and as the
    words say, against 30, 28 and 27 % by the plain sum at weight 1 (35, 33 and 38 % at its best weight, 1.5 to 2). One
    part is itself, whatever its weight.
    """
    if len(parts_PD) == 1:
        return np.asarray(parts_PD[0])
    weight_P = np.array([part.weight for part in query.parts])
    if len(sample_ND) > 1:
        weight_P = weight_P / np.maximum((sample_ND @ parts_PD.T).std(axis=0), 1e-6)
    sum_D = weight_P / np.abs(weight_P).max() @ parts_PD.astype(np.float64)
    if np.linalg.norm(sum_D) < 1e-6:
        raise InputError("The parts of the query cancel each other out; change a weight.")
    return np.asarray(normalise_rows(sum_D[None])[0])


def mask_title_blocks(query: Query) -> Query:
    """The query with the title blocks of its images painted over, as those of a masked index's pages are."""
    from wordsight.images.title_block import mask

    def mask_part(part: QueryPart) -> QueryPart:
        if part.kind != "image":
            return part
        return dataclasses.replace(part, value=mask(read_image(part.value)))

    return Query(tuple(map(mask_part, query.parts)))


def embed_parts(model: Model, parts: Sequence[QueryPart]) -> Floats:
    """Unit vectors of parts, (P, D).

    Texts are embedded as they are: "a photo of {}" and means over prompts found captioned photos and class names no
    better with the bundled model (mean average precision over 12 labelled sets 0.780 as they are, 0.774–0.778 else).
    """
    vectors_PD = np.empty((len(parts), model.spec.embed_dim), np.float32)
    texts = [i for i, part in enumerate(parts) if part.kind == "text"]
    images = [i for i, part in enumerate(parts) if part.kind == "image"]
    if texts:
        vectors_PD[texts] = model.embed_texts([parts[i].value for i in texts])
    if images:
        vectors_PD[images] = model.embed_images([parts[i].value for i in images])
    for i, part in enumerate(parts):
        if part.kind == "vector":
            vectors_PD[i] = _normalise(part.value, model.spec.embed_dim)
        elif part.kind == "class":
            vectors_PD[i] = _normalise(part.value.direction_D, model.spec.embed_dim)
    return vectors_PD


def _split(asked: Any) -> Iterator[QueryPart]:
    """Parts of what a caller gives, one by one."""
    if isinstance(asked, list | tuple):
        for one in asked:
            weighted = isinstance(one, list | tuple) and len(one) == 2 and isinstance(one[1], int | float)
            value, weight = one if weighted else (one, 1.0)
            yield from (QueryPart(part.kind, part.value, part.weight * weight) for part in _split(value))
    elif isinstance(asked, Query):
        yield from asked.parts
    elif isinstance(asked, QueryPart):
        yield asked
    elif isinstance(asked, str):
        yield QueryPart("text", asked)
    elif isinstance(asked, HeadClass):
        yield QueryPart("class", asked)
    elif isinstance(asked, np.ndarray) and asked.ndim == 1 and asked.dtype.kind == "f":
        yield QueryPart("vector", asked)
    elif is_image_like(asked):
        yield QueryPart("image", asked)
    else:
        raise InputError(
            f"The query holds {type(asked).__name__}, expected text (str), an image (Path, PIL image, bytes, open "
            "file, array or tensor), a vector, a HeadClass, or a list of these or of pairs (one of these, weight)."
        )


def _check_part(part: QueryPart) -> None:
    """Raise InputError for a part that is empty or has no weight."""
    if part.kind not in get_args(Kind):
        raise InputError(f"A part of the query is of kind {part.kind!r}, expected one of {', '.join(get_args(Kind))}.")
    if part.kind == "text" and (not isinstance(part.value, str) or not part.value.strip()):
        raise InputError(f"A text of the query is {part.value!r}, which is empty; give some words.")
    if part.kind == "class" and not isinstance(part.value, HeadClass):
        raise InputError(f"A class of the query is {part.value!r:.80}, expected a HeadClass(head, classname).")
    if not 0 < abs(part.weight) <= LARGEST_WEIGHT:  # nor NaN
        raise InputError(
            f"A weight of the query is {part.weight:g}, expected a number other than 0, from {-LARGEST_WEIGHT:g} to "
            f"{LARGEST_WEIGHT:g}; omit a part that does not count."
        )


def _normalise(vector: Any, dim: int) -> Floats:
    """The given vector divided by its length."""
    vector_D = np.asarray(vector, np.float64)
    norm = 0.0
    if vector_D.shape == (dim,):
        norm = float(np.linalg.norm(vector_D))
    if not math.isfinite(norm) or norm == 0:
        raise InputError(
            f"A vector of the query has the shape {vector_D.shape} and the length {norm:g}; expected ({dim},), as the "
            "model embeds, of finite numbers that are not all 0."
        )
    return np.asarray(vector_D / norm, np.float32)
