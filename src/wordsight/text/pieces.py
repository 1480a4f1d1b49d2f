"""A text as pieces: runs of letters, runs of digits, and what is written together, each with where it stands."""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from wordsight.text.english import STOP_WORDS, stem

LONGEST = 40  # characters of a term
PREFIX = "*"  # ends a term that is the beginning of a part number: "re16*"
PREFIXES = range(3, 13)  # lengths of these
SHORT = 4  # letters beside a number that are often written together with it: GTX 1080, 500 ml

# marks and vowel signs belong to the word around them, which Python's \w does not know
_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0900-\u0963\u0971-\u0dff\u0e31-\u0e3a\u0e47-\u0e4e"
    "\u0eb1-\u0ebc\u0ec8-\u0ece\u0f71-\u0f84\u102b-\u103e\u17b4-\u17d3\u1dc0-\u1dff\u20d0-\u20f0\u3099\u309a"
)
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"})
# what is written together: t-shirt, H&M, men's, 3.5, 1,000, IMG_1234
_JOINERS = "-\u2010\u2011\u00ad'\u2019&_"
_JOINER = re.compile(f"[{_JOINERS}]")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
# scripts that put no space between words
UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
_CAMEL = re.compile("(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class _Patterns(NamedTuple):
    """together: what is written together; runs: of letters, of digits, of a script without spaces; unspaced: such a
    character; halves: cuts where such a script begins or ends; folded: accents of Latin, Greek and Cyrillic letters and
    vowel points of Arabic and Hebrew, without which a word is the same.
    """

    together: re.Pattern[str]
    runs: re.Pattern[str]
    unspaced: re.Pattern[str]
    halves: re.Pattern[str]
    folded: re.Pattern[str]


@functools.cache
def _patterns(ascii: bool) -> _Patterns:
    """Patterns for texts; those of ASCII alone are compiled in a tenth of the time (15 ms)."""
    word = "[A-Za-z0-9]+"
    runs = "\\d+(?:[.,]\\d+)*|[A-Za-z]+"
    unspaced = halves = "(?!)"  # never matches
    if not ascii:
        word = f"(?:[^\\W_]|[{_MARKS}])+"
        runs = f"[{UNSPACED}]+|\\d+(?:[.,]\\d+)*|(?:[^\\W\\d_{UNSPACED}]|[{_MARKS}])+"
        unspaced, halves = f"[{UNSPACED}]", f"([{UNSPACED}\uff66-\uff9d]+)"
    together = f"{word}(?:(?:[{_JOINERS}]|(?<=\\d)[.,](?=\\d)){word})*"
    folded = "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]"
    return _Patterns(*map(re.compile, (together, runs, unspaced, halves, folded)))


class Piece(NamedTuple):
    """A term and the characters of the text that it was made of."""

    term: str
    start: int
    end: int


class Compound(NamedTuple):
    """Terms of what is written together: "T-shirt", "LinuxCNC", "RE1602-A", 红色连衣裙.

    text: as written. words: its parts, plain and unstemmed ("t", "shirt"). whole: the terms that stand for all of it
    ("tshirt", and the beginnings of a part number). parts: those of its parts, in order. numbered: holds letters and
    digits. unspaced: is a run of a script without spaces; the parts are then pairs of characters, `singles` one each.
    """

    text: str
    words: tuple[str, ...]
    whole: tuple[str, ...]
    parts: tuple[Piece, ...]
    numbered: bool = False
    unspaced: bool = False
    singles: tuple[Piece, ...] = ()


def compounds(text: str) -> Iterator[tuple[Compound, int, int]]:
    """Yield compounds with their start and end; those of scripts without spaces end where the script ends."""
    for found in _patterns(text.isascii()).together.finditer(text):
        start = found.start()
        for compound, at, end in analysed(found[0]):
            if compound.parts:  # a vowel sign alone is not a word
                yield compound, start + at, start + end


@functools.lru_cache(maxsize=1 << 16)
def analysed(written: str) -> tuple[tuple[Compound, int, int], ...]:
    """Compounds of a run without spaces, each with its place in it."""
    if written.isascii():
        return ((_spaced(written), 0, len(written)),)
    patterns = _patterns(written.isascii())
    if not patterns.unspaced.search(unicodedata.normalize("NFKC", written)):
        return ((_spaced(written), 0, len(written)),)
    places, at = [], 0
    for part in patterns.halves.split(written):
        if part.strip(_JOINERS):
            analyse = _spaced
            if patterns.unspaced.match(unicodedata.normalize("NFKC", part)):
                analyse = _unspaced
            places.append((analyse(part), at, at + len(part)))
        at += len(part)
    return tuple(places)


def plain(text: str) -> str:
    """Text in compatibility form, without case and accents."""
    if text.isascii():
        return text.lower()
    folded = _patterns(text.isascii()).folded.sub("", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", folded.translate(_LETTERS))


def _spaced(written: str) -> Compound:
    """Analyse a compound of a script with spaces."""
    parts: list[tuple[str, int, int]] = []
    at = 0
    for section in _JOINER.split(written):
        if section and not (plain(section) == "s" and parts and written[at - 1] in "'\u2019"):
            parts += (part for part in _sections(section, at) if part[0])
        at += len(section) + 1
    words = tuple(word for word, _, _ in parts)
    pieces = tuple(Piece(stem(word)[:LONGEST], start, end) for word, start, end in parts)
    joined = "".join(words)
    numbered = any(c.isdigit() for c in joined) and any(c.isalpha() for c in joined)
    whole: list[str] = []
    if len(words) > 1:
        if len(words) <= 3 or numbered:
            whole.append(stem(joined)[:LONGEST])
        whole += [stem(first + second)[:LONGEST] for first, second in itertools.pairwise(words)]
    if numbered:
        runs = [plain(section) for section in (*_JOINER.split(written), _JOINER.sub("", written))]
        whole += [run[:LONGEST] for run in runs if _is_numbered(run)]
        whole += [run[:n] + PREFIX for run in runs if _is_numbered(run) for n in PREFIXES if n <= len(run)]
    known = {piece.term for piece in pieces}
    return Compound(written, words, tuple(dict.fromkeys(term for term in whole if term not in known)), pieces, numbered)


def _is_numbered(run: str) -> bool:
    return any(c.isdigit() for c in run) and any(c.isalpha() for c in run)


def _sections(section: str, at: int) -> Iterator[tuple[str, int, int]]:
    """Yield the plain words of a section ("LinuxCNC", "RE1602"), cut where case or letters change."""
    section_plain = plain(section)
    if len(section_plain) != len(section):  # characters that become several: their places are not known
        yield from (
            (_number(run), at, at + len(section))
            for run in _patterns(section_plain.isascii()).runs.findall(section_plain)
        )
        return
    for run in _patterns(section.isascii()).runs.finditer(section):
        start = run.start()
        for word in _CAMEL.split(run[0]):
            yield _number(plain(word)), at + start, at + start + len(word)
            start += len(word)


def _number(word: str) -> str:
    """Plain form of a number: 1000 of 1,000, 3.5 of 3,5; other words as they are."""
    if "," not in word:
        return word
    return _THOUSANDS.sub("", word).replace(",", ".")


def _unspaced(written: str) -> Compound:
    """Analyse a run of a script without spaces: pairs of neighbours, and each alone."""
    units: list[tuple[str, int, int]] = []
    for at, char in enumerate(written):
        if units and unicodedata.category(char) in ("Mn", "Mc"):  # a vowel sign belongs to its letter
            text, start, _ = units[-1]
            units[-1] = (text + char, start, at + 1)
        else:
            units.append((char, at, at + 1))
    singles = tuple(Piece(term, start, end) for text, start, end in units if (term := plain(text)))
    pairs = tuple(Piece(a.term + b.term, a.start, b.end) for a, b in itertools.pairwise(singles))
    return Compound(written, (plain(written),), (), pairs or singles, unspaced=True, singles=singles if pairs else ())


def across_space(first: Compound, second: Compound) -> str | None:
    """Term of two words that are also written as one (t shirt, GTX 1080, 500 ml), or None for others."""
    if any(len(each.words) != 1 or each.unspaced or each.numbered for each in (first, second)):
        return None
    (one,), (two,) = first.words, second.words
    if STOP_WORDS & {one, two}:
        return None
    letter = len(one) == 1 and one.isalpha() and two.isalpha()
    number = (one.isdigit() or two.isdigit()) and min(one, two, key=str.isdigit).isalpha()
    short = not number or len(min(one, two, key=str.isdigit)) <= SHORT
    if not short or not (letter or number):
        return None
    return stem(one + two)[:LONGEST]
