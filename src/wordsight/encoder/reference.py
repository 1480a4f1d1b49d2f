"""All of CLIP's inference on one page, in float64 NumPy: the oracle of the other backends, and the copy to read.

Nothing here is shared with the fast paths: pixels, tokens and features are computed a second time, slowly and plainly,
so that `wordsight doctor` and the tests compare two independent answers.
Shape letters: B batch, C H W pixels, P patch, T S sequence, E width, M MLP width, D embed_dim.
Source: Radford et al. 2021, §2.4 (CLIP); Zhai et al. 2023 (SigLIP); Dosovitskiy et al. 2021 (ViT).
"""

from __future__ import annotations

import functools
import gzip
import html
import importlib.metadata
import importlib.resources
import itertools
import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.checkpoint import Checkpoint
from wordsight.spec import (
    Activation,
    EfficientNetTower,
    ModelSpec,
    PlainResNetTower,
    Preprocess,
    ResNetTower,
    TokenizerSpec,
    VitTower,
)
from wordsight.towers import architecture, find

Tensors = Mapping[str, np.ndarray]
Array = NDArray[np.float64]


def encode_images(checkpoint: Checkpoint, pixels_BHWC: np.ndarray) -> Array:
    """Image features (B,D), float64, not normalised, of uint8 pixels (B,S,S,3)."""
    spec = checkpoint.spec
    x_BHWC = (pixels_BHWC.astype(np.float64) / 255 - np.array(spec.preprocess.mean)) / np.array(spec.preprocess.std)
    image_tower = find(architecture(spec).reference)
    features_BD: Array = image_tower(spec.image, checkpoint.tensors, x_BHWC.transpose(0, 3, 1, 2))
    return features_BD


def encode_texts(checkpoint: Checkpoint, tokens_BT: np.ndarray) -> Array:
    """Text features (B,D), float64, not normalised, of token ids (B,T)."""
    spec, tensors = checkpoint.spec, checkpoint.tensors
    tower = spec.text
    x_BTE = _float64(tensors["token_embedding.weight"][tokens_BT]) + _float64(tensors["positional_embedding"])
    x_BTE = transformer(x_BTE, tensors, "transformer", tower, causal=tower.causal)
    x_BTE = layer_norm(x_BTE, tensors, "ln_final", tower.norm_eps)
    x_BE = x_BTE[np.arange(len(tokens_BT)), text_positions(spec, tokens_BT)]
    x_BD: Array = x_BE @ _float64(tensors["text_projection"])
    if tower.projection_bias:
        x_BD = x_BD + _float64(tensors["text_projection_bias"])
    return x_BD


def text_positions(spec: ModelSpec, tokens_BT: np.ndarray) -> NDArray[np.intp]:
    """For each text the position (B,) whose vector stands for it."""
    if spec.text.pooling == "last":
        return np.full(len(tokens_BT), tokens_BT.shape[1] - 1)
    # "argmax": OpenAI's end-of-text token has the highest id. "eos": the first one, as padding may repeat it.
    marks_BT = tokens_BT if spec.text.pooling == "argmax" else tokens_BT == spec.tokenizer.eos_id
    return np.array([marks_T.argmax() for marks_T in marks_BT], dtype=np.intp)


# Image towers: (tower, tensors, normalised pixels (B,3,H,W)) → features (B,D).


def vit(tower: VitTower, tensors: Tensors, x_BCHW: Array) -> Array:
    """Vision transformer: patches to tokens, blocks, then the class token's projection or SigLIP's attention pool."""
    patches_BEHW = convolve(x_BCHW, _float64(tensors["visual.conv1.weight"]), stride=tower.patch_size)
    x_BTE = patches_BEHW.reshape(*patches_BEHW.shape[:2], -1).transpose(0, 2, 1)
    if tower.patch_bias:
        x_BTE = x_BTE + _float64(tensors["visual.conv1.bias"])
    if tower.pooling == "cls":
        class_token = _float64(tensors["visual.class_embedding"])
        x_BTE = np.concatenate([np.broadcast_to(class_token, (len(x_BTE), 1, tower.width)), x_BTE], axis=1)
    x_BTE = x_BTE + _float64(tensors["visual.positional_embedding"])
    if tower.pre_norm:
        x_BTE = layer_norm(x_BTE, tensors, "visual.ln_pre", tower.norm_eps)
    x_BTE = transformer(x_BTE, tensors, "visual.transformer", tower)
    x_BTE = layer_norm(x_BTE, tensors, "visual.ln_post", tower.norm_eps)
    if tower.pooling == "attention":
        return siglip_pool(tower, tensors, x_BTE)
    return x_BTE[:, 0] @ _float64(tensors["visual.proj"])


def siglip_pool(tower: VitTower, tensors: Tensors, x_BTE: Array) -> Array:
    """SigLIP's pooling head: one learned probe attends to all tokens; then a residual MLP (Zhai et al. 2022)."""
    probe_B1E = np.broadcast_to(_float64(tensors["visual.attn_pool.probe"]), (len(x_BTE), 1, tower.width))
    x_B1E = attention(probe_B1E, x_BTE, tensors, "visual.attn_pool.attn", tower.heads)
    normed_B1E = layer_norm(x_B1E, tensors, "visual.attn_pool.ln", tower.norm_eps)
    return (x_B1E + mlp(normed_B1E, tensors, "visual.attn_pool.mlp", tower.activation))[:, 0]


def modified_resnet(tower: ResNetTower, tensors: Tensors, x_BCHW: Array) -> Array:
    """OpenAI's ResNet: three-convolution stem, average pooling before each stride, attention pool at the end."""
    x_BCHW = relu(batch_norm(_conv(x_BCHW, tensors, "visual.conv1", stride=2), tensors, "visual.bn1"))
    x_BCHW = relu(batch_norm(_conv(x_BCHW, tensors, "visual.conv2"), tensors, "visual.bn2"))
    x_BCHW = relu(batch_norm(_conv(x_BCHW, tensors, "visual.conv3"), tensors, "visual.bn3"))
    x_BCHW = average_pool(x_BCHW, 2)
    for stage, blocks in enumerate(tower.layers, start=1):
        for block, stride in enumerate((min(stage, 2), *[1] * (blocks - 1))):
            x_BCHW = bottleneck(x_BCHW, tensors, f"visual.layer{stage}.{block}", stride)

    x_BTE = x_BCHW.reshape(*x_BCHW.shape[:2], -1).transpose(0, 2, 1)
    x_BTE = np.concatenate([x_BTE.mean(axis=1, keepdims=True), x_BTE], axis=1)
    x_BTE = x_BTE + _float64(tensors["visual.attnpool.positional_embedding"])
    query_B1E = linear(x_BTE[:, :1], tensors, "visual.attnpool.q_proj")
    key_BTE, value_BTE = (linear(x_BTE, tensors, f"visual.attnpool.{kind}_proj") for kind in "kv")
    pooled_B1E = attend(query_B1E, key_BTE, value_BTE, tower.heads)
    return linear(pooled_B1E, tensors, "visual.attnpool.c_proj")[:, 0]


def bottleneck(x_BCHW: Array, tensors: Tensors, name: str, stride: int) -> Array:
    """Residual block 1×1, 3×3, 1×1; a stride is an average pool, on the shortcut too (He et al. 2016; CLIP §2.4)."""
    shortcut = x_BCHW
    if f"{name}.downsample.0.weight" in tensors:
        shortcut = _conv(average_pool(x_BCHW, stride), tensors, f"{name}.downsample.0")
        shortcut = batch_norm(shortcut, tensors, f"{name}.downsample.1")
    x_BCHW = relu(batch_norm(_conv(x_BCHW, tensors, f"{name}.conv1"), tensors, f"{name}.bn1"))
    x_BCHW = relu(batch_norm(_conv(x_BCHW, tensors, f"{name}.conv2"), tensors, f"{name}.bn2"))
    x_BCHW = batch_norm(_conv(average_pool(x_BCHW, stride), tensors, f"{name}.conv3"), tensors, f"{name}.bn3")
    return relu(x_BCHW + shortcut)


def plain_resnet(tower: PlainResNetTower, tensors: Tensors, x_BCHW: Array) -> Array:
    """Residual network: 7×7 stem, max pooling, four stages, the mean of the last map (He et al. 2016)."""
    x_BCHW = relu(batch_norm(_conv(x_BCHW, tensors, "visual.conv1", stride=2), tensors, "visual.bn1"))
    x_BCHW = max_pool(x_BCHW)
    for stage, blocks in enumerate(tower.layers, start=1):
        for block, stride in enumerate((min(stage, 2), *[1] * (blocks - 1))):
            name = f"visual.layer{stage}.{block}"
            strides = {"basic": [stride, 1], "bottleneck": [1, stride, 1]}[tower.block]
            shortcut = x_BCHW
            if f"{name}.downsample.0.weight" in tensors:
                shortcut = _conv(x_BCHW, tensors, f"{name}.downsample.0", stride)
                shortcut = batch_norm(shortcut, tensors, f"{name}.downsample.1")
            for i, step in enumerate(strides, start=1):
                x_BCHW = batch_norm(_conv(x_BCHW, tensors, f"{name}.conv{i}", step), tensors, f"{name}.bn{i}")
                if i == len(strides):
                    x_BCHW = x_BCHW + shortcut
                x_BCHW = relu(x_BCHW)
    mean_BE: Array = x_BCHW.mean(axis=(2, 3))
    if tower.projection:
        mean_BE = mean_BE @ _float64(tensors["visual.proj"])
    return mean_BE


def efficientnet_lite(tower: EfficientNetTower, tensors: Tensors, x_BCHW: Array) -> Array:
    """EfficientNet-Lite trunk, batch norms folded; then the bundled model's head (Tan & Le 2019; Zhai et al. 2022).

    The head: standardised pooled features of several depths → linear → residual MLPs → projection; plus one learned
    vector per trunk class, weighted by the trunk's posterior.
    """
    x_BCHW = relu6(same_convolution(x_BCHW, tensors, "visual.stem", stride=2))
    maps, index = [], 0
    for ratio, _, stride, _, repeats in tower.stages:
        for repeat in range(repeats):
            name, incoming = f"visual.blocks.{index}", x_BCHW
            if ratio != 1:
                x_BCHW = relu6(same_convolution(x_BCHW, tensors, f"{name}.expand"))
            x_BCHW = relu6(same_depthwise(x_BCHW, tensors, f"{name}.depthwise", stride if repeat == 0 else 1))
            x_BCHW = same_convolution(x_BCHW, tensors, f"{name}.project")
            if incoming.shape == x_BCHW.shape and (repeat > 0 or stride == 1):
                x_BCHW = x_BCHW + incoming
            maps.append(x_BCHW)
            index += 1
    last_BC = relu6(same_convolution(x_BCHW, tensors, "visual.head")).mean(axis=(2, 3))
    means = [maps[i].mean(axis=(2, 3)) for i in tower.tap_means]
    spreads = [maps[i].std(axis=(2, 3)) for i in tower.tap_spreads]
    pooled_BF = np.concatenate([last_BC, *means, *spreads], axis=1)
    pooled_BF = (pooled_BF - _float64(tensors["visual.standardise.mean"])) * _float64(
        tensors["visual.standardise.scale"]
    )
    h_BE = linear(pooled_BF, tensors, "visual.input")
    for i in range(tower.head_layers):
        h_BE = h_BE + mlp(h_BE, tensors, f"visual.mlp.{i}", "gelu")
    logits_BK = linear(last_BC, tensors, "visual.classifier")
    posterior_BK = np.exp(logits_BK - logits_BK.max(axis=1, keepdims=True))
    posterior_BK /= posterior_BK.sum(axis=1, keepdims=True)
    features_BD: Array = h_BE @ _float64(tensors["visual.proj"]) + posterior_BK @ _float64(
        tensors["visual.class_vectors"]
    )
    return features_BD


# Layers.


def transformer(x_BTE: Array, tensors: Tensors, name: str, tower: Any, causal: bool = False) -> Array:
    """Pre-norm residual blocks: x + attention(norm(x)), then x + mlp(norm(x))."""
    for i in range(tower.layers):
        block = f"{name}.resblocks.{i}"
        normed = layer_norm(x_BTE, tensors, f"{block}.ln_1", tower.norm_eps)
        x_BTE = x_BTE + attention(normed, normed, tensors, f"{block}.attn", tower.heads, causal)
        normed = layer_norm(x_BTE, tensors, f"{block}.ln_2", tower.norm_eps)
        x_BTE = x_BTE + mlp(normed, tensors, f"{block}.mlp", tower.activation)
    return x_BTE


def attention(to_BTE: Array, of_BSE: Array, tensors: Tensors, name: str, heads: int, causal: bool = False) -> Array:
    """Multi-head attention of positions T to positions S, with query, key and value weights stacked in that order."""
    wq, wk, wv = np.split(_float64(tensors[f"{name}.in_proj_weight"]), 3)
    bq, bk, bv = np.split(_float64(tensors[f"{name}.in_proj_bias"]), 3)
    x_BTE = attend(to_BTE @ wq.T + bq, of_BSE @ wk.T + bk, of_BSE @ wv.T + bv, heads, causal)
    return linear(x_BTE, tensors, f"{name}.out_proj")


def attend(q_BTE: Array, k_BSE: Array, v_BSE: Array, heads: int, causal: bool = False) -> Array:
    """softmax(q·kᵀ / √head width)·v for each head; causal: a position sees itself and what is before it."""
    q_BhTe, k_BhSe, v_BhSe = (
        x.reshape(*x.shape[:2], heads, x.shape[2] // heads).transpose(0, 2, 1, 3) for x in (q_BTE, k_BSE, v_BSE)
    )
    scores_BhTS = q_BhTe @ k_BhSe.swapaxes(2, 3) / math.sqrt(q_BhTe.shape[-1])
    if causal:
        scores_BhTS = np.where(np.tri(*scores_BhTS.shape[2:]) == 1, scores_BhTS, -np.inf)
    weights_BhTS = np.exp(scores_BhTS - scores_BhTS.max(axis=-1, keepdims=True))
    weights_BhTS /= weights_BhTS.sum(axis=-1, keepdims=True)
    x_BTE: Array = (weights_BhTS @ v_BhSe).transpose(0, 2, 1, 3).reshape(q_BTE.shape)
    return x_BTE


def mlp(x: Array, tensors: Tensors, name: str, activation: Activation) -> Array:
    """Widen, activate, narrow."""
    return linear(ACTIVATIONS[activation](linear(x, tensors, f"{name}.c_fc")), tensors, f"{name}.c_proj")


def linear(x: Array, tensors: Tensors, name: str) -> Array:
    """x·Wᵀ + b."""
    return x @ _float64(tensors[f"{name}.weight"]).T + _float64(tensors[f"{name}.bias"])


def layer_norm(x: Array, tensors: Tensors, name: str, eps: float) -> Array:
    """Zero mean and unit variance along the last axis, then gain and bias (Ba et al. 2016)."""
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled: Array = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)
    return scaled * _float64(tensors[f"{name}.weight"]) + _float64(tensors[f"{name}.bias"])


def batch_norm(x_BCHW: Array, tensors: Tensors, name: str, eps: float = 1e-5) -> Array:
    """Batch norm with its running statistics, as at inference (Ioffe & Szegedy 2015)."""
    mean, variance, gain, bias = (
        _float64(tensors[f"{name}.{part}"])[:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x_BCHW - mean) / np.sqrt(variance + eps) * gain + bias


def convolve(x_BCHW: Array, weight_OCkk: Array, stride: int = 1, padding: int = 0) -> Array:
    """2-D convolution (cross-correlation) without bias: every window against every filter."""
    kernel = weight_OCkk.shape[-1]
    padded = np.pad(x_BCHW, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows_BCHWkk = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(2, 3))
    strided = windows_BCHWkk[:, :, ::stride, ::stride]
    return np.moveaxis(np.tensordot(strided, weight_OCkk, axes=([1, 4, 5], [1, 2, 3])), -1, 1)


def same_convolution(x_BCHW: Array, tensors: Tensors, name: str, stride: int = 1) -> Array:
    """Convolution with bias and TensorFlow's "SAME" padding: as many outputs as strides, an odd pixel at the end."""
    weight = _float64(tensors[f"{name}.weight"])
    padded = pad_same(x_BCHW, weight.shape[-1], stride)
    return convolve(padded, weight, stride) + _float64(tensors[f"{name}.bias"])[:, None, None]


def same_depthwise(x_BCHW: Array, tensors: Tensors, name: str, stride: int) -> Array:
    """Each channel with its own filter, of weight (C,1,k,k); "SAME" padding."""
    weight = _float64(tensors[f"{name}.weight"])
    kernel = weight.shape[-1]
    padded = pad_same(x_BCHW, kernel, stride)
    windows_BCHWkk = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(2, 3))
    filtered: Array = np.einsum("bchwij,cij->bchw", windows_BCHWkk[:, :, ::stride, ::stride], weight[:, 0])
    return filtered + _float64(tensors[f"{name}.bias"])[:, None, None]


def pad_same(x_BCHW: Array, kernel: int, stride: int) -> Array:
    """Zeros around so that the output has ⌈size / stride⌉ rows and columns."""
    pads = [(0, 0), (0, 0)]
    for length in x_BCHW.shape[2:]:
        total = max((math.ceil(length / stride) - 1) * stride + kernel - length, 0)
        pads.append((total // 2, total - total // 2))
    return np.pad(x_BCHW, pads)


def average_pool(x_BCHW: Array, size: int) -> Array:
    """Mean of size×size squares."""
    B, C, H, W = x_BCHW.shape
    whole: Array = x_BCHW[:, :, : H // size * size, : W // size * size]
    squares = whole.reshape(B, C, H // size, size, W // size, size)
    return np.asarray(squares.mean(axis=(3, 5)))


def max_pool(x_BCHW: Array) -> Array:
    """The largest of each 3×3 window, every second one; what lies beyond the edge is never the largest."""
    padded = np.pad(x_BCHW, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return np.asarray(windows[:, :, ::2, ::2].max(axis=(4, 5)))


def relu(x: Array) -> Array:
    """max(x, 0)."""
    return np.maximum(x, 0)


def relu6(x: Array) -> Array:
    """min(max(x, 0), 6)."""
    return np.clip(x, 0, 6)


def gelu(x: Array) -> Array:
    """x·Φ(x), Φ the normal distribution function (Hendrycks & Gimpel 2016), by the C library's erf, one by one."""
    erf: Array = np.vectorize(math.erf, otypes=[np.float64])(x / math.sqrt(2))
    return 0.5 * x * (1 + erf)


ACTIVATIONS: dict[Activation, Callable[[Array], Array]] = {
    "quick_gelu": lambda x: x / (1 + np.exp(-1.702 * x)),
    "gelu": gelu,
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
}


def _float64(tensor: np.ndarray) -> Array:
    return np.asarray(tensor, dtype=np.float64)


def _conv(x_BCHW: Array, tensors: Tensors, name: str, stride: int = 1) -> Array:
    weight = _float64(tensors[f"{name}.weight"])
    return convolve(x_BCHW, weight, stride, padding=weight.shape[-1] // 2)


# Pixels.


def preprocess(rgb_HWC: np.ndarray, spec: Preprocess) -> np.ndarray:
    """Return uint8 pixels (S,S,3) of an RGB image (H,W,3): resized, then cropped with torchvision's rounding."""
    size, (H, W) = spec.image_size, rgb_HWC.shape[:2]
    if spec.resize == "squash":
        return resize(rgb_HWC, size, size, spec.interpolation)
    height, width = (size, int(size * W / H)) if H <= W else (int(size * H / W), size)
    top, left = int(round((height - size) / 2.0)), int(round((width - size) / 2.0))  # noqa: RUF046 (as torchvision)
    return resize(rgb_HWC, height, width, spec.interpolation)[top : top + size, left : left + size]


def resize(rgb_HWC: np.ndarray, height: int, width: int, interpolation: str) -> np.ndarray:
    """Image at another size exactly as the installed Pillow does: one axis, to uint8, then the other."""
    lost_height, lost_width = rgb_HWC.shape[0] - height, rgb_HWC.shape[1] - width
    # Pillow 13 turned the order round for images that lose more than twice as many rows as columns.
    rows_first = _pillow_major() >= 13 and lost_height > max(0, 2 * lost_width)
    for axis in (0, 1) if rows_first else (1, 0):
        wanted = (height, width)[axis]
        if wanted != rgb_HWC.shape[axis]:
            rgb_HWC = _resize_axis_0(rgb_HWC.swapaxes(0, axis), wanted, interpolation).swapaxes(0, axis)
    return rgb_HWC


@functools.cache
def _pillow_major() -> int:
    return int(importlib.metadata.version("pillow").split(".")[0])


def resampling_weights(length: int, wanted: int, interpolation: str) -> Iterator[tuple[int, list[float]]]:
    """Yield for each wanted pixel the first source pixel it reads, and its weights, which sum to 1.

    Source: Pillow's convolution-based resampling; the filter widens when shrinking (antialias).
    """
    support, kernel = {"bicubic": (2.0, _bicubic), "bilinear": (1.0, _bilinear)}[interpolation]
    scale = length / wanted
    stretch = max(scale, 1.0)
    for i in range(wanted):
        centre = (i + 0.5) * scale
        first = max(int(centre - support * stretch + 0.5), 0)
        last = min(int(centre + support * stretch + 0.5), length)
        weights = [kernel((x - centre + 0.5) * (1.0 / stretch)) for x in range(first, last)]
        total = 0.0
        for weight in weights:  # in order, as Pillow adds them: `sum` compensates, and the last bit may differ
            total += weight
        yield first, [weight / total for weight in weights]


def _resize_axis_0(pixels: np.ndarray, wanted: int, interpolation: str) -> np.ndarray:
    """Resample axis 0 in Pillow's fixed point: weights of 22 bits, sums rounded and clipped to uint8."""
    out = np.empty((wanted, *pixels.shape[1:]), dtype=np.uint8)
    for i, (first, weights) in enumerate(resampling_weights(len(pixels), wanted, interpolation)):
        fixed = np.array([int(math.copysign(0.5, w) + w * (1 << 22)) for w in weights], dtype=np.int64)
        total = np.tensordot(fixed, pixels[first : first + len(fixed)].astype(np.int64), axes=1) + (1 << 21)
        out[i] = np.clip(total >> 22, 0, 255)
    return out


def _bicubic(x: float) -> float:
    """Keys' cubic convolution kernel (Keys 1981)."""
    a = -0.5  # as in Pillow
    x = abs(x)
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    if x < 2:
        return (((x - 5) * x + 8) * x - 4) * a
    return 0.0


def _bilinear(x: float) -> float:
    return max(1.0 - abs(x), 0.0)


# Tokens.


class ReferenceTokenizer:
    """CLIP's byte-pair encoding (Sennrich et al. 2016; Radford et al. 2021), the slow way."""

    def __init__(self, spec: TokenizerSpec) -> None:
        self.spec = spec
        packed = importlib.resources.files("wordsight").joinpath("data/bpe_simple_vocab_16e6.txt.gz").read_bytes()
        # The first line is a header; the vocabulary of 49,408 has room for this many merges of the file's 262,144.
        lines = gzip.decompress(packed).decode().split("\n")[1 : 49408 - 2 * 256 - 2 + 1]
        merges = [tuple(line.split()) for line in lines]
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        letters = byte_letters()
        symbols = [*letters.values(), *(letter + "</w>" for letter in letters.values()), *map("".join, merges)]
        self.ids = {symbol: i for i, symbol in enumerate([*symbols, "<|startoftext|>", "<|endoftext|>"])}

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Token ids (B,T) int32: start, the text's tokens as far as they fit, end, padding."""
        start, end, length = self.ids["<|startoftext|>"], self.ids["<|endoftext|>"], self.spec.context_length
        ids_BT = np.full((len(texts), length), self.spec.pad_id, dtype=np.int32)
        for row, text in zip(ids_BT, texts, strict=True):
            ids = [start, *(i for word in clip_words(text) for i in self._word_ids(word))][: length - 1]
            row[: len(ids) + 1] = [*ids, end]
        return ids_BT

    def _word_ids(self, word: str) -> list[int]:
        """Join the word's letters pair by pair, the pair with the lowest rank first, everywhere it occurs."""
        if word in ("<|startoftext|>", "<|endoftext|>"):
            return [self.ids[word]]
        letters = byte_letters()
        parts = [letters[byte] for byte in word.encode()]
        parts[-1] += "</w>"
        while True:
            known = [pair for pair in itertools.pairwise(parts) if pair in self.ranks]
            if not known:
                return [self.ids[part] for part in parts]
            best, joined = min(known, key=self.ranks.__getitem__), list[str]()
            for part in parts:
                # A joined pair is taken: "aaa" with the pair (a, a) gives "aa", "a".
                if joined and (joined[-1], part) == best:
                    joined[-1] += part
                else:
                    joined.append(part)
            parts = joined


def clip_words(text: str) -> Iterator[str]:
    """Yield the pieces that CLIP encodes apart: contractions, runs of letters, single digits, runs of other signs."""
    text = unicodedata.normalize("NFC", html.unescape(html.unescape(text)))
    text = " ".join(text.split()).lower()
    i = 0
    while i < len(text):
        start = i
        for fixed in ("<|startoftext|>", "<|endoftext|>", "'s", "'t", "'re", "'ve", "'m", "'ll", "'d"):
            if text.startswith(fixed, i):
                i += len(fixed)
                break
        else:
            kind = _kind(text[i])
            i += 1
            while kind in "L*" and i < len(text) and _kind(text[i]) == kind:
                i += 1
            if kind == " ":
                continue
        yield text[start:i]


def byte_letters() -> dict[int, str]:
    """Printable letter that stands for each byte: itself where printable, else one from U+0100 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(others)}


def _kind(letter: str) -> str:
    """Kind of a letter: "L" for letters, "N" for numbers, " " for white space, "*" for all else."""
    if letter.isspace():
        return " "
    return {"L": "L", "N": "N"}.get(unicodedata.category(letter)[0], "*")


class ReferenceEncoder:
    """The reference behind the interface of every backend: slow; features rounded to float32."""

    backend = "reference"
    precision = "f64"

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint

    def encode_images(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Image features (B,D), float32, not normalised, of uint8 pixels (B,S,S,3)."""
        return encode_images(self.checkpoint, pixels_BHWC).astype(np.float32)

    def encode_texts(self, tokens_BT: np.ndarray) -> np.ndarray:
        """Text features (B,D), float32, not normalised, of token ids (B,T)."""
        return encode_texts(self.checkpoint, tokens_BT).astype(np.float32)
