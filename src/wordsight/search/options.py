"""Options of a search: how many hits, of which rows, compared how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from wordsight.arguments import check_count, check_type
from wordsight.errors import InputError, did_you_mean
from wordsight.search.query_parts import Query

By: TypeAlias = Literal["auto", "vector", "text", "both"]


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """Options of one search.

    k: number of hits. offset: number of hits before these, on earlier pages.
    where: an SQL condition (see `Index`).
    by: "vector" (visual similarity), "text" (BM25 over the texts of images), "both", or "auto": the choice of
        `wordsight tune`; else both where images came with texts of their own (tables, documents, captions), and visual
        similarity where a file's name is the only text.
    alpha: of "auto" and "both", the weight of visual similarity against texts: 1 images alone, 0 texts alone, 0.5 as
        fitted; None: the choice of `wordsight tune`, else 0.5.
    likely: leave out hits that probably do not answer; [] then means that nothing is likely to match.
    whiten: compare images after subtracting what the whole collection shares (see `search.whitening`).
    fold: show near copies as one hit (see `search.fold`), with the others as its `copies`.

    Raises: InputError for a number, condition or `by` that is not valid.
    """

    k: int = 10
    offset: int = 0
    where: str | None = None
    by: By = "auto"
    alpha: float | None = None
    likely: bool = False
    whiten: bool = False
    fold: bool = False

    def __post_init__(self) -> None:
        check_count("k", self.k, least=1, meaning="the number of hits")
        check_count("offset", self.offset, least=0, meaning="the number of hits to skip")
        if self.where is not None and not isinstance(self.where, str):
            raise InputError(f'where is {self.where!r}, expected an SQL condition such as "width > 1000".')
        if self.alpha is not None and not 0 <= self.alpha <= 1:
            raise InputError(f"alpha is {self.alpha}, expected 0 (texts alone) to 1 (images alone).")
        if self.alpha is not None and self.by not in ("auto", "both"):
            raise InputError(f"alpha weighs images against texts, but by={self.by!r} uses one of the two; omit one.")
        known = get_args(By)
        check_type("by", self.by, str, f"one of: {', '.join(known)}")
        if self.by not in known:
            raise InputError(f"by is {self.by!r}, expected one of: {', '.join(known)}.{did_you_mean(self.by, known)}")

    @property
    def end(self) -> int:
        """Position behind the last hit that is asked for."""
        return self.offset + self.k

    def check_query(self, query: Query) -> None:
        """Raise InputError for a query that these options do not suit."""
        if self.by in ("text", "both") and not query.words.strip():
            raise InputError(f"by={self.by!r} searches texts, but the query has no positive text; add some.")
        if self.whiten and any(part.kind == "text" for part in query.parts):
            raise InputError("whiten compares images with images, but the query holds text; omit one of the two.")
        for name, chosen in (("by", self.by not in ("auto", "vector")), ("whiten", self.whiten)):
            if chosen and query.head_classes:
                raise InputError(
                    f"{name}={getattr(self, name)!r} does not go with a class of a linear head, which judges images by "
                    "their embeddings; omit one of the two."
                )
