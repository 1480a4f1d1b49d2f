"""Checkpoints as people have them: with training's prefixes, with an adapter beside them, in sentence-transformers."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel

from wordsight.errors import CheckpointError
from wordsight.weights import file_names, hub
from wordsight.weights.layouts import hf_tokenizer
from wordsight.weights.layouts.prefixes import remove_prefixes
from wordsight.weights.read import read_checkpoint

SIDE = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A folder of a small CLIP, randomly initialised, in Hugging Face's layout."""
    folder = tmp_path_factory.mktemp("hf") / "base"
    torch.manual_seed(1)
    config = CLIPConfig(text_config=SIDE, vision_config={**SIDE, "image_size": 32, "patch_size": 16}, projection_dim=32)
    CLIPModel(config).save_pretrained(folder)
    for name, content in hf_tokenizer.clip_files().items():
        (folder / name).write_bytes(content)
    return folder


def copy_of(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


# Prefixes


@pytest.mark.parametrize(
    "prefix",
    ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.", "net.clip.", "_fsdp_wrapped_module."],
)
@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_a_prefix_that_all_names_share_goes_off(base, tmp_path, prefix, file):
    folder = copy_of(base, tmp_path / "prefixed")
    state = {prefix + name: tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    (folder / "model.safetensors").unlink()
    if file.endswith("safetensors"):
        save_file(state, folder / file, metadata={"format": "pt"})
    else:
        torch.save({"epoch": 3, "state_dict": state}, folder / file)
    assert read_checkpoint(folder).fingerprint == read_checkpoint(base).fingerprint


def test_wrappers_within_names_go_off_and_a_lone_tower_keeps_its_name():
    one = np.zeros(1)
    wrapped = ["visual._orig_mod.proj", "transformer._checkpoint_wrapped_module.ln.weight", "logit_scale"]
    assert list(remove_prefixes(dict.fromkeys(wrapped, one))) == [
        "visual.proj",
        "transformer.ln.weight",
        "logit_scale",
    ]
    tower = ["text_model.a", "text_model.b"]
    assert list(remove_prefixes(dict.fromkeys(tower, one))) == tower


def test_deepspeed_keeps_its_model_under_module(base, tmp_path):
    folder = copy_of(base, tmp_path / "deepspeed")
    torch.save({"module": load_file(folder / "model.safetensors")}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert read_checkpoint(folder).fingerprint == read_checkpoint(base).fingerprint


def test_a_prefix_that_only_some_names_have_is_named(base, tmp_path):
    folder = copy_of(base, tmp_path / "mixed")
    state = {f"model.{name}": tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file({**state, "criterion.weight": torch.ones(2)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"begin with 'model\.' .+ others with 'criterion': save the state dict"):
        read_checkpoint(folder)


# Adapters


def adapted(base: Path, folder: Path, **config) -> Path:
    """Write a LoRA adapter of the base, randomly initialised, into a folder."""
    settings = {"r": 4, "target_modules": ["q_proj", "v_proj"], "init_lora_weights": False} | config
    torch.manual_seed(2)
    get_peft_model(CLIPModel.from_pretrained(base), LoraConfig(**settings)).save_pretrained(folder)
    return folder


def beside(base: Path, adapter: Path, to: Path) -> Path:
    """Return a folder with the model and the adapter in it."""
    copy_of(base, to)
    for name in (file_names.ADAPTER_CONFIG, "adapter_model.safetensors"):
        shutil.copy(adapter / name, to)
    return to


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"lora_alpha": 32, "use_rslora": True},
        {"alpha_pattern": {"v_proj": 2}, "rank_pattern": {"layers.1.self_attn.q_proj": 2}},
        {"target_modules": ["patch_embedding", "token_embedding", "fc1"]},
        {"bias": "all", "modules_to_save": ["visual_projection"]},
    ],
    ids=["plain", "rslora", "patterns", "other layers", "whole layers"],
)
def test_an_adapter_beside_a_model_is_folded_in_as_peft_merges_it(base, tmp_path, config):
    adapter = adapted(base, tmp_path / "adapter", **config)
    merged = copy_of(base, tmp_path / "merged")
    PeftModel.from_pretrained(CLIPModel.from_pretrained(base), adapter).merge_and_unload().save_pretrained(merged)
    ours, theirs = read_checkpoint(beside(base, adapter, tmp_path / "both")), read_checkpoint(merged)
    assert ours.tensors.keys() == theirs.tensors.keys()
    for name, tensor in theirs.tensors.items():
        assert np.allclose(ours.tensors[name], tensor, atol=1e-5), name
    assert ours.fingerprint != read_checkpoint(base).fingerprint
    assert ours.spec.provenance["adapter"].startswith("adapter_config.json: a LoRA adapter, folded into")


def test_an_adapter_alone_finds_its_model_where_that_is_a_folder(base, tmp_path, monkeypatch):
    adapter = adapted(base, tmp_path / "adapter")
    both = read_checkpoint(beside(base, adapter, tmp_path / "both"))
    assert read_checkpoint(adapter).fingerprint == both.fingerprint
    assert read_checkpoint(adapter / "adapter_model.safetensors").fingerprint == both.fingerprint
    monkeypatch.chdir(base.parent)
    rewrite(adapter, base_model_name_or_path="base")  # seen from where training ran
    assert read_checkpoint(adapter).fingerprint == both.fingerprint


def rewrite(folder: Path, **values) -> None:
    config = json.loads((folder / file_names.ADAPTER_CONFIG).read_text())
    (folder / file_names.ADAPTER_CONFIG).write_text(json.dumps({**config, **values}))


@pytest.mark.parametrize("named", ["openai/clip-vit-base-patch32", None])
def test_an_adapter_whose_model_is_not_here_says_what_to_do(base, tmp_path, named):
    adapter = adapted(base, tmp_path / "adapter")
    rewrite(adapter, base_model_name_or_path=named)
    with pytest.raises(CheckpointError, match=r"LoRA adapter without its model.+merge_and_unload\(\)"):
        read_checkpoint(adapter)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"peft_type": "IA3"}, "peft_type is 'IA3', expected 'LORA'"),
        ({"use_dora": True}, "use_dora is True, and only plain LoRA"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights is 'pissa', which changed the model's weights too"),
        ({"alpha_pattern": {"(a+)+": 2}}, r"alpha_pattern has the expression '\(a\+\)\+'"),
        ({"lora_alpha": "much"}, "lora_alpha is 'much', expected a number"),
    ],
)
def test_an_adapter_that_is_not_plain_lora_is_refused_by_name(base, tmp_path, values, message):
    both = beside(base, adapted(base, tmp_path / "adapter"), tmp_path / "both")
    rewrite(both, **values)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(both)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: {**state, "x.lora_magnitude_vector": torch.ones(2)}, "x.lora_magnitude_vector is neither half"),
        (
            lambda state: {k: v for k, v in state.items() if "layers.0.self_attn.q_proj.lora_A" not in k},
            "half is missing",
        ),
        (lambda state: {k.replace("text_model", "word_model"): v for k, v in state.items()}, "does not have"),
        (lambda state: {k: v[:, :8].clone() if "lora_A" in k else v for k, v in state.items()}, "another model"),
    ],
    ids=["unknown tensor", "half a pair", "other names", "other width"],
)
def test_an_adapter_of_another_model_is_refused(base, tmp_path, change, message):
    both = beside(base, adapted(base, tmp_path / "adapter"), tmp_path / "both")
    file = both / "adapter_model.safetensors"
    save_file(change(load_file(file)), file)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(both)


def test_an_adapter_without_its_weights_is_not_passed_over(base, tmp_path):
    both = beside(base, adapted(base, tmp_path / "adapter"), tmp_path / "both")
    (both / "adapter_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"has adapter_config\.json but none of adapter_model"):
        read_checkpoint(both)


# Sentence-transformers

CLIP = {"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}


def nested(base: Path, folder: Path, *modules: dict) -> Path:
    copy_of(base, folder / "0_CLIPModel")
    (folder / "modules.json").write_text(json.dumps([CLIP, *modules]))
    return folder


def test_modules_json_is_followed_to_the_clip(base, tmp_path):
    normal = {"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"}
    assert read_checkpoint(nested(base, tmp_path / "st", normal)).fingerprint == read_checkpoint(base).fingerprint


def test_modules_that_change_the_embeddings_are_refused(base, tmp_path):
    dense = {"idx": 1, "name": "1", "path": "1_Dense", "type": "sentence_transformers.models.Dense"}
    with pytest.raises(CheckpointError, match=r"has Dense \(1_Dense\), expected one CLIPModel"):
        read_checkpoint(nested(base, tmp_path / "st", dense))


@pytest.mark.parametrize("content", ["[", "{}", '["x"]', json.dumps([{**CLIP, "path": "../base"}])])
def test_modules_json_that_is_damaged_or_leads_outside(base, tmp_path, content):
    folder = nested(base, tmp_path / "st")
    (folder / "modules.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"modules\.json"):
        read_checkpoint(folder)


def test_a_folder_that_holds_a_checkpoint_folder_names_it(base, tmp_path):
    copy_of(base, tmp_path / "run" / "best")
    with pytest.raises(CheckpointError, match=r"A checkpoint lies in best: name .+run/best"):
        read_checkpoint(tmp_path / "run")


def test_the_hub_is_asked_for_the_subfolder_and_for_an_adapter():
    inside = ["0_CLIPModel/config.json", "0_CLIPModel/model.safetensors", "0_CLIPModel/pytorch_model.bin"]
    assert hub.choose_files(["README.md", "modules.json", *inside]) == ["modules.json", *inside[:2]]
    files = [
        "config.json",
        "model.safetensors",
        "adapter_config.json",
        "adapter_model.safetensors",
        "training_args.bin",
    ]
    assert set(hub.choose_files(files)) == set(files[:4])
    assert hub.choose_files(files[2:]) == files[2:4]
