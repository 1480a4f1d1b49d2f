"""Image classifiers of Keras as OpenVINO graphs, layer by layer as their topology says: ResNet-50's layers are known.

Imported only where such a model is opened: this module loads openvino.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wordsight.encoder.openvino import ops as g
from wordsight.encoder.openvino.encoder import Requests, core, native_precision, request_rows
from wordsight.encoder.openvino.openvino_import import ops, ov
from wordsight.encoder.openvino.ops import Node
from wordsight.errors import CheckpointError
from wordsight.weights.tfjs import KerasLayer, KerasModel

# "caffe" preprocessing of keras_applications.imagenet_utils: channels as BGR, the training images' means subtracted
CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
_ROWS = 8  # of one request


class KerasEncoder:
    """Runs a Keras model up to one of its layers.

    until: name of the layer whose output is wanted. precision: as of the OpenVINO encoder.
    Raises: CheckpointError for layers and settings that are not known here.
    """

    def __init__(self, model: KerasModel, until: str, *, image_size: int, precision: str = "auto") -> None:
        self.precision = native_precision() if precision == "auto" else precision
        pixels_BHWC = ops.parameter([-1, image_size, image_size, 3], np.uint8, name="pixels")
        try:
            output = build_graph(model, until, pixels_BHWC)
            graph = ov.Model([ops.result(output, name="features")], [pixels_BHWC], "keras")
            self.dim = int(graph.output(0).get_partial_shape()[1].get_length())
            settings = {"INFERENCE_PRECISION_HINT": self.precision, "PERFORMANCE_HINT": "THROUGHPUT"}
            self._requests = Requests(core().compile_model(graph, "CPU", settings))
        except RuntimeError as error:
            raise CheckpointError(f"The Keras model's layers do not fit together: {error}") from error

    def encode_images(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Features (B, D), float32, not normalised, of uint8 RGB pixels (B, S, S, 3)."""
        rows = len(pixels_BHWC)
        out_BD = np.empty((rows, self.dim), np.float32)
        step = request_rows(rows, self._requests.width, _ROWS)
        starts = range(0, rows, step)
        parts = [[np.ascontiguousarray(pixels_BHWC[start : start + step])] for start in starts]
        self._requests.run(parts, [out_BD[start : start + step] for start in starts])
        return out_BD


def build_graph(model: KerasModel, until: str, pixels_BHWC: Node) -> Node:
    """Output of the layer `until` for a uint8 RGB node (B, H, W, 3), which is preprocessed as for Keras's ResNet-50."""
    rgb_BHWC = ops.convert(pixels_BHWC, "f32")
    bgr_BHWC = ops.gather(rgb_BHWC, g.integers(2, 1, 0), g.integers(3))
    centred = ops.subtract(bgr_BHWC, g.constant(np.array(CAFFE_MEAN_BGR)))
    outputs: dict[str, Node] = {}
    for layer in model.layers:
        inputs = [outputs[name] for name in layer.inputs]
        if layer.kind == "InputLayer":
            outputs[layer.name] = g.transpose(centred, 0, 3, 1, 2)
        elif layer.kind in _BUILDERS:
            outputs[layer.name] = _BUILDERS[layer.kind](layer, inputs, model.tensors)
        else:
            raise CheckpointError(
                f"The layer {layer.name!r} is a {layer.kind}; known are {', '.join(['InputLayer', *_BUILDERS])}."
            )
        if layer.name == until:
            return outputs[layer.name]
    raise CheckpointError(f"The model has no layer {until!r}.")


Tensors = Mapping[str, np.ndarray]


def _pad(layer: KerasLayer, inputs: Sequence[Node], _tensors: Tensors) -> Node:
    (top, bottom), (left, right) = layer.config["padding"]
    zero = ops.constant(np.float32(0))
    return ops.pad(inputs[0], g.integers(0, 0, top, left), g.integers(0, 0, bottom, right), "constant", zero)


def _convolve(layer: KerasLayer, inputs: Sequence[Node], tensors: Tensors) -> Node:
    config = layer.config
    _require(layer, data_format="channels_last", dilation_rate=[1, 1])
    shape = (*config["kernel_size"], None, config["filters"])
    kernel_HWIO = _tensor(layer, tensors, "kernel", shape)
    auto_pad = {"valid": "valid", "same": "same_upper"}[config["padding"]]
    kernel = g.constant(np.ascontiguousarray(kernel_HWIO.transpose(3, 2, 0, 1)))
    y = ops.convolution(inputs[0], kernel, config["strides"], [0, 0], [0, 0], [1, 1], auto_pad)
    if config["use_bias"]:
        bias_O = _tensor(layer, tensors, "bias", (config["filters"],))
        y = ops.add(y, g.constant(bias_O.reshape(1, -1, 1, 1)))
    return _activate(layer, y)


def _normalise(layer: KerasLayer, inputs: Sequence[Node], tensors: Tensors) -> Node:
    if layer.config["axis"] not in (3, -1, [3], [-1]):
        _reject(layer, "axis")
    parts = ("gamma", "beta", "moving_mean", "moving_variance")
    gain, shift, mean, variance = (_tensor(layer, tensors, part, (None,)).astype(np.float64) for part in parts)
    factor = gain / np.sqrt(variance + layer.config["epsilon"])
    scaled = ops.multiply(inputs[0], g.constant(factor.reshape(1, -1, 1, 1)))
    return ops.add(scaled, g.constant((shift - mean * factor).reshape(1, -1, 1, 1)))


def _take_largest(layer: KerasLayer, inputs: Sequence[Node], _tensors: Tensors) -> Node:
    _require(layer, padding="valid", data_format="channels_last")
    config = layer.config
    return ops.max_pool(inputs[0], config["strides"], [1, 1], [0, 0], [0, 0], config["pool_size"]).output(0)


def _average_all(_layer: KerasLayer, inputs: Sequence[Node], _tensors: Tensors) -> Node:
    return ops.reduce_mean(inputs[0], g.integers(2, 3), False)


def _add(_layer: KerasLayer, inputs: Sequence[Node], _tensors: Tensors) -> Node:
    total = inputs[0]
    for other in inputs[1:]:
        total = ops.add(total, other)
    return total


def _multiply(layer: KerasLayer, inputs: Sequence[Node], tensors: Tensors) -> Node:
    kernel_IO = _tensor(layer, tensors, "kernel", (None, layer.config["units"]))
    y = ops.matmul(inputs[0], g.constant(kernel_IO), False, False)
    if layer.config["use_bias"]:
        y = ops.add(y, g.constant(_tensor(layer, tensors, "bias", (layer.config["units"],))))
    return _activate(layer, y)


def _activate(layer: KerasLayer, x: Node) -> Node:
    activation = layer.config["activation"]
    if activation == "linear":
        return x
    if activation == "relu":
        return ops.relu(x)
    if activation == "softmax":
        return ops.softmax(x, -1)
    return _reject(layer, "activation")


_BUILDERS: dict[str, Callable[[KerasLayer, Sequence[Node], Tensors], Node]] = {
    "ZeroPadding2D": _pad,
    "Conv2D": _convolve,
    "BatchNormalization": _normalise,
    "Activation": lambda layer, inputs, _: _activate(layer, inputs[0]),
    "MaxPooling2D": _take_largest,
    "GlobalAveragePooling2D": _average_all,
    "Add": _add,
    "Dense": _multiply,
}


def _tensor(layer: KerasLayer, tensors: Tensors, part: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """Weight of a layer. shape: None for lengths that other layers decide. Raises: CheckpointError."""
    name = f"{layer.name}/{part}"
    if name not in tensors:
        raise CheckpointError(f"The Keras model has no weight {name!r}, which its layer needs.")
    seen = tensors[name].shape
    fits = len(seen) == len(shape) and all(want in (None, have) for want, have in zip(shape, seen, strict=True))
    if not fits:
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise CheckpointError(f"The weight {name!r} has the shape {seen}, expected ({wanted}).")
    return tensors[name]


def _require(layer: KerasLayer, **settings: Any) -> None:
    for name, value in settings.items():
        if layer.config[name] != value:
            _reject(layer, name)


def _reject(layer: KerasLayer, name: str) -> Node:
    raise CheckpointError(
        f"The layer {layer.name!r} ({layer.kind}) has {name} {layer.config[name]!r}, which is not known."
    )
