"""The terms that an index holds, and what a query may mean by a word that is none of them: the second try.

The file is text, so that membership is one search in its bytes: a heading, then "term<TAB>count" a line, the most
frequent first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from wordsight.text.analysis import VERSION, Word
from wordsight.text.english import stem
from wordsight.text.pieces import PREFIX, plain

HEADING = f"wordsight vocabulary {VERSION}"
SHORTEST = 5  # letters from which a word one edit away may be meant; of one less, only a single such word
SHORTEST_PART = 3  # letters of each half of a word that is written as two
MOST_NEAR, MOST_HOLDING = 3, 10  # spellings taken, of words one edit away and of words that hold the one asked for


class Vocabulary:
    """The terms of an index with how often each stands in it."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> Vocabulary:
        """Return the vocabulary of counted terms."""
        lines = (f"{term}\t{count}" for term, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        return cls("\n".join([HEADING, *lines, ""]).encode("utf-8", "replace"))

    @classmethod
    def read(cls, path: Path) -> Vocabulary | None:
        """Return the vocabulary of a file, or None where there is none or it is of another analysis."""
        try:
            data = path.read_bytes()
        except OSError:
            return None
        return cls(data) if data.startswith(f"{HEADING}\n".encode()) else None

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises: OSError."""
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            part.write_bytes(self._data)
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def __contains__(self, term: str) -> bool:
        return f"\n{term}\t".encode("utf-8", "replace") in self._data

    def matching(self, pattern: str) -> list[str]:
        """Return the terms that a regular expression matches whole, the most frequent first."""
        found = re.findall(f"^(?:{pattern})(?=\t)".encode(), self._data, re.MULTILINE)
        return [term.decode("utf-8", "replace") for term in found]


def with_spellings(words: Sequence[Word], vocabulary: Vocabulary) -> tuple[Word, ...]:
    """Return the words, with the spellings that may be meant where no text holds a word in any way to write it."""
    return tuple(word if _is_held(word, vocabulary) else _spelled(word, vocabulary) for word in words)


def _is_held(word: Word, vocabulary: Vocabulary) -> bool:
    return any(all(term in vocabulary for term in way) for way in word.alternatives)


def _spelled(word: Word, vocabulary: Vocabulary) -> Word:
    """Return a word with what may be meant: two words of it, longer words that hold it, else words one edit away."""
    term = word.alternatives[0][0]
    if len(word.alternatives[0]) > 1 or not term.isalnum() or term.isdigit():
        return word
    ways: list[tuple[str, ...]] = [(longer,) for longer in _holding(term, vocabulary)]
    if term.isalpha():
        ways = _halves(term, vocabulary) + ways
    if ways:
        return replace(word, alternatives=(*word.alternatives, *ways))
    return replace(word, guesses=tuple(one_edit_away(plain(word.text), vocabulary))) if term.isalpha() else word


def _halves(term: str, vocabulary: Vocabulary) -> list[tuple[str, ...]]:
    """Return the ways to cut a word in two that are known: "handbag" is hand and bag."""
    cuts = ((stem(term[:i]), term[i:]) for i in range(SHORTEST_PART, len(term) - SHORTEST_PART + 1))
    return [cut for cut in cuts if all(half in vocabulary for half in cut)]


def _holding(term: str, vocabulary: Vocabulary) -> list[str]:
    """Return longer words that begin with a word or, where it is long enough, hold it: "kleid" and "sommerkleid"."""
    if len(term) < SHORTEST - 1:
        return []
    inside = "[^\t\n]*?" if len(term) >= SHORTEST or not term.isalpha() else ""
    found = vocabulary.matching(f"{inside}{re.escape(term)}[^\t\n]*")
    return [longer for longer in found if not longer.endswith(PREFIX)][:MOST_HOLDING]


def one_edit_away(word: str, vocabulary: Vocabulary) -> list[str]:
    """Return known terms that one letter more, less or other, or two neighbours exchanged, make of a plain word.

    Of four letters many are one edit from another word: there it is only taken where it is the only one. Source of the
    four edits: Damerau 1964.
    """
    letters = re.sub(r"[^\w]|[\d_]", "", word)
    if len(letters) < SHORTEST - 1:
        return []
    shorter, exchanged = _deletions(letters), _exchanges(letters)
    found = [term for form in (*exchanged, *shorter) if (term := stem(form)) in vocabulary]
    term = stem(letters)
    gap = "[^\t\n\\d]" if term.isascii() else "(?:[\\x00-\\x7f]|[\\xc0-\\xff][\\x80-\\xbf]+)"  # a character in UTF-8
    escaped, n = [re.escape(letter) for letter in term], len(term)
    forms = ["".join((*escaped[:i], gap, *escaped[i + 1 :])) for i in range(n)]
    forms += ["".join((*escaped[:i], gap, *escaped[i:])) for i in range(n + 1)]
    forms += map(re.escape, (*_exchanges(term), *_deletions(term)))
    found += vocabulary.matching("|".join(dict.fromkeys(forms)))
    found = [
        other for other in dict.fromkeys(found) if other.isalpha() and other != term and len(other) >= SHORTEST - 1
    ]
    if len(letters) < SHORTEST:
        return found if len(found) == 1 else []
    return found[:MOST_NEAR]


def _exchanges(word: str) -> list[str]:
    return ["".join((word[:i], word[i + 1], word[i], word[i + 2 :])) for i in range(len(word) - 1)]


def _deletions(word: str) -> list[str]:
    return [word[:i] + word[i + 1 :] for i in range(len(word))]
