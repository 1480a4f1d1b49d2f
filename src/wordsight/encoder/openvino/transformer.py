"""Pre-norm transformer blocks as OpenVINO graphs, for both towers (Radford et al. 2021, §2.4)."""

from __future__ import annotations

import numpy as np

from wordsight.encoder.openvino import ops as g
from wordsight.encoder.openvino.openvino_import import ops
from wordsight.encoder.openvino.ops import Node, Tensors
from wordsight.spec import TextTower, VitTower


def block(tower: VitTower | TextTower, tensors: Tensors, name: str, x_BTE: Node, *, causal: bool = False) -> Node:
    """Return x + attention(norm(x)), then + mlp(norm(x)), for all positions."""
    normed = g.layer_norm(x_BTE, tensors, f"{name}.ln_1", tower.norm_eps)
    qkv = g.linear(normed, tensors[f"{name}.attn.in_proj_weight"], tensors[f"{name}.attn.in_proj_bias"])
    q_BTE, k_BTE, v_BTE = g.split(qkv, 3)
    mixed = g.attention(q_BTE, k_BTE, v_BTE, tower.heads, causal=causal)
    return _after_attention(tower, tensors, name, x_BTE, mixed)


def last_block(
    tower: VitTower | TextTower, tensors: Tensors, name: str, x_BTE: Node, kept_B1E: Node, *, mask: Node = None
) -> Node:
    """Output of `block` at one kept position (B,1,E): the others only serve as its keys and values.

    Exact, and it saves five sixths of the last block. `mask`: additive, broadcastable to (B,heads,1,T).
    """
    (wq, wk, wv), (bq, bk, bv) = g.parts(tensors, f"{name}.attn")
    normed = g.layer_norm(x_BTE, tensors, f"{name}.ln_1", tower.norm_eps)
    k_BTE, v_BTE = g.split(g.linear(normed, np.concatenate([wk, wv]), np.concatenate([bk, bv])), 2)
    q_B1E = g.linear(g.layer_norm(kept_B1E, tensors, f"{name}.ln_1", tower.norm_eps), wq, bq)
    mixed = g.attention(q_B1E, k_BTE, v_BTE, tower.heads, mask=mask)
    return _after_attention(tower, tensors, name, kept_B1E, mixed)


def _after_attention(tower: VitTower | TextTower, tensors: Tensors, name: str, x_BTE: Node, mixed_BTE: Node) -> Node:
    out = g.linear(mixed_BTE, tensors[f"{name}.attn.out_proj.weight"], tensors[f"{name}.attn.out_proj.bias"])
    x_BTE = ops.add(x_BTE, out)
    normed = g.layer_norm(x_BTE, tensors, f"{name}.ln_2", tower.norm_eps)
    return ops.add(x_BTE, g.mlp(normed, tensors, f"{name}.mlp", tower.activation))
