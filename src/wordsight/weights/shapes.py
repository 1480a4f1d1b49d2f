"""Names and shapes of all tensors that a spec asks for, by architecture (see `towers`)."""

from __future__ import annotations

from wordsight.errors import CheckpointError
from wordsight.spec import EfficientNetTower, ModelSpec, PlainResNetTower, ResNetTower, VitTower
from wordsight.towers import architecture, find

Shapes = dict[str, tuple[int, ...]]


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _linear(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _attention(name: str, width: int) -> Shapes:
    joint: Shapes = {f"{name}.in_proj_weight": (3 * width, width), f"{name}.in_proj_bias": (3 * width,)}
    return joint | _linear(f"{name}.out_proj", width, width)


def _transformer(name: str, width: int, mlp_width: int, layers: int) -> Shapes:
    shapes: Shapes = {}
    for i in range(layers):
        block = f"{name}.resblocks.{i}"
        shapes |= _norm(f"{block}.ln_1", width) | _attention(f"{block}.attn", width) | _norm(f"{block}.ln_2", width)
        shapes |= _linear(f"{block}.mlp.c_fc", mlp_width, width) | _linear(f"{block}.mlp.c_proj", width, mlp_width)
    return shapes


def vit(tower: VitTower, embed_dim: int) -> Shapes:
    """Shapes of a vision transformer with a class token, or with SigLIP's attention pooling."""
    width, patch = tower.width, tower.patch_size
    cells = (tower.image_size // patch) ** 2
    shapes: Shapes = {"visual.conv1.weight": (width, 3, patch, patch)}
    if tower.patch_bias:
        shapes["visual.conv1.bias"] = (width,)
    if tower.pre_norm:
        shapes |= _norm("visual.ln_pre", width)
    shapes |= _transformer("visual.transformer", width, tower.mlp_width, tower.layers) | _norm("visual.ln_post", width)
    if tower.pooling == "cls":
        shapes["visual.class_embedding"] = (width,)
        shapes["visual.positional_embedding"] = (cells + 1, width)
        shapes["visual.proj"] = (width, embed_dim)
        return shapes
    pool = "visual.attn_pool"
    shapes |= {"visual.positional_embedding": (cells, width), f"{pool}.probe": (width,)}
    shapes |= _attention(f"{pool}.attn", width) | _norm(f"{pool}.ln", width)
    shapes |= _linear(f"{pool}.mlp.c_fc", tower.mlp_width, width) | _linear(
        f"{pool}.mlp.c_proj", width, tower.mlp_width
    )
    return shapes


def _batch_norm(name: str, width: int) -> Shapes:
    return _norm(name, width) | {f"{name}.running_mean": (width,), f"{name}.running_var": (width,)}


def modified_resnet(tower: ResNetTower, embed_dim: int) -> Shapes:
    """Shapes of OpenAI's ModifiedResNet with its attention pooling."""
    width, half = tower.width, tower.width // 2
    shapes: Shapes = {}
    for i, (outputs, inputs) in enumerate([(half, 3), (half, half), (width, half)], start=1):
        shapes |= {f"visual.conv{i}.weight": (outputs, inputs, 3, 3)} | _batch_norm(f"visual.bn{i}", outputs)
    inputs = width
    for stage, count in enumerate(tower.layers):
        planes = width * 2**stage
        for i in range(count):
            block = f"visual.layer{stage + 1}.{i}"
            shapes |= {f"{block}.conv1.weight": (planes, inputs, 1, 1), f"{block}.conv2.weight": (planes, planes, 3, 3)}
            shapes |= {f"{block}.conv3.weight": (4 * planes, planes, 1, 1)}
            shapes |= _batch_norm(f"{block}.bn1", planes) | _batch_norm(f"{block}.bn2", planes)
            shapes |= _batch_norm(f"{block}.bn3", 4 * planes)
            if i == 0:
                shapes[f"{block}.downsample.0.weight"] = (4 * planes, inputs, 1, 1)
                shapes |= _batch_norm(f"{block}.downsample.1", 4 * planes)
            inputs = 4 * planes
    features = 32 * width
    shapes["visual.attnpool.positional_embedding"] = ((tower.image_size // 32) ** 2 + 1, features)
    for part in ("q_proj", "k_proj", "v_proj"):
        shapes |= _linear(f"visual.attnpool.{part}", features, features)
    return shapes | _linear("visual.attnpool.c_proj", embed_dim, features)


def plain_resnet(tower: PlainResNetTower, embed_dim: int) -> Shapes:
    """Shapes of a plain residual network and its projection, if it has one."""
    shapes: Shapes = {"visual.conv1.weight": (tower.width, 3, 7, 7)} | _batch_norm("visual.bn1", tower.width)
    inputs = tower.width
    for stage, count in enumerate(tower.layers):
        planes = tower.width * 2**stage
        outputs = planes * tower.expansion
        for i in range(count):
            block = f"visual.layer{stage + 1}.{i}"
            if tower.block == "basic":
                convolutions = [(planes, inputs, 3, 3), (planes, planes, 3, 3)]
            else:
                convolutions = [(planes, inputs, 1, 1), (planes, planes, 3, 3), (outputs, planes, 1, 1)]
            for number, shape in enumerate(convolutions, start=1):
                shapes[f"{block}.conv{number}.weight"] = shape
                shapes |= _batch_norm(f"{block}.bn{number}", shape[0])
            if i == 0 and (stage > 0 or inputs != outputs):
                shapes[f"{block}.downsample.0.weight"] = (outputs, inputs, 1, 1)
                shapes |= _batch_norm(f"{block}.downsample.1", outputs)
            inputs = outputs
    if tower.projection:
        shapes["visual.proj"] = (tower.features, embed_dim)
    return shapes


def _convolution(name: str, outputs: int, inputs: int, kernel: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs, kernel, kernel), f"{name}.bias": (outputs,)}


def efficientnet_lite(tower: EfficientNetTower, embed_dim: int) -> Shapes:
    """Shapes of an EfficientNet-Lite trunk with the locked-image-tuning head."""
    shapes = _convolution("visual.stem", tower.stem_width, 3, 3)
    incoming = tower.stem_width
    widths: list[int] = []
    for ratio, kernel, _, channels, repeats in tower.stages:
        for _ in range(repeats):
            block, inner = f"visual.blocks.{len(widths)}", incoming * ratio
            if ratio != 1:
                shapes |= _convolution(f"{block}.expand", inner, incoming, 1)
            shapes |= _convolution(f"{block}.depthwise", inner, 1, kernel)
            shapes |= _convolution(f"{block}.project", channels, inner, 1)
            widths.append(channels)
            incoming = channels
    taps = (*tower.tap_means, *tower.tap_spreads)
    if not all(0 <= tap < len(widths) for tap in taps):
        raise CheckpointError(
            f"The spec taps the blocks {taps}, but the trunk has {len(widths)}: 0 to {len(widths) - 1}."
        )
    pooled, width = tower.features + sum(widths[tap] for tap in taps), tower.head_width
    shapes |= _convolution("visual.head", tower.features, incoming, 1)
    shapes |= _linear("visual.classifier", tower.classes, tower.features)
    shapes |= {"visual.standardise.mean": (pooled,), "visual.standardise.scale": (pooled,)}
    shapes |= _linear("visual.input", width, pooled)
    for i in range(tower.head_layers):
        shapes |= _linear(f"visual.mlp.{i}.c_fc", 2 * width, width)
        shapes |= _linear(f"visual.mlp.{i}.c_proj", width, 2 * width)
    return shapes | {"visual.proj": (width, embed_dim), "visual.class_vectors": (tower.classes, embed_dim)}


def expected_shapes(spec: ModelSpec) -> Shapes:
    """{canonical name: shape} of every tensor that a model of this spec has."""
    text = spec.text
    shapes: Shapes = {
        "token_embedding.weight": (text.vocab_size, text.width),
        "positional_embedding": (text.context_length, text.width),
        "text_projection": (text.width, spec.embed_dim),
        "logit_scale": (),
    }
    shapes |= _transformer("transformer", text.width, text.mlp_width, text.layers) | _norm("ln_final", text.width)
    if text.projection_bias:
        shapes["text_projection_bias"] = (spec.embed_dim,)
    if spec.logit_bias is not None:
        shapes["logit_bias"] = ()
    image_shapes: Shapes = find(architecture(spec).shapes)(spec.image, spec.embed_dim)
    return shapes | image_shapes
