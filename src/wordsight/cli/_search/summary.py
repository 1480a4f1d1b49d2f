"""Summary of a search: the number of likely results, and how to see more of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wordsight.cli._messages import plural
from wordsight.cli._options import quote_index_option

if TYPE_CHECKING:
    from wordsight.gallery import Gallery
    from wordsight.search.hits import Hits


def summary(query: str, hits: Hits, gallery: Gallery, options: Mapping[str, Any]) -> str:
    """The summary, in a line. query: in words. options: of the command."""
    if not hits and not len(gallery):
        place = quote_index_option(options["location"])
        return f"the index {gallery.location} is empty; add images with: wordsight index FOLDER{place}"
    if not hits and options["page"] > 1 and not hits.hint:
        return f"no results on page {options['page']}; try an earlier page or a larger -k."
    said = _matches(query, hits, options) + _guesses(hits)
    if hits.hint:
        said += f" {hits.hint}"
    return said


def _matches(query: str, hits: Hits, options: Mapping[str, Any]) -> str:
    where = ""
    if condition := options["where"]:
        where = f" where {condition}"
    if not hits.likely:
        if hits:
            return f"no likely match for {query!r}{where}; showing the nearest."
        if condition and not options["likely"] and options["by"] != "text":
            return f"no image satisfies the condition {condition} (text is case-sensitive)."
        return f"no likely match for {query!r}{where}."
    shown = sum(one.likely for hit in hits for one in (hit, *hit.copies))
    total = f"{hits.likely:,} likely {plural(hits.likely, 'match', 'matches')}"
    if hits.at_least:
        total = f"at least {total}"
    folded = sum(len(hit.copies) for hit in hits)
    is_full = len(hits) == options["k"] and hits[-1].likely
    more = ""
    if is_full and hits.likely > options["page"] * options["k"] + folded:
        more = f"; --page {options['page'] + 1} shows more"
    return f"{shown} of {total}{where}{more}."


def _guesses(hits: Hits) -> str:
    """Words that were replaced by similar ones, where no text of the index contains them."""
    if not hits:
        return ""
    read = [f"{word.text!r} as {', '.join(word.guesses[:3])}" for word in hits[0].words if word.guesses]
    if not read:
        return ""
    return f" Read {'; '.join(read)}."
