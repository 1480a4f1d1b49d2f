"""A small residual network as TensorFlow.js stores Keras models, with random weights; no file of anyone else's."""

import json

import numpy as np

COMMON = {"trainable": True, "dtype": "float32"}


def _conv(name, before, filters, kernel, *, stride=1, padding="valid"):
    sizes = {"filters": filters, "kernel_size": [kernel, kernel], "strides": [stride, stride], "padding": padding}
    kept = {"data_format": "channels_last", "dilation_rate": [1, 1], "activation": "linear", "use_bias": True}
    return layer("Conv2D", name, before, **sizes, **kept)


def layer(kind, name, *before, **config):
    """One layer as model.json describes it."""
    nodes = [[[one, 0, 0, {}] for one in before]] if before else []
    return {"class_name": kind, "name": name, "config": {"name": name, **COMMON, **config}, "inbound_nodes": nodes}


def small_layers():
    """Layers of all kinds that ResNet-50 has: a stem, a block whose first convolution strides, a classifier."""
    norm = {"axis": [3], "epsilon": 0.001}
    pool = {"pool_size": [3, 3], "padding": "valid", "strides": [2, 2], "data_format": "channels_last"}
    return [
        layer("InputLayer", "input_1"),
        layer("ZeroPadding2D", "pad", "input_1", padding=[[3, 3], [3, 3]]),
        _conv("conv1", "pad", 4, 7, stride=2),
        layer("BatchNormalization", "bn1", "conv1", **norm),
        layer("Activation", "relu1", "bn1", activation="relu"),
        layer("ZeroPadding2D", "pool_pad", "relu1", padding=[[1, 1], [1, 1]]),
        layer("MaxPooling2D", "pool", "pool_pad", **pool),
        _conv("res_a", "pool", 3, 1, stride=2),
        layer("BatchNormalization", "bn_a", "res_a", **norm),
        layer("Activation", "relu_a", "bn_a", activation="relu"),
        _conv("res_b", "relu_a", 6, 3, padding="same"),
        layer("BatchNormalization", "bn_b", "res_b", **norm),
        _conv("shortcut", "pool", 6, 1, stride=2),
        layer("Add", "add", "bn_b", "shortcut"),
        layer("Activation", "relu_out", "add", activation="relu"),
        layer("GlobalAveragePooling2D", "avg_pool", "relu_out", data_format="channels_last"),
        layer("Dense", "fc", "avg_pool", units=5, activation="softmax", use_bias=True),
    ]


def small_tensors(seed=0):
    """Random weights of `small_layers`."""
    rng = np.random.default_rng(seed)
    shapes = {
        "conv1": (7, 7, 3, 4),
        "res_a": (1, 1, 4, 3),
        "res_b": (3, 3, 3, 6),
        "shortcut": (1, 1, 4, 6),
        "fc": (6, 5),
    }
    tensors = {}
    for name, shape in shapes.items():
        tensors[f"{name}/kernel"] = rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))
        tensors[f"{name}/bias"] = rng.normal(size=shape[-1])
    for name, width in {"bn1": 4, "bn_a": 3, "bn_b": 6}.items():
        for part in ("gamma", "beta", "moving_mean"):
            tensors[f"{name}/{part}"] = rng.normal(size=width)
        tensors[f"{name}/moving_variance"] = rng.uniform(0.5, 2, size=width)
    tensors["bn1/moving_variance"] *= 2000  # the pixels are not scaled
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}


def write_keras_model(folder, layers=None, tensors=None, *, shard_bytes=1000):
    """Write model.json and its shards into a folder, which is returned."""
    tensors = tensors or small_tensors()
    content = b"".join(np.ascontiguousarray(tensor).tobytes() for tensor in tensors.values())
    shards = [content[start : start + shard_bytes] for start in range(0, len(content), shard_bytes)]
    names = [f"group1-shard{n}of{len(shards)}.bin" for n in range(1, len(shards) + 1)]
    weights = [{"name": name, "shape": list(t.shape), "dtype": str(t.dtype)} for name, t in tensors.items()]
    folder.mkdir(parents=True, exist_ok=True)
    for name, shard in zip(names, shards, strict=True):
        (folder / name).write_bytes(shard)
    plain = {
        "format": "layers-model",
        "modelTopology": {"model_config": {"class_name": "Model", "config": {"layers": layers or small_layers()}}},
        "weightsManifest": [{"paths": names, "weights": weights}],
    }
    (folder / "model.json").write_text(json.dumps(plain), encoding="utf-8")
    return folder
