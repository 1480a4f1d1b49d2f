"""Random checkpoints of every architecture, made from a spec alone; the same weights inside transformers' models."""

from __future__ import annotations

import numpy as np
import torch

from wordsight.checkpoint import Checkpoint
from wordsight.nn import clip
from wordsight.spec import ModelSpec, PlainResNetTower, Preprocess, ResNetTower, TextTower, TokenizerSpec, VitTower

RESNET = ResNetTower(image_size=64, width=8, layers=(1, 2, 1, 1), heads=4)
BASIC = PlainResNetTower(image_size=65, width=8, layers=(2, 1, 2, 1), block="basic")
BOTTLENECK = PlainResNetTower(image_size=64, width=4, layers=(1, 2, 1, 1), block="bottleneck", projection=False)


def vit(**changes) -> VitTower:
    plain = {"image_size": 32, "patch_size": 8, "width": 96, "layers": 2, "heads": 3, "mlp_width": 160}
    return VitTower(**(plain | {"activation": "quick_gelu", "pooling": "cls"} | changes))


def text(**changes) -> TextTower:
    plain = {"context_length": 12, "vocab_size": 50, "width": 64, "layers": 2, "heads": 2, "mlp_width": 128}
    return TextTower(**(plain | {"activation": "quick_gelu", "causal": True, "pooling": "argmax"} | changes))


def spec_of(image, text: TextTower, *, family: str = "clip", embed_dim: int = 48, eos_id: int = 49) -> ModelSpec:
    tokenizer = TokenizerSpec(
        kind="clip_bpe", context_length=text.context_length, vocab_size=text.vocab_size,
        bos_id=None, eos_id=eos_id, pad_id=0, clean="clip",
    )  # fmt: skip
    siglip = family == "siglip"
    statistics = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)} if siglip else {}
    return ModelSpec(
        name="random", family=family, embed_dim=embed_dim, image=image, text=text, tokenizer=tokenizer,
        preprocess=Preprocess(image_size=image.image_size, **statistics),
        logit_scale=2.6592, logit_bias=-3.0 if siglip else None,
    )  # fmt: skip


CLIP = spec_of(vit(), text())
SIGLIP = spec_of(
    vit(pooling="attention", patch_bias=True, pre_norm=False, activation="gelu_tanh", norm_eps=1e-6),
    text(pooling="last", causal=False, activation="gelu_tanh", projection_bias=True, width=96, heads=3, norm_eps=1e-6),
    family="siglip", embed_dim=96,
)  # fmt: skip
SPECS = {
    "vit": CLIP,
    "vit with exact GELU and the eos rule": spec_of(vit(activation="gelu"), text(activation="gelu", pooling="eos")),
    "vit without pre-norm, with patch bias": spec_of(vit(pre_norm=False, patch_bias=True), text(causal=False)),
    "modified resnet": spec_of(RESNET, text()),
    "resnet of basic blocks": spec_of(BASIC, text()),
    "resnet of bottlenecks without a projection": spec_of(BOTTLENECK, text(), embed_dim=128),
    "siglip": SIGLIP,
}


def random_checkpoint(spec: ModelSpec, seed: int = 0) -> Checkpoint:
    """Return a checkpoint in which every tensor matters: no bias is zero, no gain is one."""
    rng = np.random.default_rng(seed)
    with torch.device("meta"):  # names and shapes only
        shapes = {name: tuple(tensor.shape) for name, tensor in clip.CLIP(spec).state_dict().items()}
    tensors = {"logit_scale": np.float32(spec.logit_scale), "logit_bias": np.float32(spec.logit_bias or 0)}
    for name, shape in shapes.items():
        if name in tensors or name.endswith("num_batches_tracked"):
            continue
        noise = rng.random(shape, dtype=np.float32)  # uniform: four times as fast as normal, which tells at full size
        noise = (noise - np.float32(0.5)) * np.float32(12**0.5)
        if name.endswith("running_var"):
            tensors[name] = 0.5 + np.abs(noise)
        elif len(shape) == 1:
            tensors[name] = (0.1 * noise + name.endswith("weight")).astype(np.float32)
        else:
            fan_in = noise[0].size if noise.ndim > 2 else shape[-1]
            tensors[name] = noise * np.float32(0.3 if "embedding" in name else fan_in**-0.5)
    return Checkpoint(spec=spec, tensors={n: np.asarray(t) for n, t in tensors.items() if n in shapes})


def random_inputs(spec: ModelSpec, n: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (n,S,S,3) and token ids (n,T): texts of several lengths, end token, padding."""
    rng = np.random.default_rng(seed)
    size, length = spec.preprocess.image_size, spec.text.context_length
    pixels_BHWC = rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    tokens_BT = np.full((n, length), spec.tokenizer.pad_id, dtype=np.int32)
    for i in range(n):
        # The end has the highest id, as in CLIP, or one of the lowest, as in SigLIP.
        words = rng.integers(2, spec.tokenizer.eos_id if spec.tokenizer.eos_id > 2 else spec.text.vocab_size, 2 + i)
        tokens_BT[i, : len(words) + 1] = [*words, spec.tokenizer.eos_id]
    return pixels_BHWC, tokens_BT


def unit(x_BD: np.ndarray) -> np.ndarray:
    x_BD = np.asarray(x_BD, dtype=np.float64)
    return x_BD / np.linalg.norm(x_BD, axis=-1, keepdims=True)


# transformers' models with a checkpoint's weights, by a mapping written here and not read from the package.


def _blocks(tensors, ours: str, theirs: str, layers: int):
    for i in range(layers):
        a, b = f"{ours}.resblocks.{i}", f"{theirs}.encoder.layers.{i}"
        yield from _attention(tensors, f"{a}.attn", f"{b}.self_attn")
        pairs = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
        yield from _parts(tensors, {f"{a}.{x}": f"{b}.{y}" for x, y in pairs.items()})


def _attention(tensors, ours: str, theirs: str):
    for kind in ("weight", "bias"):
        stacked = np.split(tensors[f"{ours}.in_proj_{kind}"], 3)
        yield from ((f"{theirs}.{p}_proj.{kind}", part) for p, part in zip("qkv", stacked, strict=True))
    yield from _parts(tensors, {f"{ours}.out_proj": f"{theirs}.out_proj"})


def _parts(tensors, names: dict[str, str]):
    for ours, theirs in names.items():
        for kind in ("weight", "bias"):
            if f"{ours}.{kind}" in tensors:
                yield f"{theirs}.{kind}", tensors[f"{ours}.{kind}"]


def _tower_config(tower) -> dict[str, object]:
    acts = {"quick_gelu": "quick_gelu", "gelu": "gelu", "gelu_tanh": "gelu_pytorch_tanh"}
    return {
        "hidden_size": tower.width, "intermediate_size": tower.mlp_width, "num_hidden_layers": tower.layers,
        "num_attention_heads": tower.heads, "hidden_act": acts[tower.activation], "layer_norm_eps": tower.norm_eps,
    }  # fmt: skip


def in_transformers(checkpoint: Checkpoint) -> torch.nn.Module:
    """Return transformers' CLIPModel or SiglipModel with the checkpoint's weights, in float32."""
    import transformers

    spec, t = checkpoint.spec, checkpoint.tensors
    siglip = spec.family == "siglip"
    text = _tower_config(spec.text) | {
        "vocab_size": spec.text.vocab_size, "max_position_embeddings": spec.text.context_length,
        "eos_token_id": 2 if spec.text.pooling == "argmax" else spec.tokenizer.eos_id,
    }  # fmt: skip
    image = _tower_config(spec.image) | {"image_size": spec.image.image_size, "patch_size": spec.image.patch_size}
    state = {
        "text_model.embeddings.token_embedding.weight": t["token_embedding.weight"],
        "text_model.embeddings.position_embedding.weight": t["positional_embedding"],
        "vision_model.embeddings.position_embedding.weight": t["visual.positional_embedding"],
        "logit_scale": t["logit_scale"].reshape(1 if siglip else ()),
        **dict(_parts(t, {"ln_final": "text_model.final_layer_norm"})),
        **dict(_parts(t, {"visual.conv1": "vision_model.embeddings.patch_embedding"})),
        **dict(_parts(t, {"visual.ln_post": "vision_model.post_layernorm"})),
        **dict(_blocks(t, "transformer", "text_model", spec.text.layers)),
        **dict(_blocks(t, "visual.transformer", "vision_model", spec.image.layers)),
    }
    if siglip:
        config = transformers.SiglipConfig(text_config=text | {"projection_size": spec.embed_dim}, vision_config=image)
        with torch.device("meta"):  # no time spent on initial values
            model = transformers.SiglipModel(config)
        head = "vision_model.head"
        state |= dict(_attention(t, "visual.attn_pool.attn", "packed"))
        for kind in ("weight", "bias"):
            packed = [state.pop(f"packed.{p}_proj.{kind}") for p in "qkv"]
            state[f"{head}.attention.in_proj_{kind}"] = np.concatenate(packed)
            state[f"{head}.attention.out_proj.{kind}"] = state.pop(f"packed.out_proj.{kind}")
        pairs = {"ln": "layernorm", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
        state |= dict(_parts(t, {f"visual.attn_pool.{x}": f"{head}.{y}" for x, y in pairs.items()}))
        state |= {
            f"{head}.probe": t["visual.attn_pool.probe"][None, None],
            "text_model.head.weight": t["text_projection"].T,
            "text_model.head.bias": t["text_projection_bias"],
            "logit_bias": t["logit_bias"].reshape(1),
        }
    else:
        config = transformers.CLIPConfig(text_config=text, vision_config=image, projection_dim=spec.embed_dim)
        with torch.device("meta"):
            model = transformers.CLIPModel(config)
        state |= {
            "text_projection.weight": t["text_projection"].T,
            "visual_projection.weight": t["visual.proj"].T,
            "vision_model.embeddings.class_embedding": t["visual.class_embedding"],
            **dict(_parts(t, {"visual.ln_pre": "vision_model.pre_layrnorm"})),
        }
    state = {name: torch.tensor(array) for name, array in state.items()}
    model.load_state_dict(state, strict=True, assign=True)
    for part in (model.text_model, model.vision_model):
        ids = part.embeddings.position_ids
        part.embeddings.position_ids = torch.arange(ids.shape[-1], device="cpu")[None]
    return model.eval()


@torch.inference_mode()
def transformers_features(model, spec: ModelSpec, pixels_BHWC, tokens_BT) -> tuple[np.ndarray, np.ndarray]:
    """Return image and text features (B,D) in the model's own precision, not normalised."""
    mean, std = (torch.tensor(v, dtype=torch.float64) for v in (spec.preprocess.mean, spec.preprocess.std))
    pixels_BCHW = ((torch.tensor(pixels_BHWC).double() / 255 - mean) / std).permute(0, 3, 1, 2).to(model.dtype)
    image = model.get_image_features(pixel_values=pixels_BCHW).pooler_output
    texts = model.get_text_features(input_ids=torch.tensor(tokens_BT, dtype=torch.long)).pooler_output
    return image.numpy(), texts.numpy()
