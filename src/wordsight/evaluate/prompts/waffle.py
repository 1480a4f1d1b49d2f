"""Random prompts as a control: as many as a prompt set has, of words and characters that mean nothing.

What a set gains over them it owes to its words; what both gain over one prompt, to averaging.
Source: Roth et al. 2306.07282 (WaffleCLIP), §3: the same random descriptors for every class, one half of words and
one of characters.
"""

from __future__ import annotations

import functools
import gzip
import importlib.resources
import itertools
import string
from collections.abc import Sequence

import numpy as np

from wordsight.evaluate.prompts.prompt_set import PromptSet
from wordsight.zeroshot.templates import fill

TEMPLATE = "a photo of a {}, which has "
WORDS = 2  # words of a random descriptor; groups of characters likewise
_SHORTEST, _LONGEST = 4, 10  # letters of a random word
_FEWEST, _MOST = 4, 6  # characters of a random group: each takes a token or two
_SKIPPED, _TAKEN = 3000, 20_000  # merges of CLIP's vocabulary: after the commonest words, before rare names
_LETTERS = string.ascii_lowercase + string.digits


def build_control(prompts: PromptSet, classnames: Sequence[str], seed: int) -> PromptSet:
    """Random prompts for a prompt set: as many for each class, pooled in the same way."""
    most = max(map(len, prompts.prompts))
    templates = random_templates(most, seed)
    drawn = tuple(
        tuple(fill(templates[: len(own)], name)) for name, own in zip(classnames, prompts.prompts, strict=True)
    )
    return PromptSet(f"random prompts, seed {seed}", drawn, prompts.pooling)


def random_templates(count: int, seed: int) -> tuple[str, ...]:
    """Templates with random descriptors, of words and of characters in turn; equal seeds draw equal ones."""
    rng = np.random.default_rng([seed, 2306_07282])
    makers = itertools.cycle((_random_words, _random_characters))
    return tuple(f"{TEMPLATE}{make(rng)}." for make in itertools.islice(makers, count))


def _random_words(rng: np.random.Generator) -> str:
    words = _vocabulary()
    return " ".join(words[i] for i in rng.integers(len(words), size=WORDS))


def _random_characters(rng: np.random.Generator) -> str:
    lengths = rng.integers(_FEWEST, _MOST + 1, size=WORDS)
    return " ".join("".join(_LETTERS[i] for i in rng.integers(len(_LETTERS), size=length)) for length in lengths)


@functools.cache
def _vocabulary() -> tuple[str, ...]:
    """Whole words among the merges of CLIP's tokenizer, which are there for every model."""
    path = importlib.resources.files("wordsight") / "data" / "bpe_simple_vocab_16e6.txt.gz"
    with path.open("rb") as packed, gzip.open(packed, "rt", encoding="utf-8") as lines:
        merges = ["".join(line.split()) for line in itertools.islice(lines, 1 + _SKIPPED, 1 + _TAKEN)]
    words = [merge.removesuffix("</w>") for merge in merges if merge.endswith("</w>")]
    return tuple(word for word in words if _SHORTEST <= len(word) <= _LONGEST and word.isascii() and word.isalpha())
