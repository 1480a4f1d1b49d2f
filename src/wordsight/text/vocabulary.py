"""The terms that an index holds, and what a query may mean by a word that is none of them: the second try.

The file is text, so that membership is one search in its bytes: a heading, then "term<TAB>count" a line, the most
frequent first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from wordsight.durable import write_whole
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
        """Vocabulary of counted terms."""
        lines = (f"{term}\t{count}" for term, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        return cls("\n".join([HEADING, *lines, ""]).encode("utf-8", "replace"))

    @classmethod
    def read(cls, path: Path) -> Vocabulary | None:
        """Vocabulary of a file, or None where there is none or it is of another analysis."""
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if not data.startswith(f"{HEADING}\n".encode()):
            return None
        return cls(data)

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises: OSError."""
        write_whole(path, self._data)

    def __contains__(self, term: str) -> bool:
        return f"\n{term}\t".encode("utf-8", "replace") in self._data

    def beginning_with(self, text: str) -> list[str]:
        """Terms that begin with a text, the most frequent first."""
        return self._around(b"\n", text, b"")

    def ending_with(self, text: str) -> list[str]:
        """Terms that end with a text, the most frequent first."""
        return self._around(b"", text, b"\t")

    def holding(self, text: str) -> list[str]:
        """Terms that hold a text, the most frequent first."""
        return self._around(b"", text, b"")

    def _around(self, before: bytes, text: str, after: bytes) -> list[str]:
        """Terms of the lines in which some bytes are found; that is quicker than looking at every line."""
        data, needle = self._data, before + text.encode("utf-8", "replace") + after
        found: list[str] = []
        at = data.find(needle, len(HEADING))
        while at >= 0:
            start = data.rfind(b"\n", 0, at + len(before)) + 1
            end = data.find(b"\t", start)
            found.append(data[start:end].decode("utf-8", "replace"))
            at = data.find(needle, end)
        return found


def with_spellings(words: Sequence[Word], vocabulary: Vocabulary) -> tuple[Word, ...]:
    """Words, with the spellings that may be meant where no text holds a word in any way to write it."""
    return tuple(word if _is_held(word, vocabulary) else _spelled(word, vocabulary) for word in words)


def _is_held(word: Word, vocabulary: Vocabulary) -> bool:
    return any(all(term in vocabulary for term in way) for way in word.alternatives)


def _spelled(word: Word, vocabulary: Vocabulary) -> Word:
    """Word with what may be meant: two words of it, longer words that hold it, else words one edit away."""
    term = word.alternatives[0][0]
    if len(word.alternatives[0]) > 1 or not term.isalnum() or term.isdigit():
        return word
    ways: list[tuple[str, ...]] = [(longer,) for longer in _holding(term, vocabulary)]
    if term.isalpha():
        ways = _halves(term, vocabulary) + ways
    if ways:
        return replace(word, alternatives=(*word.alternatives, *ways))
    if not term.isalpha():
        return word
    return replace(word, guesses=tuple(one_edit_away(plain(word.text), vocabulary)))


def _halves(term: str, vocabulary: Vocabulary) -> list[tuple[str, ...]]:
    """Ways to cut a word in two that are known: "handbag" is hand and bag."""
    cuts = ((stem(term[:i]), term[i:]) for i in range(SHORTEST_PART, len(term) - SHORTEST_PART + 1))
    return [cut for cut in cuts if all(half in vocabulary for half in cut)]


def _holding(term: str, vocabulary: Vocabulary) -> list[str]:
    """Longer words that begin with a word or, where it is long enough, hold it: "kleid" and "sommerkleid"."""
    if len(term) < SHORTEST - 1:
        return []
    if len(term) >= SHORTEST or not term.isalpha():
        found = vocabulary.holding(term)
    else:
        found = vocabulary.beginning_with(term)
    return [longer for longer in found if not longer.endswith(PREFIX)][:MOST_HOLDING]


def one_edit_away(word: str, vocabulary: Vocabulary) -> list[str]:
    """Known terms that one letter more, less or other, or two neighbours exchanged, make of a plain word.

    Of four letters many are one edit from another word: there it is only taken where it is the only one. Source of the
    four edits: Damerau 1964.
    """
    letters = "".join(letter for letter in word if letter.isalpha())
    if len(letters) < SHORTEST - 1:
        return []
    term = stem(letters)
    # of the whole word, before its stem is taken; then of the stem, of which one half stays as it is
    forms = [stem(form) for form in (*_exchanges(letters), *_doubled(letters), *_deletions(letters)) if len(form) > 3]
    found = [form for form in forms if len(form) > 2 and form in vocabulary]
    middle = len(term) // 2
    near = re.compile("|".join(_patterns(term)))
    halves = (*vocabulary.beginning_with(term[:middle]), *vocabulary.ending_with(term[middle + 1 :]))
    found += [other for other in halves if len(other) >= SHORTEST - 1 and near.fullmatch(other)]
    found = [other for other in dict.fromkeys(found) if other.isalpha() and other != term]
    if len(letters) < SHORTEST and len(found) > 1:
        return []
    return found[:MOST_NEAR]


def _patterns(term: str) -> list[str]:
    """Regular expressions of what is one edit away."""
    n, every = len(term), [re.escape(letter) for letter in term]
    others = ["".join((*every[:i], ".", *every[i + 1 :])) for i in range(n)]
    longer = ["".join((*every[:i], ".", *every[i:])) for i in range(n + 1)]
    return [*others, *longer, *map(re.escape, (*_exchanges(term), *_deletions(term)))]


def _doubled(word: str) -> list[str]:
    return [word[: i + 1] + word[i:] for i in range(len(word))]


def _exchanges(word: str) -> list[str]:
    return ["".join((word[:i], word[i + 1], word[i], word[i + 2 :])) for i in range(len(word) - 1)]


def _deletions(word: str) -> list[str]:
    return [word[:i] + word[i + 1 :] for i in range(len(word))]
