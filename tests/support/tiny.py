"""Tiny random checkpoints in each original layout, each made by the layout's own tools where they exist.

Every maker takes a destination and a seed, writes the checkpoint and returns the destination. Hugging Face folders are
saved by transformers, OpenAI files by `torch.jit.script(...).save`; weights are scaled so that no layer is trivial.
"""

from __future__ import annotations

import json
import warnings
from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn

VOCAB = 49408  # CLIP's bundled merges


def randomise(module: nn.Module, seed: int) -> None:
    """Fill every parameter and running statistic with numbers that make each of them matter."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if not tensor.is_floating_point():
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith("running_var"):
                tensor.copy_(0.5 + noise.abs())
            elif "logit" in name:
                tensor.copy_(torch.full(tensor.shape, -3.0 if "bias" in name else 2.6592))
            elif tensor.ndim == 1 and name.endswith("weight"):
                tensor.copy_(1 + 0.1 * noise)
            elif tensor.ndim <= 1:
                tensor.copy_(0.1 * noise)
            else:
                fan_in = tensor[0].numel() if tensor.ndim > 2 else tensor.shape[-1]
                tensor.copy_(noise * (0.3 if "embedding" in name or "probe" in name else fan_in**-0.5))


def tiny_hf_clip(folder: Path, seed: int = 0, *, act: str = "quick_gelu", eos_token_id: int = 2) -> Path:
    """Save a CLIPModel and its image processor; no tokenizer files, so CLIP's bundled merges serve."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    config = CLIPConfig(
        projection_dim=48,
        text_config={
            "vocab_size": VOCAB, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
            "num_attention_heads": 2, "max_position_embeddings": 77, "hidden_act": act, "projection_dim": 48,
            "bos_token_id": 49406 if eos_token_id != 2 else 0, "eos_token_id": eos_token_id,
        },
        vision_config={
            "image_size": 32, "patch_size": 8, "hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 2,
            "num_attention_heads": 3, "hidden_act": act, "projection_dim": 48,
        },
    )  # fmt: skip
    model = CLIPModel(config).eval()
    randomise(model, seed)
    model.save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return Path(folder)


def tiny_siglip_tokenizer(folder: Path) -> None:
    """Write a small tokenizer.json that ends each text with </s> (id 1), as SigLIP's does."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = [
        "a",
        "photo",
        "of",
        "the",
        "cat",
        "dog",
        "red",
        "green",
        "blue",
        "house",
        "tree",
        "person",
        "car",
        "with",
        "and",
        "in",
        "on",
    ]
    vocab = {token: i for i, token in enumerate(["<pad>", "</s>", "<unk>", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "SiglipTokenizer", "pad_token": "</s>", "eos_token": "</s>",
                    "unk_token": "<unk>", "model_max_length": 16})
    )  # fmt: skip


def tiny_hf_siglip(folder: Path, seed: int = 0) -> Path:
    """Save a SiglipModel (SigLIP 2 of fixed resolution has the same class), its image processor and a tokenizer."""
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel

    config = SiglipConfig(
        text_config={
            "vocab_size": 64, "hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 2,
            "num_attention_heads": 3, "max_position_embeddings": 16, "projection_size": 96,
        },
        vision_config={
            "image_size": 32, "patch_size": 8, "hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 2,
            "num_attention_heads": 3,
        },
    )  # fmt: skip
    model = SiglipModel(config).eval()
    randomise(model, seed)
    model.save_pretrained(folder)
    SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    tiny_siglip_tokenizer(Path(folder))
    return Path(folder)


class _Named(nn.Module):
    """A module with children and parameters under given names, and a forward that TorchScript accepts."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def _named(
    children: dict[str, nn.Module] | None = None, parameters: dict[str, tuple[int, ...]] | None = None
) -> _Named:
    module = _Named()
    for name, shape in (parameters or {}).items():
        module.register_parameter(name, nn.Parameter(torch.empty(shape)))
    for name, child in (children or {}).items():
        module.add_module(name, child)
    return module


def _transformer(width: int, layers: int) -> nn.Module:
    def block() -> nn.Module:
        mlp = nn.Sequential(OrderedDict(c_fc=nn.Linear(width, 4 * width), c_proj=nn.Linear(4 * width, width)))
        attention = nn.MultiheadAttention(width, width // 64)
        return _named({"attn": attention, "ln_1": nn.LayerNorm(width), "mlp": mlp, "ln_2": nn.LayerNorm(width)})

    return _named({"resblocks": nn.Sequential(*[block() for _ in range(layers)])})


def _vit(width: int, patch: int, size: int, layers: int, embed_dim: int) -> nn.Module:
    return _named(
        {
            "conv1": nn.Conv2d(3, width, patch, patch, bias=False),
            "ln_pre": nn.LayerNorm(width),
            "transformer": _transformer(width, layers),
            "ln_post": nn.LayerNorm(width),
        },
        {
            "class_embedding": (width,),
            "positional_embedding": ((size // patch) ** 2 + 1, width),
            "proj": (width, embed_dim),
        },
    )


def _resnet(width: int, layers: tuple[int, ...], size: int, embed_dim: int) -> nn.Module:
    def conv(n_in: int, n_out: int, kernel: int) -> nn.Conv2d:
        return nn.Conv2d(n_in, n_out, kernel, bias=False)

    half = width // 2
    children: dict[str, nn.Module] = {
        "conv1": conv(3, half, 3), "bn1": nn.BatchNorm2d(half),
        "conv2": conv(half, half, 3), "bn2": nn.BatchNorm2d(half),
        "conv3": conv(half, width, 3), "bn3": nn.BatchNorm2d(width),
    }  # fmt: skip
    n_in = width
    for stage, blocks in enumerate(layers):
        planes, made = width * 2**stage, []
        for i in range(blocks):
            block = {
                "conv1": conv(n_in, planes, 1), "bn1": nn.BatchNorm2d(planes),
                "conv2": conv(planes, planes, 3), "bn2": nn.BatchNorm2d(planes),
                "conv3": conv(planes, 4 * planes, 1), "bn3": nn.BatchNorm2d(4 * planes),
            }  # fmt: skip
            if i == 0:
                block["downsample"] = nn.Sequential(
                    OrderedDict([("0", conv(n_in, 4 * planes, 1)), ("1", nn.BatchNorm2d(4 * planes))])
                )
            made.append(_named(block))
            n_in = 4 * planes
        children[f"layer{stage + 1}"] = nn.Sequential(*made)
    features = 32 * width
    pool = {name: nn.Linear(features, features) for name in ("q_proj", "k_proj", "v_proj")}
    children["attnpool"] = _named(
        {**pool, "c_proj": nn.Linear(features, embed_dim)}, {"positional_embedding": ((size // 32) ** 2 + 1, features)}
    )
    return _named(children)


def _openai_model(visual: nn.Module, seed: int, embed_dim: int, context_length: int, size: int) -> nn.Module:
    width = 128
    model = _named(
        {
            "visual": visual,
            "transformer": _transformer(width, 2),
            "token_embedding": nn.Embedding(VOCAB, width),
            "ln_final": nn.LayerNorm(width),
        },
        {"positional_embedding": (context_length, width), "text_projection": (width, embed_dim), "logit_scale": ()},
    )
    randomise(model, seed)
    for name, value in {"input_resolution": size, "context_length": context_length, "vocab_size": VOCAB}.items():
        model.register_buffer(name, torch.tensor(value))
    for name, parameter in model.named_parameters():  # OpenAI's files hold matrices in half precision
        if "ln_" not in name and "bn" not in name and name != "logit_scale" and "embedding" not in name:
            parameter.data = parameter.data.half()
    return model.eval()


def openai_vit(seed: int = 0) -> nn.Module:
    """A module tree with OpenAI's names: ViT of width 128 (2 heads), patch 8 at 32 px, 48 dimensions; text 128."""
    return _openai_model(_vit(128, 8, 32, 2, 48), seed, 48, 77, 32)


def openai_resnet(seed: int = 0) -> nn.Module:
    """A module tree with OpenAI's names: ModifiedResNet of width 8 (4 heads of 64), layers 1, 2, 1, 1 at 64 px."""
    return _openai_model(_resnet(8, (1, 2, 1, 1), 64, 48), seed, 48, 77, 64)


def _save_script(module: nn.Module, file: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript is old, and so are OpenAI's files
        torch.jit.script(module).save(str(file))
    return Path(file)


def tiny_openai_vit(file: Path, seed: int = 0) -> Path:
    """Save a TorchScript archive, OpenAI's `.pt`, of a vision transformer."""
    return _save_script(openai_vit(seed), file)


def tiny_openai_resnet(file: Path, seed: int = 0) -> Path:
    """Save a TorchScript archive, OpenAI's `.pt`, of a ModifiedResNet."""
    return _save_script(openai_resnet(seed), file)


def open_clip_config(*, quick_gelu: bool = False) -> dict[str, object]:
    """The `open_clip_config.json` that goes with `openai_vit`'s shapes."""
    model = {
        "embed_dim": 48,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 128, "patch_size": 8},
        "text_cfg": {"context_length": 77, "vocab_size": VOCAB, "width": 128, "heads": 2, "layers": 2},
    }
    if quick_gelu:
        model["quick_gelu"] = True
    preprocess = {
        "mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711],
        "interpolation": "bicubic", "resize_mode": "shortest",
    }  # fmt: skip
    return {"model_cfg": model, "preprocess_cfg": preprocess}


def open_clip_state(seed: int = 0) -> dict[str, torch.Tensor]:
    """A state dict as open_clip's CLIP has it: OpenAI's names, all in float32."""
    state = openai_vit(seed).state_dict()
    drop = ("input_resolution", "context_length", "vocab_size")
    return {name: tensor.float().contiguous() for name, tensor in state.items() if name not in drop}


def tiny_open_clip(folder: Path, seed: int = 0, *, quick_gelu: bool = False) -> Path:
    """Write an open_clip folder: `open_clip_model.safetensors` with its `open_clip_config.json`."""
    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(open_clip_state(seed), str(folder / "open_clip_model.safetensors"))
    (folder / "open_clip_config.json").write_text(json.dumps(open_clip_config(quick_gelu=quick_gelu)))
    return folder
