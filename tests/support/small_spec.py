"""A spec so small that its networks are built in no time."""

import math

from wordsight.spec import ModelSpec, Preprocess, ResNetTower, TextTower, TokenizerSpec, VitTower

VIT = VitTower(image_size=16, patch_size=8, width=16, layers=3, heads=2, mlp_width=32, activation="gelu", pooling="cls")
RESNET = ResNetTower(image_size=32, width=8, layers=(1, 2, 1, 1), heads=4)


def small_spec(image=VIT):
    return ModelSpec(
        name="small", family="clip", embed_dim=8, image=image,
        text=TextTower(context_length=8, vocab_size=49408, width=16, layers=2, heads=2, mlp_width=32,
                       activation="gelu", causal=True, pooling="argmax"),
        preprocess=Preprocess(image_size=image.image_size),
        tokenizer=TokenizerSpec(kind="clip_bpe", context_length=8, vocab_size=49408, bos_id=49406, eos_id=49407,
                                pad_id=0, clean="clip"),
        logit_scale=math.log(1 / 0.07),
    )  # fmt: skip
