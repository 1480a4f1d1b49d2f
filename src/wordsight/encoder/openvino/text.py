"""Text transformers as OpenVINO graphs (Radford et al. 2021, §2.4; Zhai et al. 2023)."""

from __future__ import annotations

import numpy as np

from wordsight.encoder.openvino import ops as g
from wordsight.encoder.openvino.openvino_import import ops
from wordsight.encoder.openvino.ops import Node, Tensors
from wordsight.encoder.openvino.transformer import block, last_block
from wordsight.spec import TextTower


def text_graph(tower: TextTower, tensors: Tensors, tokens_BT: Node, ends_B: Node) -> Node:
    """Node with text features (B,D), not normalised, of int32 tokens (B,T) and feature positions (B,).

    T may be any number up to the context length. Keys behind a text's own end are masked only where the tower is
    causal, as its last block, run for the end position alone, must not see them.
    """
    length = ops.gather(ops.shape_of(tokens_BT), g.integers(1), ops.constant(np.int64(0)))
    x_BTE = ops.gather(g.constant(tensors["token_embedding.weight"]), tokens_BT, ops.constant(np.int64(0)))
    positions = g.constant(tensors["positional_embedding"])
    x_BTE = ops.add(x_BTE, ops.slice(positions, g.integers(0), length, g.integers(1), g.integers(0)))
    names = [f"transformer.resblocks.{i}" for i in range(tower.layers)]
    for name in names[:-1]:
        x_BTE = block(tower, tensors, name, x_BTE, causal=tower.causal)
    end_B1 = ops.unsqueeze(ends_B, ops.constant(np.int64(1)))
    kept_B1E = ops.gather(x_BTE, end_B1, ops.constant(np.int64(1)), 1)
    mask = None
    if tower.causal:
        mask = _hide_later(tower.context_length, length, end_B1)
    x_B1E = last_block(tower, tensors, names[-1], x_BTE, kept_B1E, mask=mask)
    x_BE = g.reshape(g.layer_norm(x_B1E, tensors, "ln_final", tower.norm_eps), 0, -1)
    y_BD = ops.matmul(x_BE, g.constant(tensors["text_projection"]), False, False)
    if tower.projection_bias:
        y_BD = ops.add(y_BD, g.constant(tensors["text_projection_bias"]))
    return y_BD


def _hide_later(context_length: int, length: Node, end_B1: Node) -> Node:
    """Additive mask (B,1,1,T): zero up to each text's end, a large negative number behind it."""
    every = ops.constant(np.arange(context_length, dtype=np.int32))
    places_T = ops.slice(every, g.integers(0), length, g.integers(1), g.integers(0))
    later_BT = ops.greater(places_T, end_B1)
    mask = ops.multiply(ops.convert(later_BT, "f32"), ops.constant(np.float32(-1e9)))
    return ops.unsqueeze(mask, g.integers(1, 2))
