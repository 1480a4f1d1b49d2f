"""The few operations that the graphs are made of: constants, linear maps, norms, activations, attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from wordsight.encoder.openvino.openvino_import import ops, ov
from wordsight.spec import Activation

Node = Any  # openvino's nodes carry no types
Tensors = Mapping[str, np.ndarray]

PROJECTION = "projection"  # the name of the last node of towers that end in `visual.proj`; int8 leaves it in float
QUICK_GELU_BETA = 1.702  # Hendrycks & Gimpel 2016, §2; as in openai/CLIP


class _Alias:
    """Shows an array's memory as writeable, and keeps the array alive: openvino shares only such memory.

    It never writes to constants, so a read-only memory map is safe.
    """

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        pointer, _ = array.__array_interface__["data"]
        self.__array_interface__ = array.__array_interface__ | {"data": (pointer, False)}


def constant(array: np.ndarray) -> Node:
    """Return a float32 node of `array` without a copy where it is float32 or float16 (kept so, and widened)."""
    if array.dtype not in (np.float16, np.float32):
        array = array.astype(np.float32)  # float64, and bfloat16 of ml_dtypes
    shared = ov.op.Constant(np.asarray(_Alias(np.ascontiguousarray(array))), shared_memory=True)
    if array.dtype == np.float16:
        return ops.convert(shared, "f32")
    return shared


def integers(*values: int) -> Node:
    """Node that holds a vector of whole numbers: axes, shapes, orders."""
    return ops.constant(np.array(values, dtype=np.int64))


def reshape(x: Node, *shape: int) -> Node:
    """Reshape; 0 keeps an axis and -1 infers one."""
    return ops.reshape(x, integers(*shape), True)


def transpose(x: Node, *order: int) -> Node:
    """Permute the axes."""
    return ops.transpose(x, integers(*order))


def linear(x: Node, weight_OI: np.ndarray, bias_O: np.ndarray | None = None) -> Node:
    """Return x @ weight.T + bias over the last axis."""
    y = ops.matmul(x, constant(weight_OI), False, True)
    if bias_O is None:
        return y
    return ops.add(y, constant(bias_O))


def layer_norm(x: Node, tensors: Tensors, name: str, eps: float) -> Node:
    """Normalise over the last axis, then gain and bias. Source: Ba et al. 2016."""
    centred = ops.mvn(x, integers(-1), True, eps, "inside_sqrt")
    scaled = ops.multiply(centred, constant(tensors[f"{name}.weight"]))
    return ops.add(scaled, constant(tensors[f"{name}.bias"]))


def activate(x: Node, activation: Activation) -> Node:
    """Apply the spec's activation: x·sigmoid(1.702x), or GELU by erf or by tanh."""
    if activation == "quick_gelu":
        return ops.swish(x, ops.constant(np.float32(QUICK_GELU_BETA)))
    return ops.gelu(x, "erf" if activation == "gelu" else "tanh")


def split_heads(x_BTE: Node, heads: int) -> Node:
    """(B,T,E) → (B,heads,T,E/heads)."""
    return transpose(ops.reshape(x_BTE, integers(0, 0, heads, -1), True), 0, 2, 1, 3)


def attention(q_BTE: Node, k_BTE: Node, v_BTE: Node, heads: int, *, causal: bool = False, mask: Node = None) -> Node:
    """Multi-head softmax attention of queries (B,T,E) over keys and values (B,S,E) → (B,T,E).

    `mask`: additive, broadcastable to (B,heads,T,S). Source: Vaswani et al. 2017, §3.2.
    """
    q, k, v = (split_heads(x, heads) for x in (q_BTE, k_BTE, v_BTE))
    mixed = ops.scaled_dot_product_attention(q, k, v, mask, causal=causal)
    return reshape(transpose(mixed, 0, 2, 1, 3), 0, 0, -1)


def parts(tensors: Tensors, name: str) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Three weights (E,E) and three biases (E,) of a fused `in_proj`: query, key, value."""
    weights = np.split(tensors[f"{name}.in_proj_weight"], 3)
    biases = np.split(tensors[f"{name}.in_proj_bias"], 3)
    return tuple(weights), tuple(biases)


def split(x: Node, n: int) -> list[Node]:
    """Cut the last axis into n equal parts."""
    cut = ops.split(x, ops.constant(np.int64(-1)), n)
    return [cut.output(i) for i in range(n)]


def mlp(x: Node, tensors: Tensors, name: str, activation: Activation) -> Node:
    """Return c_proj(activation(c_fc(x)))."""
    inner = activate(linear(x, tensors[f"{name}.c_fc.weight"], tensors[f"{name}.c_fc.bias"]), activation)
    return linear(inner, tensors[f"{name}.c_proj.weight"], tensors[f"{name}.c_proj.bias"])
