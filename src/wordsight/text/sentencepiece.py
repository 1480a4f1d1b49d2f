"""SentencePiece's `spiece.model` read without SentencePiece: the protobuf's few fields, as a `tokenizers` Unigram."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

import tokenizers
from tokenizers import Regex, models, normalizers, pre_tokenizers

from wordsight.errors import CheckpointError
from wordsight.text.tokenizer_check import MAX_BYTES, check_charsmap, library_errors

# sentencepiece_model.proto: ModelProto.SentencePiece.Type and TrainerSpec.ModelType.
_NORMAL, _UNKNOWN, _USER_DEFINED, _BYTE = 1, 2, 4, 6
_UNIGRAM = 1
_FIXED_LENGTHS = {1: 8, 5: 4}  # of values, in bytes, by protobuf's wire type


def read_spiece(content: bytes) -> tokenizers.Tokenizer:
    """Tokenizer in a serialised SentencePiece ModelProto; ids are positions in its list of pieces.

    Control, unknown and unused pieces keep their ids but never match text, as in SentencePiece itself.
    Raises: CheckpointError for bytes that are not such a model, and for model types other than unigram.
    Source: google/sentencepiece, sentencepiece_model.proto.
    """
    if len(content) > MAX_BYTES:
        raise CheckpointError(f"The sentencepiece model has {len(content)} bytes, expected at most {MAX_BYTES}.")
    pieces: list[tuple[str, float, int]] = []
    trainer: dict[int, int | bytes] = {}
    rules: dict[int, int | bytes] = {}
    try:
        for number, value in _fields(content):
            if number == 1 and isinstance(value, bytes):
                pieces.append(_piece(value))
            elif number == 2 and isinstance(value, bytes):
                trainer = dict(_fields(value))
            elif number == 3 and isinstance(value, bytes):
                rules = dict(_fields(value))
    except (IndexError, struct.error, UnicodeDecodeError, ValueError) as error:
        raise CheckpointError(
            f"The sentencepiece model cannot be read ({error}); it is damaged or truncated."
        ) from error
    unknown = [index for index, (_, _, kind) in enumerate(pieces) if kind == _UNKNOWN]
    if len(unknown) != 1:
        raise CheckpointError(
            f"The sentencepiece model has {len(pieces)} pieces and {len(unknown)} unknown tokens, expected one; "
            "it is damaged or not a sentencepiece model."
        )
    if trainer.get(3, _UNIGRAM) != _UNIGRAM:
        raise CheckpointError(
            f"The sentencepiece model is of type {trainer[3]!r}, expected 1 (unigram); "
            "put the model's tokenizer.json beside its weights instead."
        )
    return _unigram(pieces, unknown[0], rules)


def _unigram(pieces: list[tuple[str, float, int]], unknown: int, rules: dict[int, int | bytes]) -> tokenizers.Tokenizer:
    """Build the tokenizer from (piece, score, type) rows and the normalizer's fields."""
    best = max((score for _, score, kind in pieces if kind == _NORMAL), default=0.0)
    vocab = []
    for index, (piece, score, kind) in enumerate(pieces):
        if kind == _USER_DEFINED:  # SentencePiece's bonus, which lets these win over any split
            vocab.append((piece, len(piece) * best - 0.1))
        elif kind in (_NORMAL, _BYTE):
            vocab.append((piece, score))
        else:
            vocab.append((f"\0{index}", score))
    byte_fallback = any(kind == _BYTE for _, _, kind in pieces)
    with library_errors("The sentencepiece model cannot be used"):
        engine = tokenizers.Tokenizer(models.Unigram(vocab, unknown, byte_fallback))
    steps: list[normalizers.Normalizer] = []
    if (charsmap := rules.get(2)) and isinstance(charsmap, bytes):
        check_charsmap(charsmap, "The sentencepiece model")
        with library_errors("The sentencepiece model's map of characters cannot be read"):
            steps.append(normalizers.Precompiled(charsmap))
    if rules.get(4, 1):  # remove_extra_whitespaces
        steps += [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip(left=True, right=True)]
    if steps:
        engine.normalizer = normalizers.Sequence(steps)
    prefix = "always" if rules.get(3, 1) else "never"  # add_dummy_prefix
    engine.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=prefix, split=False)
    return engine


def _piece(content: bytes) -> tuple[str, float, int]:
    """Piece, score and type of one SentencePiece message."""
    text, score, kind = "", 0.0, _NORMAL
    for number, value in _fields(content):
        if number == 1 and isinstance(value, bytes):
            text = value.decode("utf-8")
        elif number == 2 and isinstance(value, bytes):
            (score,) = struct.unpack("<f", value)
            if not math.isfinite(score):
                raise ValueError(f"a piece has the score {score}")
        elif number == 3 and isinstance(value, int):
            kind = value
    return text, score, kind


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, value) of a protobuf message: an int for varints, raw bytes for all else."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        wire = key & 7
        if wire == 0:
            number, at = _varint(content, at)
            yield key >> 3, number
            continue
        if wire == 2:
            length, at = _varint(content, at)
        elif wire in _FIXED_LENGTHS:
            length = _FIXED_LENGTHS[wire]
        else:
            raise ValueError(f"wire type {wire} at byte {at}")
        if at + length > len(content):
            raise ValueError(f"field of {length} bytes at byte {at} of {len(content)}")
        yield key >> 3, content[at : at + length]
        at += length


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """Base-128 number at `at`, and where it ends."""
    number = shift = 0
    while True:
        byte = content[at]
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, at
        if shift > 63:
            raise ValueError(f"number longer than 64 bits at byte {at}")
