"""Classifiers of a server: their prompts are embedded by the engine, beside all other requests."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wordsight.serve.engine.engine import BusyError, Caller, Engine, Floats
from wordsight.serve.made_once import MadeOnce
from wordsight.zeroshot.class_embeddings import average_prompts, class_prompts
from wordsight.zeroshot.classifier import Classifier
from wordsight.zeroshot.none_of_these import Bank, bank_templates, bank_words
from wordsight.zeroshot.templates import TEMPLATE_SETS
from wordsight.zeroshot.vector_cache import find_vectors, keep_vectors

CLASSIFIER_BYTES = 64 << 20  # the embeddings of 40,000 classes, of mini
BANK_BYTES = 32 << 20  # about 15 choices of templates
_AT_ONCE = 256  # prompts that one classifier has in the queue
_PATIENCE = 60.0  # seconds for which a classifier that was begun waits for room in the queue
_KEPT_ON_DISK = frozenset(bank_templates(templates) for templates in TEMPLATE_SETS.values())


@dataclass(frozen=True)
class Scaling:
    """Scale and bias of a model's cosines, which outlive its stay in memory."""

    scale: float
    bias: float | None


class Classifiers:
    """Classifiers by model, classes and templates, and the banks of unrelated prompts that they share."""

    def __init__(self) -> None:
        self._classifiers: MadeOnce[Classifier] = MadeOnce(CLASSIFIER_BYTES, _count_bytes)
        self._banks: MadeOnce[Bank] = MadeOnce(BANK_BYTES, lambda bank: bank.vectors_BD.nbytes + bank.centred_BD.nbytes)

    async def get(
        self,
        engine: Engine,
        caller: Caller,
        wordings: Mapping[str, Sequence[str]],
        templates: Sequence[str],
        *,
        judged: bool = False,
        none: bool = False,
    ) -> Classifier:
        """Classifier of classes.

        wordings: of each class, as `word_classes` makes them. judged: whether it can answer for each class by itself.
        Raises: BusyError where the queue is full; what the engine raises.
        """
        fingerprint = (await engine.model()).fingerprint
        key = (fingerprint, tuple((name, tuple(words)) for name, words in wordings.items()), tuple(templates), none)

        async def make() -> Classifier:
            model = await engine.model()
            scaling = Scaling(model.scale, model.bias)
            del model  # which would stay in memory
            prompts = class_prompts(wordings, templates)
            class_KD = await _embed(engine, caller, prompts)
            judge = None
            if judged or none:
                bank = await self.bank(engine, caller, templates)
                judge = await asyncio.to_thread(bank.against, class_KD)
            return Classifier.from_embeddings(
                scaling, list(wordings), class_KD, templates=templates, judge=judge, none=none
            )

        return await self._classifiers.get((*key, judged), make)

    async def bank(self, engine: Engine, caller: Caller, templates: Sequence[str]) -> Bank:
        """Bank of unrelated prompts, embedded with some of these templates.

        Those of the built-in sets are kept on disk: with a large model they take minutes.
        """
        chosen = bank_templates(templates)
        prompts = class_prompts({word: (word,) for word in bank_words()}, chosen)
        fingerprint = (await engine.model()).fingerprint

        async def make() -> Bank:
            lasting, count = chosen in _KEPT_ON_DISK, len(prompts)
            vectors_BD = None
            if lasting:
                vectors_BD = await asyncio.to_thread(find_vectors, "classes", await engine.model(), prompts, count)
            if vectors_BD is None:
                vectors_BD = await _embed(engine, caller, prompts)
                if lasting:
                    await asyncio.to_thread(keep_vectors, "classes", await engine.model(), prompts, vectors_BD)
            return await asyncio.to_thread(Bank.of, vectors_BD)

        return await self._banks.get((fingerprint, chosen), make)


async def _embed(engine: Engine, caller: Caller, prompts: Sequence[Sequence[str]]) -> Floats:
    """Class embeddings (K, D) of the prompts of each class."""
    vectors_PD = await embed_prompts(engine, caller, list(itertools.chain.from_iterable(prompts)))
    return await asyncio.to_thread(average_prompts, vectors_PD, prompts)


async def embed_prompts(engine: Engine, caller: Caller, texts: Sequence[str]) -> Floats:
    """Vectors (P, D) of many texts, some at a time: others get their turn in between. Raises: BusyError."""
    parts = []
    for start in range(0, len(texts), _AT_ONCE):
        part = texts[start : start + _AT_ONCE]
        parts.append(await _embed_part(engine, caller, part, patience=_PATIENCE if start else 0.0))
    return np.concatenate(parts)


async def _embed_part(engine: Engine, caller: Caller, texts: Sequence[str], patience: float) -> Floats:
    """Vectors of texts, waiting so many seconds for room in the queue. Raises: BusyError."""
    while True:
        try:
            return (await engine.embed_texts(texts, caller)).vectors_ND
        except BusyError as error:
            if patience <= 0:
                raise
            wait = min(error.retry_after, patience, 1.0)
            patience -= wait
            await asyncio.sleep(wait)


def _count_bytes(classifier: Classifier) -> int:
    """Memory of a classifier, roughly: its embeddings, its words, and which of the bank's prompts count for which."""
    words = sum(len(name) + 60 for name in classifier.classnames)
    judge = vars(classifier).get("judge")
    return classifier.class_embeddings.nbytes + words + (judge.allowed_KB.nbytes if judge is not None else 0)
