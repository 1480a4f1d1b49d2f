"""Vision transformers as OpenVINO graphs: CLIP's with a class token, SigLIP's with attention pooling.

Source: Dosovitskiy et al. 2021, §3.1; Radford et al. 2021, §2.4; Zhai et al. 2023.
"""

from __future__ import annotations

import numpy as np

from wordsight.encoder.openvino import ops as g
from wordsight.encoder.openvino.openvino_import import ops
from wordsight.encoder.openvino.ops import Node, Tensors
from wordsight.encoder.openvino.transformer import block, last_block
from wordsight.spec import Preprocess, VitTower


def image_graph(tower: VitTower, preprocess: Preprocess, tensors: Tensors, pixels_BHWC: Node) -> Node:
    """Node with image features (B,D), not normalised, of a uint8 (B,H,W,3) node."""
    x_BTE = embed_patches(tower, preprocess, tensors, pixels_BHWC)
    if tower.pooling == "cls":
        row = np.asarray(tensors["visual.class_embedding"], dtype=np.float32).reshape(1, 1, -1)
        x_BTE = ops.concat([_for_each(row, x_BTE), x_BTE], axis=1)
    x_BTE = ops.add(x_BTE, g.constant(tensors["visual.positional_embedding"]))
    if tower.pre_norm:
        x_BTE = g.layer_norm(x_BTE, tensors, "visual.ln_pre", tower.norm_eps)
    names = [f"visual.transformer.resblocks.{i}" for i in range(tower.layers)]
    if tower.pooling == "cls":
        for name in names[:-1]:
            x_BTE = block(tower, tensors, name, x_BTE)
        first_B1E = ops.slice(x_BTE, g.integers(0), g.integers(1), g.integers(1), g.integers(1))
        x_B1E = last_block(tower, tensors, names[-1], x_BTE, first_B1E)
        x_BE = g.reshape(g.layer_norm(x_B1E, tensors, "visual.ln_post", tower.norm_eps), 0, -1)
        return ops.matmul(x_BE, g.constant(tensors["visual.proj"]), False, False, name=g.PROJECTION)
    for name in names:
        x_BTE = block(tower, tensors, name, x_BTE)
    x_BTE = g.layer_norm(x_BTE, tensors, "visual.ln_post", tower.norm_eps)
    return _pool(tower, tensors, x_BTE)


def embed_patches(tower: VitTower, preprocess: Preprocess, tensors: Tensors, pixels_BHWC: Node) -> Node:
    """Patches' embeddings (B,N,E): cut into rows of P·P·3 values, one matrix product.

    Normalisation is folded into the weights, except for the nearest whole number to each channel's mean, which is
    subtracted from the pixels: the difference is exact in bfloat16, where pixels far from zero would cost accuracy.
    """
    patch, grid = tower.patch_size, tower.image_size // tower.patch_size
    mean, std = (255 * np.array(v, dtype=np.float64) for v in (preprocess.mean, preprocess.std))
    centre = np.rint(mean)
    weight_EPPC = np.asarray(tensors["visual.conv1.weight"], dtype=np.float64).transpose(0, 2, 3, 1) / std
    bias_E = -(weight_EPPC * (mean - centre)).sum(axis=(1, 2, 3))
    if tower.patch_bias:
        bias_E += np.asarray(tensors["visual.conv1.bias"], dtype=np.float64)
    if tower.image_size % patch:  # pixels beyond the last whole patch are not seen
        start, stop, step, axes = (
            g.integers(0, 0),
            g.integers(grid * patch, grid * patch),
            g.integers(1, 1),
            g.integers(1, 2),
        )
        pixels_BHWC = ops.slice(pixels_BHWC, start, stop, step, axes)
    cut = g.transpose(g.reshape(pixels_BHWC, 0, grid, patch, grid, patch * 3), 0, 1, 3, 2, 4)
    centred = ops.subtract(ops.convert(cut, "f32"), g.constant(np.tile(centre, patch)))
    rows_BNK = g.reshape(centred, 0, grid * grid, patch * patch * 3)
    return g.linear(rows_BNK, weight_EPPC.reshape(tower.width, -1), bias_E)


def _pool(tower: VitTower, tensors: Tensors, x_BTE: Node) -> Node:
    """SigLIP's head: one learned query attends to all tokens; then a residual MLP. Returns (B,E)."""
    name = "visual.attn_pool"
    (wq, wk, wv), (bq, bk, bv) = g.parts(tensors, f"{name}.attn")
    probe = np.asarray(tensors[f"{name}.probe"], dtype=np.float64).reshape(-1)
    query = (np.asarray(wq, dtype=np.float64) @ probe + bq).reshape(1, 1, -1)
    kv_BTF = g.linear(x_BTE, np.concatenate([wk, wv]), np.concatenate([bk, bv]))
    k_BTE, v_BTE = g.split(kv_BTF, 2)
    mixed = g.attention(_for_each(query, x_BTE), k_BTE, v_BTE, tower.heads)
    x_B1E = g.linear(mixed, tensors[f"{name}.attn.out_proj.weight"], tensors[f"{name}.attn.out_proj.bias"])
    inner = g.layer_norm(x_B1E, tensors, f"{name}.ln", tower.norm_eps)
    return g.reshape(ops.add(x_B1E, g.mlp(inner, tensors, f"{name}.mlp", tower.activation)), 0, -1)


def _for_each(row: np.ndarray, x_BTE: Node) -> Node:
    """Repeat a (1,1,E) constant for each row of the batch → (B,1,E)."""
    batch = ops.gather(ops.shape_of(x_BTE), g.integers(0), ops.constant(np.int64(0)))
    return ops.broadcast(g.constant(row), ops.concat([batch, g.integers(1, row.shape[-1])], axis=0))
