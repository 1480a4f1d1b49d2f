"""Hits: the answer to a search."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.columns import Value
from wordsight.errors import MissingExtraError
from wordsight.index import Row
from wordsight.row_images import locate_image, page_suffix
from wordsight.search.relevance import LIKELY
from wordsight.text.analysis import Word, matched_words

if TYPE_CHECKING:
    from wordsight.index import Index


@dataclass(frozen=True, eq=False)
class Hit:
    """One image that a search found.

    path: the file; of an image that was fetched, `row.path` has the URL. score: the cosine with the query's vector.
    proba: the probability that the image answers the query (see `search.relevance`); hits are ordered by it. bm25: the
    text's score, or None where texts were not searched or held no word of the query. words: of the query, as texts are
    searched for them. copies: hits of the same image, shown as one with this (`fold`).
    """

    id: str
    path: Path
    score: float
    proba: float
    row: Row = field(repr=False)
    bm25: float | None = None
    words: tuple[Word, ...] = field(default=(), repr=False)
    copies: tuple[Hit, ...] = field(default=(), repr=False)

    def __repr__(self) -> str:
        shown = f"{self.proba:.0%} {os.fspath(locate_image(self.row))}{page_suffix(self.page)}"
        if self.copies:
            shown += f", +{len(self.copies)} copies"
        return f"<Hit {shown}>"

    @property
    def likely(self) -> bool:
        """Whether the image more likely than not answers the query."""
        return self.proba >= LIKELY

    @property
    def page(self) -> int | None:
        """Number of the page, from 1, or None where the image is not a page of a document."""
        return self.row.page

    @property
    def meta(self) -> Mapping[str, Value]:
        """Columns of the table that the image came with."""
        return self.row.meta

    @property
    def matched(self) -> tuple[str, ...]:
        """Words of the query that the image's text holds, as they are written there; () where it holds none."""
        if self.bm25 is None:
            return ()
        spans = matched_words(self.words, self.row.text)
        return tuple(dict.fromkeys(self.row.text[start:end] for start, end in spans))

    def to_dict(self) -> dict[str, Any]:
        """The hit as JSON.

        path: the file or URL, valid UTF-8 whatever the file's name; `wordsight.path_text.to_path` gives the file.
        """
        bm25 = self.bm25
        return {
            "path": self.row.path,
            "page": self.page,
            "id": self.id,
            "probability": round(self.proba, 6),
            "likely": self.likely,
            "score": round(self.score, 6),
            "bm25": bm25 and round(bm25, 6),
            "matched": list(self.matched),
            "width": self.row.width,
            "height": self.row.height,
            "taken": self.row.taken,
            "meta": dict(self.meta),
            "copies": [copy.row.path for copy in self.copies],
        }


class Hits(list[Hit]):
    """Best hits of a search, most probable first: a list that knows the number of likely ones.

    likely: number of likely hits of the whole collection, on this page or not; at_least: there may be more than that.
    hint: of a condition that no row meets, values that it may mean; else "".
    """

    def __init__(
        self,
        hits: Iterable[Hit] = (),
        likely: int = 0,
        at_least: bool = False,
        hint: str = "",
        *,
        index: Index | None = None,
    ) -> None:
        super().__init__(hits)
        self.likely = likely
        self.at_least = at_least
        self.hint = hint
        self._index = index

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the hits, without the open index that shows thumbnails in notebooks."""
        return Hits, (list(self), self.likely, self.at_least, self.hint)

    def to_dict(self) -> dict[str, Any]:
        """The page of hits as JSON, with the number of likely ones."""
        return {"likely": self.likely, "at_least": self.at_least, "hint": self.hint, "hits": self.to_dicts()}

    def to_dicts(self) -> list[dict[str, Any]]:
        """Each hit as JSON."""
        return [hit.to_dict() for hit in self]

    def to_pandas(self) -> Any:
        """DataFrame of the hits, a row for each, with a table's columns beside ours. Raises: MissingExtraError."""
        try:
            import pandas
        except ImportError:
            raise MissingExtraError("A DataFrame of hits", "pandas", "pandas") from None
        rows = []
        for one in self.to_dicts():
            meta = one.pop("meta")
            rows.append(one | {name: value for name, value in meta.items() if name not in one})
        return pandas.DataFrame(rows)

    def _repr_html_(self) -> str:
        from wordsight.search.html import render_hits

        return render_hits(self, self._index)
