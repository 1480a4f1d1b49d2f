"""Senses of a name in WordNet, where it is installed: "crane" is a bird and a machine, and a model must guess which."""

from __future__ import annotations

import functools
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wordsight.evaluate.prompts.naming import fold_name

# as WordNet's own programs look for it, then Debian's package wordnet-base
_FOLDERS = ("/usr/share/wordnet", "/usr/local/WordNet-3.0/dict")


@dataclass(frozen=True)
class Sense:
    """One sense of a name: words that share it, and the first part of its gloss, "large long-necked wading bird"."""

    words: tuple[str, ...]
    gloss: str

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return asdict(self)


def find_wordnet() -> Path | None:
    """Folder of WordNet's database, or None where it is not installed; WNSEARCHDIR and WNHOME name another."""
    named = [os.environ.get("WNSEARCHDIR"), os.path.join(os.environ.get("WNHOME") or "", "dict")]
    for folder in (*named, *_FOLDERS):
        if folder and all((Path(folder) / file).is_file() for file in ("index.noun", "data.noun")):
            return Path(folder)
    return None


def list_senses(name: str, folder: Path | None) -> tuple[Sense, ...]:
    """Senses of a noun, the most frequent first; none of a word that WordNet does not have, and without WordNet.

    A name of several words that is not there has the senses of none of its words.
    Source of the files' form: WordNet 3.0, wndb(5WN).
    """
    if folder is None:
        return ()
    index, data = _read(folder)
    lemma = fold_name(name).replace(" ", "_").encode()
    found = re.search(rb"^" + re.escape(lemma) + rb" n (\d+) [^\n]*", index, re.MULTILINE)
    if found is None:
        return ()
    offsets = found.group().split()[-int(found.group(1)) :]
    return tuple(_read_sense(data, int(offset)) for offset in offsets)


def _read_sense(data: bytes, offset: int) -> Sense:
    """The synset whose line begins at a byte of data.noun."""
    line = data[offset : data.index(b"\n", offset)].decode("utf-8", "replace")
    facts, _, gloss = line.partition(" | ")
    fields = facts.split()
    words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
    return Sense(tuple(word.replace("_", " ") for word in words), gloss.partition(";")[0].strip())


@functools.lru_cache(maxsize=1)
def _read(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "index.noun").read_bytes(), (folder / "data.noun").read_bytes()
