"""From texts to token ids: CLIP's bundled byte pairs, a checkpoint's `tokenizer.json`, or its `spiece.model`."""

from __future__ import annotations

import functools
import gzip
import html
import importlib.resources
import itertools
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tokenizers
from tokenizers import Regex, models, normalizers, pre_tokenizers

from wordsight.errors import CheckpointError, InputError, WordsightWarning
from wordsight.spec import TokenizerSpec
from wordsight.text.sentencepiece import read_spiece
from wordsight.text.tokenizer_check import check_tokenizer_json, library_errors

CLIP_VOCAB_SIZE = 49408
_MERGES = CLIP_VOCAB_SIZE - 2 * 256 - 2
_SPECIALS = ("<|startoftext|>", "<|endoftext|>")
# Radford et al. 2021, openai/CLIP simple_tokenizer.py: contractions, letters, single digits, runs of the rest.
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_LAST_LATIN = 0x24F  # of Latin Extended-B
_TOKENS_A_LETTER = 1.8  # from here on letters are read as bytes
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


class TextTruncatedWarning(WordsightWarning):
    """A text was longer than the model's context, and its end was not read."""


class UnknownScriptWarning(WordsightWarning):
    """A text is in a script that the model's tokenizer has no pieces for: the model has hardly learnt it."""


@dataclass(frozen=True, eq=False)
class Tokens:
    """Texts as a text tower reads them.

    ids: (B, T) int32, padded to the context length; the end-of-text token is always within.
    truncated: (B,) int64, number of tokens of each text that did not fit; 0 where the whole text is read.
    """

    ids: np.ndarray
    truncated: np.ndarray


class Tokenizer:
    """Turn texts into token ids as the model's own tokenizer did in training.

    spec: which kind, cleaning, special ids and context length.
    files: the checkpoint's tokenizer files, name → content; not needed for `clip_bpe`.

    Ids equal those of transformers 5 (CLIPTokenizer, SiglipTokenizer and the classes that read tokenizer.json), but for
    `clean="clip"`, where HTML entities are unescaped first, as OpenAI's training did (`basic_clean`). Two more steps of
    OpenAI's cleaning are left out here as in transformers 5: ftfy's repair of wrongly decoded text ("cafÃ©"), and its
    straightening of curly quotes. The literal texts of special tokens count as these tokens, as in both.

    Raises: CheckpointError when the file that the spec asks for is absent or unreadable.
    """

    def __init__(self, spec: TokenizerSpec, files: Mapping[str, bytes]) -> None:
        self.spec = spec
        self._engine = _open_engine(spec, files)

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Ids of texts, (B, T) int32, and the number of tokens of each that were truncated.

        Raises: InputError for anything but a list of str; CheckpointError for an id outside the vocabulary.
        """
        if isinstance(texts, str):
            raise InputError(f"Texts are given as a list; got the single text {texts!r}. Write [{texts!r}].")
        for index, text in enumerate(texts):
            if not isinstance(text, str):
                raise InputError(f"Text {index} is {text!r} ({type(text).__name__}), expected a str.")
        spec = self.spec
        cleaned = [clean_text(text, spec.clean) for text in texts]
        with library_errors("The tokenizer cannot read these texts"):
            rows = self._engine.encode_batch_fast(cleaned, add_special_tokens=False)
        start = [] if spec.bos_id is None else [spec.bos_id]
        room = spec.context_length - len(start) - 1
        ids = np.full((len(rows), spec.context_length), spec.pad_id, np.int64)
        truncated = np.zeros(len(rows), np.int64)
        for index, row in enumerate(rows):
            whole = row.ids
            kept = [*start, *whole[:room], spec.eos_id]
            ids[index, : len(kept)] = kept
            truncated[index] = max(0, len(whole) - room)
        if ids.size and ids.max() >= spec.vocab_size:
            raise CheckpointError(
                f"The tokenizer gave id {ids.max()}, but the text tower's vocabulary has {spec.vocab_size} tokens: "
                "the tokenizer file does not belong to this checkpoint."
            )
        return Tokens(ids.astype(np.int32), truncated)

    def knows_script(self, text: str) -> bool:
        """Whether the vocabulary has pieces for the script of a text, rather than single bytes of its letters.

        A text of mostly Latin letters, or of none, is taken to be known. Of other scripts a letter has two or three
        bytes, and as many tokens where nothing was learnt of it.
        """
        letters = [c for c in text if c.isalpha()]
        others = sum(ord(c) > _LAST_LATIN for c in letters)
        if 2 * others <= len(letters):
            return True
        cleaned = clean_text(" ".join(text.split()), self.spec.clean)
        with library_errors("The tokenizer cannot read these texts"):
            row = self._engine.encode(cleaned, add_special_tokens=False)
        return len(row.ids) < _TOKENS_A_LETTER * len(letters)


def clean_text(text: str, how: str) -> str:
    """Text as cleaned before tokenizing; `how` is `TokenizerSpec.clean`. Lone surrogates become U+FFFD.

    Source: openai/CLIP `basic_clean` ("clip"; lower case and white space follow in the tokenizer itself);
    big_vision `canonicalize_text` ("canonicalize": lower case, ASCII punctuation removed, white space collapsed).
    """
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if how == "clip":
        return html.unescape(html.unescape(text))
    if how == "canonicalize":
        return re.sub(r"\s+", " ", text.lower().translate(_NO_PUNCTUATION)).strip()
    if how == "lower":
        return " ".join(text.lower().split())
    return text


def _open_engine(spec: TokenizerSpec, files: Mapping[str, bytes]) -> tokenizers.Tokenizer:
    """The `tokenizers` object that the spec asks for."""
    if spec.kind == "clip_bpe":
        if spec.vocab_size < CLIP_VOCAB_SIZE:
            raise CheckpointError(
                f"The vocabulary has {spec.vocab_size} tokens, but CLIP's merges give {CLIP_VOCAB_SIZE}; "
                "put the model's own tokenizer.json beside its weights."
            )
        return _clip_bpe()
    if spec.kind == "sentencepiece":
        return read_spiece(_pick(files, "spiece.model", "tokenizer.model", "sentencepiece.model"))
    content = _pick(files, "tokenizer.json")
    check_tokenizer_json(content)
    with library_errors("tokenizer.json cannot be read"):
        engine = tokenizers.Tokenizer.from_buffer(content)
        engine.no_padding()
        engine.no_truncation()
    return engine


def _pick(files: Mapping[str, bytes], *names: str) -> bytes:
    """Content of the first of `names` that is there."""
    for name in names:
        if name in files:
            return files[name]
    there = ", ".join(sorted(files)) or "none"
    raise CheckpointError(f"The model needs {' or '.join(names)} for its texts; tokenizer files present: {there}.")


@functools.lru_cache(maxsize=1)
def _clip_bpe() -> tokenizers.Tokenizer:
    """Build CLIP's tokenizer from the bundled merges: bytes, bytes ending a word, 48,894 merges, two special tokens."""
    symbols = _byte_symbols()
    path = importlib.resources.files("wordsight") / "data" / "bpe_simple_vocab_16e6.txt.gz"
    with path.open("rb") as packed, gzip.open(packed, "rt", encoding="utf-8") as lines:
        pairs = (line.split() for line in itertools.islice(lines, 1, _MERGES + 1))
        merges = [(first, second) for first, second in pairs]
    names = [*symbols, *(symbol + "</w>" for symbol in symbols), *("".join(pair) for pair in merges), *_SPECIALS]
    vocab = {name: index for index, name in enumerate(names)}
    engine = tokenizers.Tokenizer(
        models.BPE(vocab=vocab, merges=merges, end_of_word_suffix="</w>", unk_token=_SPECIALS[1])
    )
    engine.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    engine.add_special_tokens(list(_SPECIALS))
    return engine


def _byte_symbols() -> list[str]:
    """The 256 characters that stand for bytes, in vocabulary order: printable Latin-1 first, as themselves."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(code) for code in printable] + [chr(256 + n) for n in range(256 - len(printable))]
