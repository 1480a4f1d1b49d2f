"""From the parts of a checkpoint (small files and tensors, as they lie in a layout) to a Checkpoint, and back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from wordsight.arguments import check_choice
from wordsight.checkpoint import Checkpoint
from wordsight.errors import CheckpointError
from wordsight.spec import ModelSpec
from wordsight.towers import architecture, pools_by_attention
from wordsight.weights import file_names, validate
from wordsight.weights.bounds import clean_text
from wordsight.weights.layouts import (
    SUPPORTED,
    hf_clip,
    hf_processor,
    hf_siglip,
    hf_tokenizer,
    open_clip,
    open_clip_names,
    openai,
)
from wordsight.weights.layouts.config_values import CLIP_VOCAB, clip_tokenizer, read_json

Layout = Literal["hf", "open_clip", "openai", "wordsight"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
_HF = {"clip": hf_clip, "siglip": hf_siglip}  # by `model_type`
# what else Hugging Face and open_clip have, so that an error can say what it is
_KNOWN_OTHERS = ("chinese_clip", "clipseg", "altclip", "blip", "blip-2", "siglip2", "metaclip_2", "clip_text_model",
                 "clip_vision_model", "siglip_text_model", "siglip_vision_model", "x_clip", "groupvit")  # fmt: skip


# where facts come from that no file states, unless a reader knows better; "image" holds for all of the image tower
_RULES = {
    "family": "the tensors: SigLIP has logit_bias and an attention-pooling head",
    "embed_dim": "inferred from shape of text_projection",
    "image": "the architecture's rule",
    "text": "the architecture's rule",
    "text.mlp_width": "inferred from shape of transformer.resblocks.0.mlp.c_fc.weight",
    "preprocess.image_size": "the image tower's image_size",
    "logit_bias": "the tensors: none",
    "normalisation": "the family's rule: each embedding along its last axis",
    "source": "as opened",
    "licence": "not stated in the files that were read",
}


@dataclass(frozen=True)
class Parts:
    """A checkpoint as it lies in one layout: small files by name (JSON, tokenizer), and tensors under its own names."""

    layout: Layout
    files: Mapping[str, bytes]
    tensors: Mapping[str, np.ndarray]


def to_checkpoint(parts: Parts, *, name: str, source: str, where: str) -> Checkpoint:
    """Checked Checkpoint of the parts.

    name, source: written into the spec. where: the file or folder, for messages.

    Raises: CheckpointError for another architecture, for missing, extra and wrongly shaped tensors, and for NaN.
    """
    try:
        checkpoint = _READ[parts.layout](parts)
    except CheckpointError as error:
        raise type(error)(f"{where}: {error}") from error
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{where}: the configuration has a value of the wrong kind ({type(error).__name__}: {str(error)[:200]}); "
            "fetch the files again."
        ) from error
    spec = checkpoint.spec
    if parts.layout != "wordsight":
        provenance = {**_RULES, **spec.provenance}
        spec = dataclasses.replace(spec, name=name, source=source, provenance=provenance)
    validate.check_names(spec, checkpoint.tensors, where)
    return dataclasses.replace(checkpoint, spec=spec)


def _read_openai(parts: Parts) -> Checkpoint:
    tensors = openai.to_canonical(parts.tensors)
    _reject_others(tensors)
    return Checkpoint(openai.read_spec(tensors, "", ""), tensors)


def _read_open_clip(parts: Parts) -> Checkpoint:
    config = read_json(parts.files, file_names.OPEN_CLIP_CONFIG)
    if "multimodal_cfg" not in (config.get("model_cfg") or {}):
        _reject_others(parts.tensors)
    tensors = open_clip_names.to_canonical(parts.tensors)
    spec, kept = open_clip.read_spec(config, tensors, parts.files)
    return Checkpoint(spec, tensors, kept)


def _reject_others(tensors: Mapping[str, np.ndarray]) -> None:
    """Name the architectures that open_clip's and OpenAI's spelling also carry."""
    signs = {
        "text_decoder.": "CoCa (it has a text decoder)",
        "text.transformer.embeddings.": "a Hugging Face text tower (RoBERTa, XLM-R, mT5 …)",
        "text.transformer.shared.": "a Hugging Face text tower (mT5)",
        "visual.trunk.stem.": "ConvNeXt or another convolutional tower of timm",
        "visual.trunk.stages.": "ConvNeXt or another convolutional tower of timm",
        "visual.trunk.blocks.0.mlp.w12.": "EVA",
        "visual.trunk.blocks.0.mlp.fc1_g.": "EVA",
        "visual.trunk.blocks.0.attn.q_bias": "EVA",
    }
    for name in tensors:
        for prefix, kind in signs.items():
            if name.startswith(prefix):
                raise CheckpointError(f"{name} means {kind}, which is not supported; {SUPPORTED}.")


def _read_hf(parts: Parts) -> Checkpoint:
    config = read_json(parts.files, file_names.HF_CONFIG)
    kind = config.get("model_type")
    if kind not in ("clip", "siglip"):
        known = " (known, but another architecture)" if kind in _KNOWN_OTHERS else ""
        raise CheckpointError(f"config.json: model_type is {kind!r}{known}, expected 'clip' or 'siglip'; {SUPPORTED}.")
    module = _HF[kind]
    log: dict[str, str] = {}
    image, text = module.read_towers(config, log)
    preprocess = hf_processor.read_preprocess(_processor(parts.files), kind, image.image_size, log)
    clean: hf_tokenizer.Clean = "none"
    if kind == "siglip":
        clean, log["tokenizer.clean"] = hf_tokenizer.siglip_clean(parts.files, text.vocab_size)
    tokenizer, kept = hf_tokenizer.read_tokenizer(
        parts.files, context_length=text.context_length, vocab_size=text.vocab_size, clean=clean, log=log
    )
    tensors = module.to_canonical(parts.tensors, config)
    return Checkpoint(module.read_spec(config, tensors, preprocess, tokenizer, log), tensors, kept)


def _processor(files: Mapping[str, bytes]) -> dict[str, Any] | None:
    for name in file_names.PROCESSORS:
        if name in files:
            config = read_json(files, name)
            nested = config.get("image_processor")
            if isinstance(nested, dict):
                return nested
            if name == "preprocessor_config.json":
                return config
    return None


def _read_native(parts: Parts) -> Checkpoint:
    spec = ModelSpec.from_json(parts.files[file_names.SPEC].decode(errors="replace"))
    provenance = {clean_text(fact): clean_text(origin) for fact, origin in spec.provenance.items()}
    spec = dataclasses.replace(
        spec,
        name=clean_text(spec.name),
        licence=clean_text(spec.licence),
        source=clean_text(spec.source),
        provenance=provenance,
    )
    kept = {name: content for name, content in parts.files.items() if name in file_names.TOKENIZER_KEPT}
    if spec.tokenizer.kind == "clip_bpe":
        kept = {}
    return Checkpoint(spec, parts.tensors, kept)


_READ = {"openai": _read_openai, "open_clip": _read_open_clip, "hf": _read_hf, "wordsight": _read_native}


def to_parts(checkpoint: Checkpoint, layout: Layout) -> Parts:
    """Parts of a checkpoint in a layout; reading them back gives the same facts and the same tensors.

    Raises: InputError for an unknown layout; CheckpointError where the layout cannot hold the model (the facts named).
    """
    check_choice("The layout", layout, LAYOUTS)
    held = _as_held(checkpoint, layout)
    parts = _WRITE[layout](held)
    back = _READ[layout](parts)
    differences = _differences(held.spec.facts(), back.spec.facts())
    if differences or dict(back.tokenizer_files) != dict(held.tokenizer_files):
        lost = "; ".join(differences[:4]) or "the tokenizer's files"
        raise CheckpointError(
            f"The {layout} layout cannot hold {held.spec.name or 'this model'}: {lost}. "
            "Use --to wordsight, which holds all."
        )
    return parts


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], place: str = "") -> list[str]:
    found = []
    for key in ours.keys() | theirs.keys():
        mine, other = ours.get(key), theirs.get(key)
        if isinstance(mine, dict) and isinstance(other, dict):
            found += _differences(mine, other, f"{place}{key}.")
        elif mine != other:
            found.append(f"{place}{key} is {mine!r}, it would become {other!r}")
    return sorted(found)


def _as_held(checkpoint: Checkpoint, layout: Layout) -> Checkpoint:
    """Say the same in the layout's words: OpenAI's has no tokenizer file, and the highest id is its end of text."""
    spec = checkpoint.spec
    known = architecture(spec)
    if layout not in known.layouts:
        others = [name for name in ("openai", "open_clip", "wordsight") if name in known.layouts]
        use = " or ".join([", ".join(others[:-1]), others[-1]]).removeprefix(" or ")
        raise CheckpointError(f"The {layout} layout has no {known.name}; use --to {use}.")
    if spec.family == "siglip" and layout == "openai":
        raise CheckpointError("OpenAI's layout has no SigLIP; use --to hf, open_clip or wordsight.")
    siglip_tower = pools_by_attention(spec.image)
    if spec.family == "siglip" and layout == "hf" and not siglip_tower:
        raise CheckpointError(
            "Hugging Face's SiglipModel pools images by attention, and its CLIPModel has no bias; this model has "
            "SigLIP's bias on CLIP's towers. Use --to open_clip or wordsight."
        )
    if spec.text.projection_bias and layout == "open_clip" and not siglip_tower:
        raise CheckpointError("open_clip's CLIP has no bias in its text projection; use --to wordsight.")
    if layout != "openai":
        return checkpoint
    if spec.tokenizer.kind != "clip_bpe":
        if not _is_clip_vocabulary(checkpoint.tokenizer_files):
            raise CheckpointError("OpenAI's layout has CLIP's tokenizer only, this model has its own; use --to hf.")
        spec = dataclasses.replace(spec, tokenizer=clip_tokenizer(spec.text.context_length, spec.text.vocab_size))
    if spec.text.pooling == "eos" and spec.tokenizer.eos_id == spec.text.vocab_size - 1:
        spec = dataclasses.replace(spec, text=dataclasses.replace(spec.text, pooling="argmax"))
    return Checkpoint(spec, checkpoint.tensors)


def _is_clip_vocabulary(files: Mapping[str, bytes]) -> bool:
    if "tokenizer.json" not in files:
        return False
    vocab = read_json(files, file_names.TOKENIZER_JSON).get("model", {}).get("vocab")
    own: dict[str, int] = json.loads(hf_tokenizer.clip_files()["vocab.json"])
    return isinstance(vocab, dict) and len(own) == CLIP_VOCAB and {**own, **vocab} == own


def _json_bytes(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _write_openai(checkpoint: Checkpoint) -> Parts:
    return Parts("openai", {}, openai.from_canonical(checkpoint.spec, checkpoint.tensors))


def _write_open_clip(checkpoint: Checkpoint) -> Parts:
    files = {
        file_names.OPEN_CLIP_CONFIG: _json_bytes(open_clip.make_config(checkpoint.spec)),
        **checkpoint.tokenizer_files,
    }
    return Parts("open_clip", files, open_clip_names.from_canonical(checkpoint.spec, checkpoint.tensors))


def _write_hf(checkpoint: Checkpoint) -> Parts:
    spec = checkpoint.spec
    module = _HF[spec.family]
    tokenizer = checkpoint.tokenizer_files
    if spec.tokenizer.kind == "clip_bpe":
        tokenizer = hf_tokenizer.clip_files()
    files = {
        "config.json": _json_bytes(module.make_config(spec)),
        "preprocessor_config.json": _json_bytes(hf_processor.make_config(spec.preprocess, spec.family)),
        **tokenizer,
    }
    return Parts("hf", files, module.from_canonical(spec, checkpoint.tensors))


def _write_native(checkpoint: Checkpoint) -> Parts:
    files = {file_names.SPEC: checkpoint.spec.to_json().encode(), **checkpoint.tokenizer_files}
    return Parts("wordsight", files, checkpoint.tensors)


_WRITE = {"openai": _write_openai, "open_clip": _write_open_clip, "hf": _write_hf, "wordsight": _write_native}
