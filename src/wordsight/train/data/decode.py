"""From references to tensors, in workers: bytes read, images decoded and augmented, captions tokenized."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from wordsight.errors import ImageError
from wordsight.images.decode import decode
from wordsight.pairs.datasets import DatasetRows
from wordsight.pairs.options import PairOptions
from wordsight.pairs.reader import LeftOutError, PairReader
from wordsight.pairs.references import Reference
from wordsight.pairs.tally import LeftOut
from wordsight.spec import TextTower, TokenizerSpec
from wordsight.text.tokenizer import Tokenizer, Tokens
from wordsight.train.config import TrainConfig
from wordsight.train.data.augment import required_side, training_pixels

_TRUNCATED = "its caption is longer than the context and was truncated"
_CAPTION_LIMIT = 1 << 14  # characters that are tokenized: no context holds more, and a megabyte takes seconds


class Chunk(NamedTuple):
    """Result of decoding some references, in their order: rows of the good ones, reasons for the others.

    pixels, views: uint8 (G,3,S,S). tokens: int32 (G,T), whole; lengths: (G,) with the end-of-text token. ids: int64
    (2,G). places: index of each row's reference. problems: references that should have been pairs; left_out: those
    known not to be; truncated: those whose captions were truncated.
    """

    pixels: Tensor
    views: Tensor | None
    tokens: np.ndarray
    lengths: np.ndarray
    ids: np.ndarray
    keys: tuple[str, ...]
    places: tuple[int, ...]
    problems: tuple[LeftOut, ...]
    left_out: tuple[LeftOut, ...]
    truncated: tuple[LeftOut, ...]


class Decoder(Dataset[Chunk]):
    """Turns references into chunks; the same references give the same chunk wherever it runs.

    datasets: those whose rows references name.
    """

    def __init__(self, config: TrainConfig, tokenizer: Tokenizer, datasets: Sequence[DatasetRows] = ()) -> None:
        self.preprocess, self.augment = config.model.preprocess, config.data.augment
        self.views = config.objective.traits.views
        self.uses_texts = config.objective.traits.uses_texts
        self.tokenizer, self.reader = tokenizer, PairReader(make_pair_options(config), datasets)
        self.nothing_T = tokenizer([""]).ids[0]

    def __getitem__(self, references: Sequence[Reference]) -> Chunk:
        """Chunk of some references."""
        size = self.preprocess.image_size
        views_VNCHW = torch.empty((self.views, len(references), 3, size, size), dtype=torch.uint8)
        if get_worker_info() is not None:
            views_VNCHW.share_memory_()  # type: ignore[no-untyped-call] # before it is filled: sending it then copies nothing
        keys: list[str] = []
        texts: list[Tokens] = []
        marks: list[int] = []
        places: list[int] = []
        problems: list[LeftOut] = []
        for place, reference in enumerate(references):
            if reference.problem:
                continue
            try:
                text, mark = self._pair(reference, views_VNCHW[:, len(keys)].numpy())
                said = self.tokenizer([text])
                if self.uses_texts and np.array_equal(said.ids[0], self.nothing_T):
                    raise LeftOutError("its caption holds no word")  # punctuation, which the tokenizer removes
            except (LeftOutError, ImageError) as error:
                problems.append((reference.key, str(error), reference.number))
                continue
            keys.append(reference.key)
            texts.append(said)
            marks.append(mark)
            places.append(place)
        good = len(keys)
        tokens_GT = np.concatenate([said.ids for said in texts] or [self.nothing_T[None][:0]])
        return Chunk(
            pixels=views_VNCHW[0, :good],
            views=views_VNCHW[1, :good] if self.views == 2 else None,
            tokens=tokens_GT,
            lengths=token_lengths(tokens_GT, self.tokenizer.spec),
            ids=np.array([marks, [hash_content(row_T.tobytes()) for row_T in tokens_GT]], np.int64).reshape(2, good),
            keys=tuple(keys),
            places=tuple(places),
            problems=tuple(problems),
            left_out=tuple((one.key, one.problem, one.number) for one in references if one.problem),
            truncated=tuple(
                (references[place].key, _TRUNCATED, references[place].number)
                for place, said in zip(places, texts, strict=True)
                if said.truncated[0]
            ),
        )

    def _pair(self, reference: Reference, out_VCHW: np.ndarray) -> tuple[str, int]:
        """Write an image's views into `out_VCHW`; return its caption and the hash of its bytes."""
        rng = np.random.default_rng([part % 2**64 for part in reference.draw])
        content, captions = self.reader.read(reference)
        caption = captions[int(rng.integers(len(captions)))][:_CAPTION_LIMIT]
        try:
            image = decode(content, at_least=required_side(self.preprocess, self.augment))
        except ImageError as error:
            raise LeftOutError(str(error).removeprefix(f"{len(content)} bytes: ")) from error
        for view_CHW in out_VCHW:
            view_CHW[:] = training_pixels(image, self.preprocess, self.augment, rng).transpose(2, 0, 1)
        return caption, hash_content(content)


def make_pair_options(config: TrainConfig) -> PairOptions:
    """Options of a run for reading pairs."""
    data = config.data
    return PairOptions(
        image_column=data.image_column,
        text_columns=data.text_columns,
        texts=config.objective.traits.uses_texts,
        setting="data.{}",
    )


def token_lengths(tokens_BT: np.ndarray, spec: TokenizerSpec) -> np.ndarray:
    """Number of tokens each text has before padding, with those of start and end, (B,) int64."""
    if spec.pad_id == spec.eos_id:
        told_BT, extra = tokens_BT != spec.eos_id, 1
    else:
        told_BT, extra = tokens_BT == spec.eos_id, 0  # the last: a text may spell the token itself
    width = tokens_BT.shape[1]
    last_B = np.where(told_BT.any(1), width - told_BT[:, ::-1].argmax(1), 0)
    lengths_B: np.ndarray = np.minimum(last_B + extra, width)
    return lengths_B


def may_trim(text: TextTower) -> bool:
    """Whether padding after the end-of-text token cannot change a text's feature."""
    return text.causal and text.pooling in ("argmax", "eos")


def hash_content(content: bytes) -> int:
    """Hash of 64 bits as a signed integer, the same in every process."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little", signed=True)
