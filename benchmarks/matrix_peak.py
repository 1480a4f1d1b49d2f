"""Peak rate of the machine, and operations of a tower: both parts of a share of the peak."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wordsight.encoder.openvino.encoder import core
from wordsight.encoder.openvino.openvino_import import ops, ov

SIDE = 2048  # of the square matrices: far larger than the caches, so that only the products take time


def products(precision: str) -> tuple[Callable[[], object], float]:
    """Call that multiplies large matrices on every core, and its floating-point operations.

    As many products run side by side as there are streams, as for a large number of images.
    """
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((SIDE, SIDE), dtype=np.float32)
    x = ops.parameter([SIDE, SIDE], np.float32)
    model = ov.Model([ops.matmul(x, ops.constant(weight), False, False)], [x], "peak")
    compiled = core().compile_model(
        model, "CPU", {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "THROUGHPUT"}
    )
    width = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
    queue = ov.AsyncInferQueue(compiled, width)
    rows = rng.standard_normal((SIDE, SIDE), dtype=np.float32)

    def call() -> None:
        for _ in range(2 * width):
            queue.start_async([rows], share_inputs=True)
        queue.wait_all()

    return call, 2 * width * 2.0 * SIDE**3


def operations(model: Any, *shapes: list[int]) -> float:
    """Floating-point operations of an OpenVINO model's products for inputs of the given shapes.

    Counted from the graph as it is run (the last block only for the token that is kept); a multiplication and an
    addition count as two.
    """
    model.reshape({model.input(i): ov.PartialShape(shape) for i, shape in enumerate(shapes)})
    total = 0.0
    for op in model.get_ops():
        kind = op.get_type_name()
        if kind == "MatMul":
            inner = list(op.input(0).get_shape())[-2 if op.get_attributes()["transpose_a"] else -1]
            total += 2.0 * math.prod(op.output(0).get_shape()) * inner
        elif kind in ("Convolution", "GroupConvolution"):
            weight = list(op.input(1).get_shape())[1 if kind == "Convolution" else 2 :]
            total += 2.0 * math.prod(op.output(0).get_shape()) * math.prod(weight)
        elif kind == "ScaledDotProductAttention":
            batch, heads, queries, width = op.input(0).get_shape()
            total += 4.0 * batch * heads * queries * width * op.input(1).get_shape()[2]
    return total
