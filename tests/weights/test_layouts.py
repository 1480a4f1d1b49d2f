"""Layouts: names, transposes and facts against transformers' and OpenAI's own modules; bit-identical round trips."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from wordsight.checkpoint import Checkpoint
from wordsight.errors import CheckpointError, InputError
from wordsight.spec import OPENAI_MEAN, OPENAI_STD, EfficientNetTower, Preprocess, ResNetTower, VitTower
from wordsight.weights.layouts import hf_processor, hf_tokenizer, open_clip
from wordsight.weights.layouts.assemble import to_parts
from wordsight.weights.read import read_checkpoint
from wordsight.weights.shapes import expected_shapes
from wordsight.weights.validate import check_finite
from wordsight.weights.write import write_checkpoint

TINY_TIMM = {"vit_tiny_patch8_siglip_32": (96, 2, 3, 160, "gelu_tanh")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("made")
    return {
        "hf_clip": tiny.tiny_hf_clip(root / "hf_clip"),
        "hf_siglip": tiny.tiny_hf_siglip(root / "hf_siglip"),
        "open_clip": tiny.tiny_open_clip(root / "open_clip"),
        "openai_vit": tiny.tiny_openai_vit(root / "openai_vit.pt"),
        "openai_resnet": tiny.tiny_openai_resnet(root / "openai_resnet.pt"),
    }


def equal(ours: np.ndarray, theirs: torch.Tensor) -> bool:
    return ours.shape == tuple(theirs.shape) and np.array_equal(np.asarray(ours), theirs.detach().numpy())


def edit_json(file: Path, **changes: Any) -> None:
    config = json.loads(file.read_text())
    for path, value in changes.items():
        target = config
        *parents, leaf = path.split("__")
        for parent in parents:
            target = target[parent]
        if value is None:
            target.pop(leaf, None)
        else:
            target[leaf] = value
    file.write_text(json.dumps(config))


def three(layer: Any) -> tuple[Any, Any, Any]:
    """The query, key and value layers of one of transformers' blocks."""
    return layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj


def copied(source: Path, destination: Path) -> Path:
    shutil.copytree(source, destination)
    return destination


# --- names, transposes and facts against the modules they come from ---------------------------------------------------


def test_hf_clip_tensors_are_those_of_the_transformers_model(made: dict[str, Path]) -> None:
    from transformers import CLIPModel

    model = CLIPModel.from_pretrained(made["hf_clip"])
    read = read_checkpoint(made["hf_clip"]).tensors
    assert equal(read["token_embedding.weight"], model.text_model.embeddings.token_embedding.weight)
    assert equal(read["text_projection"], model.text_projection.weight.T)
    assert equal(read["visual.proj"], model.visual_projection.weight.T)
    assert equal(read["visual.ln_pre.weight"], model.vision_model.pre_layrnorm.weight)
    assert equal(read["visual.ln_post.bias"], model.vision_model.post_layernorm.bias)
    for ours, layers in (("", model.text_model.encoder.layers), ("visual.", model.vision_model.encoder.layers)):
        for i, layer in enumerate(layers):
            block = f"{ours}transformer.resblocks.{i}"
            parts = three(layer)
            assert equal(read[f"{block}.attn.in_proj_weight"], torch.cat([p.weight for p in parts]))
            assert equal(read[f"{block}.attn.in_proj_bias"], torch.cat([p.bias for p in parts]))
            assert equal(read[f"{block}.attn.out_proj.weight"], layer.self_attn.out_proj.weight)
            assert equal(read[f"{block}.mlp.c_fc.weight"], layer.mlp.fc1.weight)
            assert equal(read[f"{block}.mlp.c_proj.bias"], layer.mlp.fc2.bias)
            assert equal(read[f"{block}.ln_2.weight"], layer.layer_norm2.weight)


def test_hf_siglip_tensors_are_those_of_the_transformers_model(made: dict[str, Path]) -> None:
    from transformers import SiglipModel

    model = SiglipModel.from_pretrained(made["hf_siglip"])
    checkpoint = read_checkpoint(made["hf_siglip"])
    read, head = checkpoint.tensors, model.vision_model.head
    assert equal(read["text_projection"], model.text_model.head.weight.T)
    assert equal(read["text_projection_bias"], model.text_model.head.bias)
    assert equal(read["visual.attn_pool.probe"], head.probe[0, 0])
    assert equal(read["visual.attn_pool.attn.in_proj_weight"], head.attention.in_proj_weight)
    assert equal(read["visual.attn_pool.ln.weight"], head.layernorm.weight)
    assert equal(read["visual.attn_pool.mlp.c_proj.weight"], head.mlp.fc2.weight)
    assert equal(read["visual.conv1.bias"], model.vision_model.embeddings.patch_embedding.bias)
    assert equal(read["visual.positional_embedding"], model.vision_model.embeddings.position_embedding.weight)
    assert (checkpoint.spec.logit_scale, checkpoint.spec.logit_bias) == (
        model.logit_scale.item(),
        model.logit_bias.item(),
    )


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_openai_tensors_are_those_of_the_torchscript_module(made: dict[str, Path], kind: str) -> None:
    state = torch.jit.load(str(made[f"openai_{kind}"])).state_dict()
    read = read_checkpoint(made[f"openai_{kind}"]).tensors
    dropped = {"input_resolution", "context_length", "vocab_size"} | {n for n in state if "num_batches" in n}
    assert set(read) == set(state) - dropped
    assert all(equal(tensor, state[name]) for name, tensor in read.items())
    assert {t.dtype.name for t in read.values()} == {"float16", "float32"}


def test_facts_of_an_openai_file_follow_from_shapes(made: dict[str, Path]) -> None:
    spec = read_checkpoint(made["openai_vit"]).spec
    assert spec.image == VitTower(
        image_size=32, patch_size=8, width=128, layers=2, heads=2, mlp_width=512, activation="quick_gelu", pooling="cls"
    )
    assert (spec.text.heads, spec.text.pooling, spec.text.causal, spec.embed_dim) == (2, "argmax", True, 48)
    assert spec.preprocess == Preprocess(image_size=32)
    assert spec.provenance["image.patch_size"] == "inferred from shape of visual.conv1.weight"
    resnet = read_checkpoint(made["openai_resnet"]).spec
    assert resnet.image == ResNetTower(image_size=64, width=8, layers=(1, 2, 1, 1), heads=4)


def test_facts_of_hf_folders_follow_from_their_files(made: dict[str, Path]) -> None:
    clip = read_checkpoint(made["hf_clip"]).spec
    assert (clip.image.activation, clip.image.heads, clip.text.heads) == ("quick_gelu", 3, 2)  # type: ignore[union-attr]
    assert clip.provenance["image.activation"] == "config.json: vision_config.hidden_act"
    assert clip.provenance["preprocess.mean"] == "preprocessor_config.json: image_mean"
    assert clip.tokenizer.kind == "clip_bpe"
    siglip = read_checkpoint(made["hf_siglip"]).spec
    assert (siglip.image.activation, siglip.image.pooling) == ("gelu_tanh", "attention")  # type: ignore[union-attr]
    assert (siglip.text.pooling, siglip.text.causal, siglip.text.projection_bias) == ("last", False, True)
    assert siglip.preprocess == Preprocess(image_size=32, resize="squash", mean=(0.5,) * 3, std=(0.5,) * 3)
    tokenizer = siglip.tokenizer
    assert (tokenizer.kind, tokenizer.eos_id, tokenizer.pad_id, tokenizer.clean) == (
        "tokenizer_json",
        1,
        1,
        "canonicalize",
    )


@pytest.mark.parametrize(("eos", "pooling"), [(2, "argmax"), (49407, "eos")])
def test_the_end_of_text_rule(tmp_path: Path, eos: int, pooling: str) -> None:
    spec = read_checkpoint(tiny.tiny_hf_clip(tmp_path / "m", eos_token_id=eos)).spec
    assert (spec.text.pooling, spec.tokenizer.eos_id) == (pooling, 49407)


def test_an_end_of_text_that_the_tokenizer_never_writes(tmp_path: Path) -> None:
    folder = tiny.tiny_hf_clip(tmp_path / "m", eos_token_id=123)
    with pytest.raises(CheckpointError, match="eos_token_id is 123, but the tokenizer ends texts with 49407"):
        read_checkpoint(folder)


def test_older_configurations_override_by_config_dict(made: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(made["hf_clip"], tmp_path / "m")
    edit_json(folder / "config.json", text_config_dict={"hidden_act": "gelu"})
    assert read_checkpoint(folder).spec.text.activation == "gelu"


@pytest.mark.parametrize(("quick", "activation"), [(False, "gelu"), (True, "quick_gelu")])
def test_open_clip_takes_its_activation_from_the_configuration(tmp_path: Path, quick: bool, activation: str) -> None:
    spec = read_checkpoint(tiny.tiny_open_clip(tmp_path / "m", quick_gelu=quick)).spec
    assert (spec.image.activation, spec.text.activation) == (activation, activation)  # type: ignore[union-attr]


def test_open_clip_text_prefix_and_training_wrapper(made: dict[str, Path], tmp_path: Path) -> None:
    state = load_file(made["open_clip"] / "open_clip_model.safetensors")
    inside = ("visual.", "logit_scale")
    prefixed = {name if name.startswith(inside) else f"text.{name}": tensor for name, tensor in state.items()}
    folder = tmp_path / "m"
    folder.mkdir()
    wrapped = {"epoch": 1, "state_dict": {f"module.{name}": tensor for name, tensor in prefixed.items()}}
    torch.save(wrapped, folder / "open_clip_pytorch_model.bin")
    shutil.copy(made["open_clip"] / "open_clip_config.json", folder)
    assert read_checkpoint(folder).fingerprint == read_checkpoint(made["open_clip"]).fingerprint


def timm_state(model: Any) -> dict[str, torch.Tensor]:
    """open_clip's SigLIP spelling of a transformers SiglipModel, written out by hand."""
    vision, text = model.vision_model, model.text_model
    state = {
        "logit_scale": model.logit_scale.reshape(()), "logit_bias": model.logit_bias.reshape(()),
        "visual.trunk.patch_embed.proj.weight": vision.embeddings.patch_embedding.weight,
        "visual.trunk.patch_embed.proj.bias": vision.embeddings.patch_embedding.bias,
        "visual.trunk.pos_embed": vision.embeddings.position_embedding.weight[None],
        "visual.trunk.norm.weight": vision.post_layernorm.weight,
        "visual.trunk.norm.bias": vision.post_layernorm.bias,
        "visual.trunk.attn_pool.latent": vision.head.probe,
        "text.token_embedding.weight": text.embeddings.token_embedding.weight,
        "text.positional_embedding": text.embeddings.position_embedding.weight,
        "text.ln_final.weight": text.final_layer_norm.weight, "text.ln_final.bias": text.final_layer_norm.bias,
        "text.text_projection.weight": text.head.weight, "text.text_projection.bias": text.head.bias,
    }  # fmt: skip

    def add(name: str, module: Any) -> None:
        state[f"{name}.weight"], state[f"{name}.bias"] = module.weight, module.bias

    pool, width = vision.head, vision.head.probe.shape[-1]
    state["visual.trunk.attn_pool.q.weight"] = pool.attention.in_proj_weight[:width]
    state["visual.trunk.attn_pool.q.bias"] = pool.attention.in_proj_bias[:width]
    state["visual.trunk.attn_pool.kv.weight"] = pool.attention.in_proj_weight[width:]
    state["visual.trunk.attn_pool.kv.bias"] = pool.attention.in_proj_bias[width:]
    add("visual.trunk.attn_pool.proj", pool.attention.out_proj)
    add("visual.trunk.attn_pool.norm", pool.layernorm)
    add("visual.trunk.attn_pool.mlp.fc1", pool.mlp.fc1)
    add("visual.trunk.attn_pool.mlp.fc2", pool.mlp.fc2)
    for i, layer in enumerate(vision.encoder.layers):
        block, parts = (
            f"visual.trunk.blocks.{i}",
            (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj),
        )
        state[f"{block}.attn.qkv.weight"] = torch.cat([p.weight for p in parts])
        state[f"{block}.attn.qkv.bias"] = torch.cat([p.bias for p in parts])
        names = {"attn.proj": layer.self_attn.out_proj, "norm1": layer.layer_norm1, "norm2": layer.layer_norm2}
        for name, module in {**names, "mlp.fc1": layer.mlp.fc1, "mlp.fc2": layer.mlp.fc2}.items():
            add(f"{block}.{name}", module)
    for i, layer in enumerate(text.encoder.layers):
        block, parts = (
            f"text.transformer.resblocks.{i}",
            (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj),
        )
        state[f"{block}.attn.in_proj_weight"] = torch.cat([p.weight for p in parts])
        state[f"{block}.attn.in_proj_bias"] = torch.cat([p.bias for p in parts])
        names = {"attn.out_proj": layer.self_attn.out_proj, "ln_1": layer.layer_norm1, "ln_2": layer.layer_norm2}
        for name, module in {**names, "mlp.c_fc": layer.mlp.fc1, "mlp.c_proj": layer.mlp.fc2}.items():
            add(f"{block}.{name}", module)
    return {name: tensor.detach().contiguous().clone() for name, tensor in state.items()}


def test_siglip_as_open_clip_has_it_is_the_same_model(
    made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import SiglipModel

    monkeypatch.setitem(open_clip.TIMM_SIGLIP, *TINY_TIMM.popitem())
    original = read_checkpoint(made["hf_siglip"])
    write_checkpoint(original, tmp_path / "m", "open_clip")
    state = timm_state(SiglipModel.from_pretrained(made["hf_siglip"]))
    written = load_file(tmp_path / "m" / "open_clip_model.safetensors")
    assert set(written) == set(state)
    assert all(torch.equal(written[name], tensor) for name, tensor in state.items())
    assert read_checkpoint(tmp_path / "m").fingerprint == original.fingerprint


def leaves(value: Any, place: str = "") -> list[str]:
    if not isinstance(value, dict):
        return [place]
    return [leaf for key, inner in value.items() for leaf in leaves(inner, f"{place}.{key}".lstrip("."))]


@pytest.mark.parametrize("kind", ["hf_clip", "hf_siglip", "open_clip", "openai_vit", "openai_resnet"])
def test_every_fact_says_where_it_came_from(made: dict[str, Path], kind: str) -> None:
    spec = read_checkpoint(made[kind]).spec
    facts = leaves(spec.facts())
    assert [f for f in facts if f not in spec.provenance and f.rpartition(".")[0] not in spec.provenance] == []
    known = {*facts, *(f.rpartition(".")[0] for f in facts), "source", "licence", "tokenizer"}
    assert set(spec.provenance) - known <= {"text.mlp_width", "text_projection", "visual.proj"}


# --- round trips ------------------------------------------------------------------------------------------------------

HOLDS = {
    "hf_clip": ("hf", "open_clip", "wordsight"),
    "hf_siglip": ("hf", "wordsight"),
    "open_clip": ("hf", "open_clip", "wordsight"),
    "openai_vit": ("hf", "open_clip", "openai", "wordsight"),
    "openai_resnet": ("open_clip", "openai", "wordsight"),
}


@pytest.mark.parametrize(("kind", "layout"), [(k, layout) for k, layouts in HOLDS.items() for layout in layouts])
def test_round_trip_is_bit_exact(made: dict[str, Path], tmp_path: Path, kind: str, layout: Any) -> None:
    original = read_checkpoint(made[kind])
    write_checkpoint(original, tmp_path / "copy", layout)
    copy = read_checkpoint(tmp_path / "copy")
    assert copy.fingerprint == original.fingerprint
    assert copy.spec.facts() == original.spec.facts()
    assert [p.name for p in tmp_path.iterdir()] == ["copy"]


@pytest.mark.parametrize(
    ("kind", "layout", "reason"),
    [
        ("hf_clip", "openai", "image.heads is 3, it would become 1"),
        ("open_clip", "openai", "image.activation is 'gelu', it would become 'quick_gelu'"),
        ("hf_siglip", "openai", "no SigLIP"),
        ("hf_siglip", "open_clip", "timm, which has none of width 96"),
        ("openai_resnet", "hf", "no ModifiedResNet"),
    ],
)
def test_what_a_layout_cannot_hold_is_refused(
    made: dict[str, Path], tmp_path: Path, kind: str, layout: Any, reason: str
) -> None:
    with pytest.raises(CheckpointError, match=reason):
        write_checkpoint(read_checkpoint(made[kind]), tmp_path / "copy", layout)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=25, deadline=None)
@given(
    dtype=st.sampled_from(["float16", "float32", "bfloat16"]),
    layout=st.sampled_from(["hf", "open_clip", "openai", "wordsight"]),
    scale=st.floats(-5, 4.6),
    mean=st.tuples(*[st.floats(0, 1)] * 3),
    squash=st.booleans(),
    bilinear=st.booleans(),
)
def test_any_facts_round_trip_or_are_refused(
    dtype: str, layout: Any, scale: float, mean: tuple[float, float, float], squash: bool, bilinear: bool
) -> None:
    from wordsight.weights.layouts.assemble import to_checkpoint

    base = _vit()
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    tensors = {name: np.asarray(t, np.float32).astype(kind) for name, t in base.tensors.items()}
    tensors["logit_scale"] = np.array(scale, kind)
    preprocess = Preprocess(
        image_size=32,
        resize="squash" if squash else "shortest",
        interpolation="bilinear" if bilinear else "bicubic",
        mean=mean,
    )
    spec = dataclasses.replace(base.spec, preprocess=preprocess, logit_scale=float(tensors["logit_scale"]))
    original = Checkpoint(spec, tensors)
    if layout == "openai" and preprocess != Preprocess(image_size=32):
        with pytest.raises(CheckpointError, match=r"cannot hold.*preprocess"):
            to_parts(original, layout)
        return
    back = to_checkpoint(to_parts(original, layout), name="x", source="x", where="x")
    assert back.fingerprint == original.fingerprint


_MADE: list[Checkpoint] = []


def _vit() -> Checkpoint:
    """A small quick_gelu ViT in memory, made once."""
    if not _MADE:
        from wordsight.weights.layouts import openai

        state = {name: tensor.numpy() for name, tensor in tiny.openai_vit().state_dict().items()}
        tensors = openai.to_canonical(state)
        _MADE.append(Checkpoint(openai.read_spec(tensors, "x", "x"), tensors))
    return _MADE[0]


def test_what_is_written_for_hugging_face_runs_in_transformers_unchanged(made: dict[str, Path], tmp_path: Path) -> None:
    from transformers import CLIPModel

    write_checkpoint(read_checkpoint(made["hf_clip"]), tmp_path / "copy", "hf")
    first, second = (
        CLIPModel.from_pretrained(made["hf_clip"]).eval(),
        CLIPModel.from_pretrained(tmp_path / "copy").eval(),
    )
    ids, pixels = torch.tensor([[49406, 320, 1125, 49407, 49407]]), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        one, two = first(input_ids=ids, pixel_values=pixels), second(input_ids=ids, pixel_values=pixels)
    assert torch.equal(one.logits_per_image, two.logits_per_image)


def test_the_written_tokenizer_is_clips_own(made: dict[str, Path], tmp_path: Path) -> None:
    from transformers import CLIPTokenizer

    write_checkpoint(read_checkpoint(made["hf_clip"]), tmp_path / "copy", "hf")
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path / "copy")
    assert tokenizer("a photo of a cat")["input_ids"] == [49406, 320, 1125, 539, 320, 2368, 49407]


def test_what_is_written_for_openai_is_the_same_state_dict(made: dict[str, Path], tmp_path: Path) -> None:
    for kind in ("openai_vit", "openai_resnet"):
        write_checkpoint(read_checkpoint(made[kind]), tmp_path / f"{kind}.pt", "openai")
        written = torch.load(tmp_path / f"{kind}.pt", weights_only=True)
        state = torch.jit.load(str(made[kind])).state_dict()
        assert set(written) == set(state)
        assert all(torch.equal(written[name], tensor) for name, tensor in state.items())


def test_hf_clip_with_its_own_tokenizer_keeps_it(made: dict[str, Path], tmp_path: Path) -> None:
    from transformers import CLIPTokenizerFast

    write_checkpoint(read_checkpoint(made["openai_vit"]), tmp_path / "hf", "hf")
    CLIPTokenizerFast.from_pretrained(tmp_path / "hf").save_pretrained(tmp_path / "hf")
    assert (tmp_path / "hf" / "tokenizer.json").exists()
    read = read_checkpoint(tmp_path / "hf")
    assert (read.spec.tokenizer.kind, read.spec.tokenizer.clean) == ("tokenizer_json", "none")
    assert (read.spec.tokenizer.bos_id, read.spec.tokenizer.eos_id) == (49406, 49407)
    for layout in ("hf", "open_clip", "wordsight"):
        write_checkpoint(read, tmp_path / layout / "copy", layout)
        assert read_checkpoint(tmp_path / layout / "copy").fingerprint == read.fingerprint
    write_checkpoint(read, tmp_path / "copy.pt", "openai")  # the vocabulary is CLIP's: nothing is lost
    assert read_checkpoint(tmp_path / "copy.pt").tensors.keys() == read.tensors.keys()


@pytest.mark.parametrize(
    ("config", "vocabulary", "clean"),
    [
        ({"tokenizer_class": "SiglipTokenizer"}, 32_000, "canonicalize"),
        ({"tokenizer_class": "SiglipTokenizer"}, 250_000, "canonicalize"),  # the multilingual SigLIP
        ({"tokenizer_class": "GemmaTokenizerFast"}, 256_000, "lower"),
        ({"tokenizer_class": "Siglip2Tokenizer"}, 256_000, "lower"),
        (None, 256_000, "lower"),
        (None, 32_000, "canonicalize"),
    ],
)
def test_how_siglip_cleans_its_texts(config: dict[str, str] | None, vocabulary: int, clean: str) -> None:
    files = {} if config is None else {"tokenizer_config.json": json.dumps(config).encode()}
    assert hf_tokenizer.siglip_clean(files, vocabulary)[0] == clean


def test_unknown_layout_says_what_was_meant(made: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Did you mean: open_clip"):
        write_checkpoint(read_checkpoint(made["open_clip"]), tmp_path / "x", "openclip")  # type: ignore[arg-type]


def test_the_bundled_architecture_fits_only_our_own_layout() -> None:
    tower = EfficientNetTower(
        image_size=32, stem_width=8, stages=((1, 3, 1, 8, 1),), features=8, tap_means=(), tap_spreads=(), head_width=8,
        head_layers=1, classes=2,
    )  # fmt: skip
    checkpoint = _vit()
    spec = dataclasses.replace(checkpoint.spec, image=tower)
    with pytest.raises(CheckpointError, match="use --to wordsight"):
        to_parts(Checkpoint(spec, checkpoint.tensors), "hf")


# --- preprocessing as Hugging Face spells it --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"size": 32, "crop_size": 32}, Preprocess(image_size=32)),
        ({"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}, Preprocess(image_size=32)),
        ({"size": {"shortest_edge": 32}, "resample": 2}, Preprocess(image_size=32, interpolation="bilinear")),
        ({"size": {"height": 32, "width": 32}, "do_center_crop": False}, Preprocess(image_size=32, resize="squash")),
        ({"size": 32, "image_mean": [0, 0, 0]}, Preprocess(image_size=32, mean=(0, 0, 0))),
        ({"size": 32, "image_std": [1, 1, 1]}, Preprocess(image_size=32, std=(1, 1, 1))),
        ({}, Preprocess(image_size=32, mean=OPENAI_MEAN, std=OPENAI_STD)),
        (None, Preprocess(image_size=32)),
    ],
)  # fmt: skip
def test_preprocessor_config_is_honoured(config: dict[str, Any] | None, expected: Preprocess) -> None:
    assert hf_processor.read_preprocess(config, "clip", 32, {}) == expected


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"size": {"shortest_edge": 36}, "crop_size": 32}, "resize to 36, crop to 32"),
        ({"size": {"shortest_edge": 32}, "do_center_crop": False}, "not square"),
        ({"size": 64, "crop_size": 64}, "takes 32 px"),
        ({"size": {"longest_edge": 32}}, "expected a number"),
        ({"resample": 1}, "resample is 1"),
        ({"do_normalize": False}, "do_normalize is false"),
        ({"rescale_factor": 1.0}, "rescale_factor is 1.0"),
        ({"image_mean": [0.5, 0.5]}, "expected three numbers"),
    ],
)
def test_preprocessing_we_do_not_do_is_refused(config: dict[str, Any], reason: str) -> None:
    with pytest.raises(CheckpointError, match=reason):
        hf_processor.read_preprocess(config, "clip", 32, {})


# --- what is wrong is named -------------------------------------------------------------------------------------------


def test_every_expected_shape_is_there(made: dict[str, Path]) -> None:
    for path in made.values():
        checkpoint = read_checkpoint(path)
        assert {name: t.shape for name, t in checkpoint.tensors.items()} == expected_shapes(checkpoint.spec)


def change(made: dict[str, Path], folder: Path, **changes: torch.Tensor | None) -> Path:
    state = load_file(made["open_clip"] / "open_clip_model.safetensors")
    for name, tensor in changes.items():
        state.pop(name, None)
        if tensor is not None:
            state[name] = tensor
    folder.mkdir()
    save_file(state, str(folder / "open_clip_model.safetensors"))
    shutil.copy(made["open_clip"] / "open_clip_config.json", folder)
    return folder


def test_missing_tensors_are_named(made: dict[str, Path], tmp_path: Path) -> None:
    folder = change(made, tmp_path / "m", **{"visual.proj": None, "ln_final.bias": None})
    with pytest.raises(CheckpointError, match=r"lacks 2 of 62 tensors: ln_final\.bias, visual\.proj\."):
        read_checkpoint(folder)


def test_extra_tensors_are_named(made: dict[str, Path], tmp_path: Path) -> None:
    folder = change(made, tmp_path / "m", **{f"adapter.{i}": torch.ones(1) for i in range(6)})
    with pytest.raises(CheckpointError, match=r"has 6 tensors.*adapter\.0, .*adapter\.3 and 2 more"):
        read_checkpoint(folder)


def test_wrong_shapes_are_named(made: dict[str, Path], tmp_path: Path) -> None:
    folder = change(made, tmp_path / "m", **{"visual.proj": torch.ones(48, 128)})
    with pytest.raises(CheckpointError, match=r"visual\.proj: \(48, 128\), expected \(128, 48\)"):
        read_checkpoint(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_numbers_that_are_none_are_found_wherever_they_are(value: float, dtype: Any) -> None:
    for place in (0, 300_000, 600_000):
        tensor = np.zeros(600_001, dtype)
        tensor[place] = value
        with pytest.raises(CheckpointError, match=r"f: NaN or Inf in 1 tensors: visual\.proj"):
            check_finite({"fine": np.ones(3, dtype), "visual.proj": tensor}, "f")
    largest = np.finfo(dtype).max if dtype is not ml_dtypes.bfloat16 else ml_dtypes.finfo(dtype).max
    check_finite({"fine": np.full((3, 4), largest, dtype).T, "empty": np.zeros((0, 2), dtype)}, "f")


def test_a_diverged_model_is_refused(made: dict[str, Path], tmp_path: Path) -> None:
    bad = torch.ones(128, 48)
    bad[3, 3] = torch.nan
    with pytest.raises(CheckpointError, match=r"NaN or Inf in 1 tensors: visual\.proj"):
        read_checkpoint(change(made, tmp_path / "m", **{"visual.proj": bad}))


@pytest.mark.parametrize(
    ("tensor", "architecture"),
    [
        ("text_decoder.text_projection", "CoCa"),
        ("text.transformer.embeddings.word_embeddings.weight", "RoBERTa"),
        ("visual.trunk.stem.0.weight", "ConvNeXt"),
        ("visual.trunk.blocks.0.attn.q_bias", "EVA"),
    ],
)
def test_other_architectures_are_named(made: dict[str, Path], tmp_path: Path, tensor: str, architecture: str) -> None:
    folder = change(made, tmp_path / "m", **{tensor: torch.ones(1)})
    with pytest.raises(CheckpointError, match=rf"{architecture}.*not supported; wordsight reads CLIP"):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_cfg__multimodal_cfg": {"width": 1}}, "CoCa"),
        ({"model_cfg__text_cfg__hf_model_name": "roberta-base"}, "roberta-base"),
        ({"model_cfg__vision_cfg__timm_model_name": "convnext_base"}, "convnext_base"),
        ({"model_cfg__vision_cfg__attentional_pool": True}, "attentional_pool is True"),
        ({"model_cfg__vision_cfg__no_ln_pre": True}, "no_ln_pre is True"),
        ({"model_cfg__text_cfg__pool_type": "first"}, "pool_type is 'first'"),
        ({"model_cfg__text_cfg__layers": 3}, r"lacks 12 of 74 tensors"),
        ({"model_cfg__text_cfg__vocab_size": 1000}, "vocabulary of 1000 tokens"),
        ({"model_cfg__vision_cfg__width": "wide"}, "width is 'wide', expected a positive whole number"),
        ({"model_cfg__vision_cfg__width": 0}, "width is 0, expected a positive whole number"),
        ({"model_cfg__embed_dim": None}, "lacks model_cfg.embed_dim"),
        ({"model_cfg": None}, "has no model_cfg"),
        ({"preprocess_cfg__resize_mode": "longest"}, "resize_mode 'longest'"),
    ],
)
def test_configurations_that_are_not_ours(
    made: dict[str, Path], tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    folder = copied(made["open_clip"], tmp_path / "m")
    edit_json(folder / "open_clip_config.json", **changes)
    with pytest.raises(CheckpointError, match=reason):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_type": "siglip2"}, "'siglip2' .known, but another architecture., expected 'clip' or 'siglip'"),
        ({"model_type": "bert"}, "model_type is 'bert', expected"),
        ({"text_config__hidden_act": "relu"}, "hidden_act is 'relu', which is not supported"),
        ({"vision_config__num_hidden_layers": 3}, "lacks 12 of 74"),
        ({"vision_config__num_attention_heads": 5}, "width 96 does not divide by 5 heads"),
        ({"vision_config__image_size": 64}, "takes 64 px"),
    ],
)
def test_hugging_face_configurations_that_are_not_ours(
    made: dict[str, Path], tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    folder = copied(made["hf_clip"], tmp_path / "m")
    edit_json(folder / "config.json", **changes)
    with pytest.raises(CheckpointError, match=reason):
        read_checkpoint(folder)


def test_merges_of_another_tokenizer_are_refused(made: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(made["hf_clip"], tmp_path / "m")
    (folder / "merges.txt").write_text("#version: 0.2\na b\n")
    with pytest.raises(CheckpointError, match=r"merges\.txt is not CLIP's own"):
        read_checkpoint(folder)


@pytest.mark.slow
def test_a_full_size_model_goes_round_all_layouts(tmp_path: Path) -> None:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    model = CLIPModel(CLIPConfig())  # the defaults are ViT-B/32's sizes
    model.save_pretrained(tmp_path / "hf")
    CLIPImageProcessor().save_pretrained(tmp_path / "hf")
    original = read_checkpoint(tmp_path / "hf")
    assert original.spec.text.pooling == "eos"
    write_checkpoint(original, tmp_path / "b32.pt", "openai")
    write_checkpoint(read_checkpoint(tmp_path / "b32.pt"), tmp_path / "open_clip", "open_clip")
    write_checkpoint(read_checkpoint(tmp_path / "open_clip"), tmp_path / "wordsight", "wordsight")
    write_checkpoint(read_checkpoint(tmp_path / "wordsight"), tmp_path / "again", "hf")
    state = load_file(tmp_path / "again" / "model.safetensors")
    assert set(state) == set(model.state_dict()) - {n for n in model.state_dict() if n.endswith("position_ids")}
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items() if name in state)
