"""The tokenizer of a folder: its own files where it has them, CLIP's bundled merges where it has none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from wordsight.errors import CheckpointError
from wordsight.spec import TokenizerSpec
from wordsight.weights.file_names import SENTENCEPIECE, TOKENIZER_CONFIGS, TOKENIZER_JSON, TOKENIZER_KEPT
from wordsight.weights.layouts.config_values import clip_tokenizer, read_json

GEMMA_VOCAB = 256_000
Clean = Literal["clip", "canonicalize", "lower", "none"]


def read_tokenizer(
    files: Mapping[str, bytes], *, context_length: int, vocab_size: int, clean: Clean, log: dict[str, str]
) -> tuple[TokenizerSpec, dict[str, bytes]]:
    """The TokenizerSpec and the files to keep, of the tokenizer files of a folder.

    clean: what is done to the text first, where the folder has a tokenizer of its own.

    Raises: CheckpointError for merges that are not CLIP's without a tokenizer.json, and for a vocabulary of another
        size than CLIP's without any tokenizer.
    """
    if "tokenizer.json" in files:
        tokenizer = _read_own(files, context_length=context_length, vocab_size=vocab_size, clean=clean, log=log)
        names = [name for name in TOKENIZER_KEPT if name in files and not name.endswith(".model")]
        return tokenizer, {name: files[name] for name in names}
    pieces = next((name for name in SENTENCEPIECE if name in files), None)
    if pieces:
        log["tokenizer"] = pieces
        eos, pad = _sentencepiece_ids(files)
        spec = TokenizerSpec(
            kind="sentencepiece", context_length=context_length, vocab_size=vocab_size, bos_id=None, eos_id=eos,
            pad_id=pad, clean=clean,
        )  # fmt: skip
        names = [name for name in TOKENIZER_KEPT if name in files and not name.endswith(".model")]
        return spec, {"spiece.model": files[pieces], **{name: files[name] for name in names}}
    log["tokenizer"] = "CLIP's byte-pair merges (bundled)"
    if "merges.txt" in files:
        _check_merges(files["merges.txt"])
        log["tokenizer"] += ", equal to merges.txt"
    return clip_tokenizer(context_length, vocab_size), {}


def _read_own(
    files: Mapping[str, bytes], *, context_length: int, vocab_size: int, clean: Clean, log: dict[str, str]
) -> TokenizerSpec:
    tokenizer = read_json(files, TOKENIZER_JSON)
    ids = _vocabulary(tokenizer)
    special = _special_tokens(files)
    log["tokenizer"] = "tokenizer.json"

    def find(role: str, *candidates: str) -> int | None:
        fact = f"tokenizer.{role.removesuffix('_token')}_id"
        if (token := special.get(role)) in ids:
            log[fact] = f"tokenizer_config.json: {role} = {token}"
            return ids[str(token)]
        for candidate in candidates:
            if candidate in ids:
                log[fact] = f"tokenizer.json holds {candidate!r}"
                return ids[candidate]
        return None

    eos = find("eos_token", "<|endoftext|>", "</s>", "<eos>")
    if eos is None:
        raise CheckpointError("tokenizer.json has no end-of-text token (<|endoftext|>, </s> or <eos>); expected one.")
    pad = find("pad_token", "<pad>")
    padding = tokenizer.get("padding")
    if pad is None and isinstance(padding, dict) and isinstance(padding.get("pad_id"), int):
        pad = padding["pad_id"]
    if pad is None:
        pad = eos
    return TokenizerSpec(
        kind="tokenizer_json",
        context_length=context_length,
        vocab_size=vocab_size,
        bos_id=find("bos_token", "<|startoftext|>", "<bos>") if clean in ("clip", "none") else None,
        eos_id=eos,
        pad_id=pad,
        clean=clean,
    )


def siglip_clean(files: Mapping[str, bytes], vocab_size: int) -> tuple[Clean, str]:
    """Cleaning that SigLIP's tokenizers do first, and the evidence for it.

    SigLIP lowers and removes punctuation (big_vision's `canonicalize`), SigLIP 2, with Gemma's vocabulary, lowers only.
    """
    kind = None
    if "tokenizer_config.json" in files:
        kind = read_json(files, "tokenizer_config.json").get("tokenizer_class")
    if isinstance(kind, str) and kind.startswith(("Siglip2", "Gemma")):
        return "lower", f"tokenizer_config.json: tokenizer_class = {kind}, so SigLIP 2's rule"
    if isinstance(kind, str) and kind.startswith("Siglip"):
        return "canonicalize", f"tokenizer_config.json: tokenizer_class = {kind}, so SigLIP's rule"
    if vocab_size == GEMMA_VOCAB:
        return "lower", f"a vocabulary of {vocab_size} is Gemma's, so SigLIP 2's rule"
    return "canonicalize", "SigLIP's rule"


def _vocabulary(tokenizer: Mapping[str, Any]) -> dict[str, int]:
    """Token → id of a tokenizer.json: its model's vocabulary and the added tokens."""
    model = tokenizer.get("model")
    vocab = None
    if isinstance(model, dict):
        vocab = model.get("vocab")
    if isinstance(vocab, list):  # Unigram: [token, score] in the order of ids
        ids = {str(entry[0]): i for i, entry in enumerate(vocab) if isinstance(entry, list) and entry}
    elif isinstance(vocab, dict):
        ids = dict(vocab)
    else:
        raise CheckpointError("tokenizer.json has no model.vocab; expected a file of the `tokenizers` library.")
    for added in tokenizer.get("added_tokens") or ():
        if isinstance(added, dict) and isinstance(added.get("id"), int):
            ids[str(added.get("content"))] = added["id"]
    return ids


def _special_tokens(files: Mapping[str, bytes]) -> dict[str, str]:
    """Role (such as `pad_token`) → token, of special_tokens_map.json and tokenizer_config.json (which wins)."""
    found = {}
    for name in reversed(TOKENIZER_CONFIGS):
        if name not in files:
            continue
        for role, token in read_json(files, name).items():
            content = token.get("content") if isinstance(token, dict) else token
            if role.endswith("_token") and isinstance(content, str):
                found[role] = content
    return found


def _sentencepiece_ids(files: Mapping[str, bytes]) -> tuple[int, int]:
    """(eos, pad): SigLIP's own is T5's, where </s> is 1 and pads; SigLIP 2's Gemma has <eos> 1 and <pad> 0."""
    return 1, 0 if _special_tokens(files).get("pad_token") == "<pad>" else 1


def _check_merges(content: bytes) -> None:
    import gzip
    from importlib import resources

    bundled = resources.files("wordsight").joinpath("data/bpe_simple_vocab_16e6.txt.gz").read_bytes()
    ours = gzip.decompress(bundled).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    theirs = [line for line in content.decode(errors="replace").split("\n") if line and not line.startswith("#version")]
    if theirs != ours:
        raise CheckpointError(
            "merges.txt is not CLIP's own, and there is no tokenizer.json. Make one with "
            "`AutoTokenizer.from_pretrained(folder).save_pretrained(folder)` of transformers."
        )


def clip_files() -> dict[str, bytes]:
    """Return `vocab.json` and `merges.txt` of CLIP's bundled merges, from which transformers makes its tokenizer."""
    import gzip
    from importlib import resources

    bundled = resources.files("wordsight").joinpath("data/bpe_simple_vocab_16e6.txt.gz").read_bytes()
    merges = gzip.decompress(bundled).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]  # the bytes that stand for themselves
    rest = [byte for byte in range(256) if byte not in printable]
    alphabet = [chr(b) for b in printable] + [chr(256 + i) for i in range(len(rest))]
    tokens = alphabet + [letter + "</w>" for letter in alphabet] + ["".join(merge.split()) for merge in merges]
    vocab = {token: i for i, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    config = {
        "tokenizer_class": "CLIPTokenizer", "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "model_max_length": 77,
    }  # fmt: skip
    return {
        "vocab.json": json.dumps(vocab, ensure_ascii=False).encode(),
        "merges.txt": ("#version: 0.2\n" + "\n".join(merges) + "\n").encode(),
        "tokenizer_config.json": json.dumps(config, indent=2).encode(),
    }
