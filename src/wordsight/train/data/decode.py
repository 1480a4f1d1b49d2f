"""From references to tensors, in workers: bytes read, images decoded and augmented, captions tokenized."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from wordsight.errors import ImageError
from wordsight.images.decode import decode
from wordsight.images.skipped import describe_error
from wordsight.spec import TextTower, TokenizerSpec
from wordsight.text.tokenizer import Tokenizer, Tokens
from wordsight.train.config import TrainConfig
from wordsight.train.data.augment import required_side, training_pixels
from wordsight.train.data.datasets import DatasetRows
from wordsight.train.data.references import LeftOut, Place, Reference, Row, caption_columns, captions_in, why_none

_OPEN_FILES = 16  # archives kept open by a worker
_TEXT_LIMIT = 1 << 20  # bytes of a file of text
_CUT = "its caption is longer than the context and was truncated"
_CAPTION_LIMIT = 1 << 14  # characters that are tokenized: no context holds more, and a megabyte takes seconds


class Chunk(NamedTuple):
    """Result of decoding some references, in their order: rows of the good ones, reasons for the others.

    pixels, views: uint8 (G,3,S,S). tokens: int32 (G,T), whole; lengths: (G,) with the end-of-text token. ids: int64
    (2,G). places: index of each row's reference. problems: references that should have been pairs; left_out: those
    known not to be; cut: those whose captions were truncated.
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
    cut: tuple[LeftOut, ...]


class _LeftOutError(Exception):
    """Reason why a reference gives no pair."""


class Decoder(Dataset[Chunk]):
    """Turns references into chunks; the same references give the same chunk wherever it runs.

    datasets: those whose rows references name.
    """

    def __init__(self, config: TrainConfig, tokenizer: Tokenizer, datasets: Sequence[DatasetRows] = ()) -> None:
        self.preprocess, self.augment = config.model.preprocess, config.data.augment
        self.views = config.objective.traits.views
        self.uses_texts = config.objective.traits.uses_texts
        self.text_columns = config.data.text_columns
        self.tokenizer, self.datasets = tokenizer, tuple(datasets)
        self.nothing_T = tokenizer([""]).ids[0]
        self._files = _Files()

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
                    raise _LeftOutError("its caption holds no word")  # punctuation, which the tokenizer removes
            except (_LeftOutError, ImageError) as error:
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
            cut=tuple(
                (references[place].key, _CUT, references[place].number)
                for place, said in zip(places, texts, strict=True)
                if said.truncated[0]
            ),
        )

    def _pair(self, reference: Reference, out_VCHW: np.ndarray) -> tuple[str, int]:
        """Write an image's views into `out_VCHW`; return its caption and the hash of its bytes."""
        assert reference.image is not None
        rng = np.random.default_rng([part % 2**64 for part in reference.draw])
        if isinstance(reference.image, Row):
            content, captions = self._row(reference.image)
        else:
            content, captions = self._files.read(reference.image), self._captions(reference)
        caption = captions[int(rng.integers(len(captions)))][:_CAPTION_LIMIT]
        try:
            image = decode(content, at_least=required_side(self.preprocess, self.augment))
        except ImageError as error:
            raise _LeftOutError(str(error).removeprefix(f"{len(content)} bytes: ")) from error
        for view_CHW in out_VCHW:
            view_CHW[:] = training_pixels(image, self.preprocess, self.augment, rng).transpose(2, 0, 1)
        return caption, hash_content(content)

    def _captions(self, reference: Reference) -> list[str]:
        if not self.uses_texts:
            return [""]
        if reference.fields is not None and self.text_columns is not None:
            return _good([self._fields(reference.fields)])
        found: list[Any] = [c if isinstance(c, str) else self._text(c) for c in reference.captions]
        if reference.fields is not None and not captions_in(found):
            found.append(self._fields(reference.fields))
        return _good(found)

    def _text(self, place: Place) -> str:
        content = self._files.read(place._replace(size=_TEXT_LIMIT if place.size < 0 else min(place.size, _TEXT_LIMIT)))
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise _LeftOutError("its caption is not UTF-8 text") from error

    def _fields(self, place: Place) -> Any:
        """Captions in a sample's JSON."""
        try:
            values = json.loads(self._text(place))
        except (ValueError, RecursionError) as error:
            raise _LeftOutError("its metadata is not JSON") from error
        if not isinstance(values, dict):
            return None
        if self.text_columns is not None and not any(name in values for name in self.text_columns):
            raise _LeftOutError(f"its .json has no {' or '.join(self.text_columns)}, which data.text_columns names")
        columns = self.text_columns or caption_columns(values, [values])
        return [part for name in columns for part in _listed(values.get(name))]

    def _row(self, place: Row) -> tuple[bytes, list[str]]:
        """Image's bytes and the captions of a dataset's row."""
        content, path, said = self.datasets[place.dataset].read(place.row)
        if not content and not path:
            raise _LeftOutError("holds no image")
        captions = _good(said) if self.uses_texts else [""]
        return content or self._files.read(Place(path)), captions


class _Files:
    """Reads parts of files; archives read recently stay open, separately in each process."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, io.BufferedReader] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {"_open": OrderedDict()}

    def read(self, place: Place) -> bytes:
        """Bytes of a place. Raises: _LeftOutError with the reason."""
        try:
            if place.start == 0:
                if not stat.S_ISREG(os.stat(place.path).st_mode):  # opening a pipe would wait for its writer
                    raise _LeftOutError("is not a regular file")
                with open(place.path, "rb") as file:
                    return file.read(place.size)
            archive = self._open.pop(place.path, None) or open(place.path, "rb")  # noqa: SIM115 - it stays open
            self._open[place.path] = archive
            if len(self._open) > _OPEN_FILES:
                self._open.popitem(last=False)[1].close()
            archive.seek(place.start)
            content = archive.read(place.size)
        except (OSError, ValueError) as error:  # a NUL in a path
            raise _LeftOutError(describe_error(error)) from error
        if len(content) < place.size:
            raise _LeftOutError("the archive is shorter than it was")
        return content


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


def _good(found: Sequence[Any]) -> list[str]:
    captions = captions_in(found)
    if not captions:
        raise _LeftOutError(why_none(found))
    return captions


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]
