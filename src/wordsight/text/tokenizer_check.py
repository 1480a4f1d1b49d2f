"""Tokenizers that others made, checked before the Rust library gets them: it aborts on some, and swells on others.

Its errors are plain `Exception`s, and its panics are not even that; `library_errors` turns both into CheckpointError.
"""

from __future__ import annotations

import base64
import contextlib
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from wordsight.errors import CheckpointError
from wordsight.json_records import parse_json, show

MAX_BYTES = 64 * 2**20  # of a tokenizer's file; Gemma's, the largest in use, has 34 million
MAX_VALUES = 6_000_000  # in a tokenizer.json; Gemma's has 2.3 million
MAX_ID = 2**24
_MAX_STEPS = 100  # of a normalizer or pre-tokenizer
_MAX_GROWTH = 16  # factor by which a normalizer's replacements may lengthen a text
_MAX_TEXT = 1000  # letters of a pattern, a replacement or an added token
_MAX_ADDED = 20_000  # added tokens
_MAX_MAPPED = 1000  # bytes that one character may become by a precompiled map
_QUANTIFIER = re.compile(r"[*+]|\{\d*,?\d*\}")


@contextlib.contextmanager
def library_errors(what: str) -> Iterator[None]:
    """Turn whatever the library raises into CheckpointError: "`what` (reason); it is damaged or not a tokenizer."."""
    try:
        yield
    except (CheckpointError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of Rust derives from BaseException
        reason = str(error)[:200]
        raise CheckpointError(f"{what} ({reason}); it is damaged or not a tokenizer.") from error


def check_tokenizer_json(content: bytes) -> None:
    """Raise CheckpointError for a tokenizer.json that would hang, crash or overrun the library that reads it."""
    if len(content) > MAX_BYTES:
        raise CheckpointError(f"tokenizer.json has {len(content)} bytes, expected at most {MAX_BYTES}.")
    try:
        whole = parse_json(content, most=MAX_VALUES)
    except ValueError as error:
        raise CheckpointError(f"tokenizer.json cannot be read ({error}); fetch it again.") from error
    if not isinstance(whole, dict) or not isinstance(whole.get("model"), dict):
        raise CheckpointError("tokenizer.json has no model; it is damaged or not a tokenizer.")
    _check_model(whole["model"])
    _check_added(whole.get("added_tokens") or [])
    growth = 1.0
    for part, inner in (("normalizer", "normalizers"), ("pre_tokenizer", "pretokenizers")):
        for step in _steps(whole.get(part), part, inner):
            growth *= _check_step(step, part)
    if growth > _MAX_GROWTH:
        raise CheckpointError(
            f"tokenizer.json: the normalizer lengthens texts up to {growth:.3g} times, expected at most {_MAX_GROWTH}."
        )


def check_charsmap(content: bytes, where: str) -> None:
    """Raise CheckpointError for a precompiled map of characters that leads outside itself.

    It is a double-array trie of 32-bit units, then the replacements, each ended by a zero byte.
    Source: google/sentencepiece, normalizer.cc; Darts-clone (how units hold labels, offsets and values).
    """
    size = int.from_bytes(content[:4], "little")
    if len(content) < 4 or size % 4 or size > len(content) - 4:
        raise CheckpointError(f"{where}: the map of characters claims {size} bytes of {len(content)}; it is damaged.")
    replacements = content[4 + size :]
    try:
        replacements.decode()
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{where}: the map of characters holds text that is not UTF-8; it is damaged.") from error
    units = np.frombuffer(content, "<u4", size // 4, 4).astype(np.int64)
    if not len(units) or not _check_trie(units, replacements):
        raise CheckpointError(f"{where}: the map of characters leads outside itself; it is damaged.")
    if max(map(len, replacements.split(b"\0"))) > _MAX_MAPPED:
        raise CheckpointError(f"{where}: the map makes more than {_MAX_MAPPED} bytes of one character.")


def _check_trie(units: np.ndarray, replacements: bytes) -> bool:
    """Whether all look-ups stay within the trie, and all values are where a replacement's letter begins."""
    places = np.arange(len(units))
    offsets = (units >> 10) << ((units & 512) >> 6)
    labels = units & (2**31 | 255)
    parents = places ^ labels  # base from which a unit is reached by its label, where that is a byte
    labelled = (labels > 0) & (labels < 256)
    bases = offsets[:1]
    seen = np.zeros(len(units), bool)
    while len(bases):
        if ((bases | 255) >= len(units)).any():
            return False
        seen[bases] = frontier = True
        reached = np.zeros(len(units), bool)
        reached[bases] = frontier
        children = places[labelled & reached[np.where(labelled, parents, 0) % len(units)] & (parents < len(units))]
        inner = children ^ offsets[children]
        leaves = inner[(units[children] >> 8) & 1 == 1]
        if (leaves >= len(units)).any() or not _check_values(units[leaves] & (2**31 - 1), replacements):
            return False
        if (inner >= len(units)).any():
            return False
        bases = np.unique(inner[~seen[inner]])
    return True


def _check_values(values: np.ndarray, replacements: bytes) -> bool:
    text = np.frombuffer(replacements, np.uint8)
    if (values > len(text)).any():
        return False
    begins = values[values < len(text)]
    return not ((text[begins] & 0xC0) == 0x80).any()  # within a letter of UTF-8


def _check_model(model: dict[str, Any]) -> None:
    vocab = model.get("vocab")
    if isinstance(vocab, dict):
        ids = list(vocab.values())
        if any(type(number) is not int or not 0 <= number < MAX_ID for number in ids):
            raise CheckpointError(f"tokenizer.json: model.vocab has ids that are not 0 to {MAX_ID - 1}; it is damaged.")
    elif isinstance(vocab, list):
        _check_pieces(model, vocab)
    else:
        raise CheckpointError("tokenizer.json has no model.vocab; expected a file of the `tokenizers` library.")
    if model.get("dropout"):
        raise CheckpointError(
            f"tokenizer.json: model.dropout is {show(model['dropout'])}, expected none: ids are random."
        )


def _check_pieces(model: dict[str, Any], pieces: list[Any]) -> None:
    sound = [
        isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str) and _finite(entry[1])
        for entry in pieces
    ]
    if not all(sound):
        raise CheckpointError(f"tokenizer.json: piece {sound.index(False)} of model.vocab is not a text with a score.")
    unknown = model.get("unk_id")
    if type(unknown) is not int or not 0 <= unknown < len(pieces):
        raise CheckpointError(f"tokenizer.json: model.unk_id is {show(unknown)}, expected one of {len(pieces)} pieces.")


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and abs(value) < 1e300 and math.isfinite(value)


def _check_added(tokens: Any) -> None:
    if not isinstance(tokens, list) or len(tokens) > _MAX_ADDED:
        raise CheckpointError(f"tokenizer.json: added_tokens is {show(tokens)}, expected at most {_MAX_ADDED}.")
    for token in tokens:
        content = isinstance(token, dict) and token.get("content")
        if not isinstance(content, str) or not 0 < len(content) <= _MAX_TEXT:
            raise CheckpointError(f"tokenizer.json: an added token is {show(token)}, expected one with a content.")
        number = token.get("id")
        if type(number) is not int or not 0 <= number < MAX_ID:
            raise CheckpointError(
                f"tokenizer.json: an added token has the id {show(number)}, expected 0 to {MAX_ID - 1}."
            )


def _steps(part: Any, place: str, inner: str) -> list[dict[str, Any]]:
    """The steps of a normalizer or pre-tokenizer, those of sequences within sequences too."""
    if part is None:
        return []
    found: list[dict[str, Any]] = []
    pending = [part]
    while pending:
        step = pending.pop()
        if not isinstance(step, dict):
            raise CheckpointError(f"tokenizer.json: the {place} has the step {show(step)}, expected an object.")
        found.append(step)
        nested = step.get(inner)
        if isinstance(nested, list):
            pending += nested
        if len(found) + len(pending) > _MAX_STEPS:
            raise CheckpointError(f"tokenizer.json: the {place} has more than {_MAX_STEPS} steps.")
    return found


def _check_step(step: dict[str, Any], place: str) -> float:
    """Check one step; the factor by which it may lengthen a text."""
    pattern, content = step.get("pattern"), step.get("content") or step.get("prepend") or ""
    charsmap = step.get("precompiled_charsmap")
    if charsmap:
        try:
            check_charsmap(base64.b64decode(charsmap), "tokenizer.json")
        except (TypeError, ValueError) as error:
            raise CheckpointError("tokenizer.json: the map of characters is not base64; it is damaged.") from error
    if not isinstance(content, str) or len(content) > _MAX_TEXT:
        raise CheckpointError(f"tokenizer.json: the {place} puts in {show(content)}, expected a text of a few letters.")
    if not isinstance(pattern, dict):
        return 1.0
    searched = str(pattern.get("Regex") or pattern.get("String") or "")
    if len(searched) > _MAX_TEXT or ("Regex" in pattern and _is_slow(searched)):
        raise CheckpointError(
            f"tokenizer.json: the {place} searches for {show(searched)}, which may take forever on some texts."
        )
    shortest = 1
    if "String" in pattern:
        shortest = max(1, len(searched))
    return max(1.0, len(content) / shortest)


def _is_slow(pattern: str) -> bool:
    """Whether an expression repeats what itself repeats or branches, or refers back: its search may take forever."""
    bare = re.sub(r"\[(?:\\.|[^\]\\])*\]", "x", re.sub(r"\\[pPx]\{[^}]*\}", "x", pattern))
    if re.search(r"\\[1-9kg]", bare):
        return True
    bare = re.sub(r"\\.", "x", bare)
    repeating = [False]  # whether the group that is open repeats or branches inside, by depth
    at = 0
    while at < len(bare):
        if bare[at] == "(":
            repeating.append(False)
        elif bare[at] == ")" and len(repeating) > 1:
            inside = repeating.pop()
            if inside and _QUANTIFIER.match(bare, at + 1):
                return True
            repeating[-1] |= inside
        elif bare[at] == "|" or _QUANTIFIER.match(bare, at):
            repeating[-1] = True
        at += 1
    return False
