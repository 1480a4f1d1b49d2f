"""The singular of a class name: captions and labels say "a rose", people who sort a folder type "roses"."""

from __future__ import annotations

import re

_IRREGULAR = {
    "calves": "calf", "children": "child", "feet": "foot", "geese": "goose", "halves": "half", "knives": "knife",
    "leaves": "leaf", "loaves": "loaf", "men": "man", "mice": "mouse", "oxen": "ox", "people": "person",
    "scarves": "scarf", "shelves": "shelf", "teeth": "tooth", "wolves": "wolf", "women": "woman",
}  # fmt: skip
# words in -s that are not plurals, or whose singular means something else
_KEEP = frozenset(
    (
        *(
            "always",
            "atlas",
            "binoculars",
            "canvas",
            "chess",
            "christmas",
            "clothes",
            "gas",
            "glasses",
            "goggles",
            "headphones",
            "jeans",
            "lens",
            "leggings",
            "news",
            "pajamas",
            "pants",
            "pliers",
            "pyjamas",
            "rhinoceros",
            "scissors",
            "series",
            "shorts",
            "species",
            "sunglasses",
            "tights",
            "tongs",
            "trousers",
            "trunks",
            "underpants",
            "yes",
        ),
    )
)
# words in -ies and -oes that only lose their -s
_ONLY_S = frozenset(
    (
        *(
            "brownies",
            "canoes",
            "cookies",
            "hoodies",
            "horseshoes",
            "movies",
            "oboes",
            "pies",
            "selfies",
            "shoes",
            "smoothies",
            "ties",
            "toes",
            "zombies",
        ),
    )
)


def find_singular(name: str) -> str | None:
    """Class name with its noun in the singular, of "red roses", "cups of tea"; None where it is not a plural.

    The noun is the last word, or the one before "of". English only; words with capitals are names and stay.
    """
    before, of, after = name.partition(" of ")
    head, space, noun = before.rpartition(" ")
    one = _singular_word(noun)
    return None if one is None else f"{head}{space}{one}{of}{after}"


def _singular_word(word: str) -> str | None:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _KEEP or not re.fullmatch(r"[a-z-]*[a-z]{3}s", word) or re.search(r"(ss|us|is)$", word):
        return None
    if word.rpartition("-")[2] in _ONLY_S:
        return word[:-1]
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-2] if re.search(r"(ch|sh|x|ss|zz|o)es$", word) else word[:-1]
