"""The one analysis of words, for indexing, matching, judging and highlighting.

A text becomes terms: compatibility form (NFKC), without case and accents, English stems, irregular plurals in one form.
What is written together is found however it is written: "T-shirt" is t, shirt and tshirt; "LinuxCNC" linux, cnc and
linuxcnc; "RE1602-A" re, 1602, a, re1602a and the beginnings re1*, re16*, re160* …; Chinese, Japanese, Korean, Thai and
their kin, which put no space between words, are single characters and pairs of neighbours.

A query becomes words, each with the ways to write it: any of these in a text is the word. `VERSION` changes with the
terms: an index of another version is to be analysed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from wordsight.text.english import ASKING, AUXILIARIES, IMAGE_WORDS, STOP_WORDS, stem
from wordsight.text.pieces import LONGEST, PREFIX, PREFIXES, SHORT, Compound, Piece, across_space, compounds

VERSION = 1
GUESSED = 0.7  # how much of a word a guess at it is
MOST_WORDS = 64  # of a query; a page of text that is asked for says no more with the rest


@dataclass(frozen=True)
class Word:
    """A word of a query.

    text: as written. alternatives: ways to write it, each the terms that a text then holds all of. guesses: terms of
    the index that may be meant by a word which it does not hold (see `wordsight.text.vocabulary`).
    """

    text: str
    alternatives: tuple[tuple[str, ...], ...]
    guesses: tuple[str, ...] = ()


Query: TypeAlias = str | Sequence[Word]


def pieces(text: str) -> Iterator[Piece]:
    """Yield the terms of a text with their places."""
    before: tuple[Compound, int, int] | None = None
    for compound, start, end in compounds(text):
        for term, at, to in compound.parts:
            yield Piece(term, start + at, start + to)
        for term, at, to in compound.singles:
            yield Piece(term, start + at, start + to)
        for term in compound.whole:
            yield Piece(term, start, end)
        if before is not None and (term_ := across_space(before[0], compound)) and text[before[2] : start].isspace():
            yield Piece(term_, before[1], end)
        before = compound, start, end


def terms(text: str) -> list[str]:
    """Terms of a text in order, as often as they stand there: what is indexed."""
    return [piece.term for piece in pieces(text)]


def query_terms(text: str) -> tuple[Word, ...]:
    """Words of a query without stop words, each once; of stop words alone all, and () of no word.

    Two neighbours are also looked for as one word ("hand bag" finds "handbag").
    """
    found, spaced, end = [], [], 0  # spaced: whether only white space is before a compound
    for compound, start, to in compounds(text):
        found.append(compound)
        spaced.append(text[end:start].isspace())
        end = to
    plain = [" ".join(compound.words) for compound in found]
    asks = not ASKING.isdisjoint(plain)
    kept = {i for i, word in enumerate(plain) if not _says_nothing(word, plain[i + 1 : i + 2], asks)}
    kept = kept or set(range(len(found)))
    words: dict[tuple[tuple[str, ...], ...], Word] = {}
    taken = -1  # up to which word of the query words were made
    for i in sorted(kept):
        if i <= taken or len(words) == MOST_WORDS:
            continue
        before = found[i - 1] if i - 1 in kept and spaced[i] else None
        after = found[i + 1] if i + 1 in kept and spaced[i + 1] else None
        if len(plain[i]) == 1 and after and (joined := across_space(found[i], after)):
            both = tuple(piece.term for piece in (*found[i].parts, *after.parts))
            word, taken = Word(f"{found[i].text} {after.text}", ((joined,), both)), i + 1
        else:
            word = Word(found[i].text, _alternatives(found[i]))
        key = word.alternatives
        beside = [as_one for pair in ((before, found[i]), (found[i], after)) if (as_one := _as_one(*pair))]
        if taken <= i and beside:
            word = replace(word, alternatives=(*key, *((term,) for term in beside)))
        words.setdefault(key, word)
    return tuple(words.values())


def _as_one(first: Compound | None, second: Compound | None) -> str | None:
    """Term of two plain words that stand side by side, written as one: hand bag, handbag."""
    for each in (first, second):
        if each is None or each.unspaced or len(each.words) != 1 or len(each.words[0]) < 2:
            return None
        if not each.words[0].isalpha():
            return None
    assert first is not None
    assert second is not None
    return stem(first.words[0] + second.words[0])[:LONGEST]


def _says_nothing(word: str, after: Sequence[str], asks: bool) -> bool:
    return word in STOP_WORDS or (asks and word in AUXILIARIES) or (word in IMAGE_WORDS and after == ["of"])


def _alternatives(compound: Compound) -> tuple[tuple[str, ...], ...]:
    """Ways to write a compound: as one, as the beginning of a longer number, as its parts."""
    parts = tuple(dict.fromkeys(piece.term for piece in compound.parts))
    joined = "".join(compound.words)
    ways: list[tuple[str, ...]] = []
    if compound.numbered:
        ways.append((joined[:LONGEST],))
        if len(joined) in PREFIXES:
            ways.append((joined + PREFIX,))
        letters = max(filter(str.isalpha, compound.words), key=len, default="")
        if len(compound.words) == 2 and len(letters) <= SHORT:
            return tuple(ways)  # "RE 16" is indexed as one word, too: re and 16 far apart are not meant
    elif len(compound.words) in (2, 3):
        ways.append((stem(joined)[:LONGEST],))
    return tuple(dict.fromkeys((*ways, parts)))


def to_words(query: Query) -> tuple[Word, ...]:
    """Words of a query, which may be given as such."""
    if isinstance(query, str):
        return query_terms(query)
    return tuple(query)


def collect_terms(query: Query) -> list[str]:
    """Terms of all ways to write a query's words, without guesses, each once: what an index is asked for."""
    return list(dict.fromkeys(term for word in to_words(query) for way in word.alternatives for term in way))


def plain_words(query: Query) -> list[str]:
    """Words of a query as older indexes hold them: without stems, without case and accents."""
    return [word for asked in to_words(query) for compound, _, _ in compounds(asked.text) for word in compound.words]


def coverage(query: Query, text: str) -> float:
    """Share of a query's words that a text holds, 0 … 1; 0 for a query of no word.

    A word of several parts that the text holds some of ("T-shirt" where it says "shirt") counts in part.
    """
    words = to_words(query)
    if not words or not text:
        return 0.0
    return share_held(words, frozenset(terms(text)))


def share_held(words: Sequence[Word], held: frozenset[str] | set[str]) -> float:
    """Share of words that are among terms."""
    if not words:
        return 0.0
    return sum(_share(word, held) for word in words) / len(words)


def _share(word: Word, held: frozenset[str] | set[str]) -> float:
    """Share of a word that is held: all of it by any way to write it, else the largest part, or a guess."""
    guess = GUESSED if any(term in held for term in word.guesses) else 0.0
    return max(guess, *(_measure_share(way, held) for way in word.alternatives))


def _measure_share(way: tuple[str, ...], held: frozenset[str] | set[str]) -> float:
    if held.issuperset(way):
        return 1.0
    if len(way) == 1 or any(c.isdigit() for term in way for c in term):
        return 0.0  # of a part number, half is another one
    return sum(term in held for term in way) / len(way)


def matched_words(query: Query, text: str) -> list[tuple[int, int]]:
    """Places of a query's words in a text: (start, end), in order, without overlaps."""
    words = to_words(query)
    found = list(pieces(text))
    held = {piece.term for piece in found}
    wanted: set[str] = set()
    for word in words:
        whole = [way for way in word.alternatives if all(term in held for term in way)]
        ways = whole or [way for way in word.alternatives if _measure_share(way, held)]
        wanted.update(term for way in ways for term in way if whole or len(term) > 1)
        wanted.update(word.guesses)
    return merged(sorted((piece.start, piece.end) for piece in found if piece.term in wanted))


def merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted spans with those that overlap or touch made one."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined
