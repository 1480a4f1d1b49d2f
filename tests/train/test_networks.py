"""Networks of every objective: from a seed to weights, from a batch to features, from weights to a folder."""

import dataclasses
import math

import numpy as np
import pytest
import random_models
import torch
from torch.nn import functional as F

from wordsight import load
from wordsight.encoder import reference
from wordsight.errors import CheckpointError, InputError, TrainError
from wordsight.nn.clip import load_tensors
from wordsight.nn.heads import NOT_PREDICTED, next_tokens
from wordsight.spec import EfficientNetTower, PlainResNetTower
from wordsight.text.tokenizer import Tokenizer
from wordsight.train.batch import Batch, Ids
from wordsight.train.config import ComputeConfig, DataConfig, ObjectiveConfig, TrainConfig
from wordsight.train.config.sizes import size
from wordsight.train.loss.objectives import info_nce
from wordsight.train.networks import TwoTowers, build_network
from wordsight.train.networks.images_only import TwoViews
from wordsight.train.networks.predictive import BagOfWords, Captioner
from wordsight.weights.write import write_checkpoint

TEXTS = ["a cat", "a red dog!", "house", "a photo of a tree"]
CLASSES = {
    "info_nce": TwoTowers, "sigmoid": TwoTowers, "nt_xent": TwoViews, "bag_of_words": BagOfWords,
    "caption": Captioner,
}  # fmt: skip
SPECS = {
    "vit": size(
        "tiny", image=random_models.vit(image_size=32, width=32, heads=1, mlp_width=64), image_size=32, embed_dim=24,
        text=random_models.text(vocab_size=49408, context_length=77, width=32, heads=1, mlp_width=64),
    ),
    "modified_resnet": size(
        "tiny", image=random_models.RESNET, image_size=64, embed_dim=24,
        text=random_models.text(vocab_size=49408, context_length=77, width=32, heads=1, mlp_width=64),
    ),
    "resnet": size(
        "tiny", embed_dim=64, image_size=32, text=random_models.text(vocab_size=49408, context_length=77, width=32),
        image=PlainResNetTower(image_size=32, width=8, layers=(1, 1, 1, 1), block="basic", projection=False),
    ),
}  # fmt: skip


def config_of(objective="info_nce", model="vit", seed=0, **compute):
    return TrainConfig(
        model=SPECS[model], data=DataConfig(pairs=("pairs.csv",)), batch=4, steps=1, seed=seed,
        objective=ObjectiveConfig(name=objective), compute=ComputeConfig(**compute),
    )  # fmt: skip


def built(objective="info_nce", model="vit", **changes):
    config = config_of(objective, model, **changes)
    return build_network(config, Tokenizer(config.model.tokenizer, {}))


def batch_for(network, seed=0):
    generator = torch.Generator().manual_seed(seed)
    size = network.spec.image.image_size
    views = torch.randint(0, 256, (2, 4, 3, size, size), dtype=torch.uint8, generator=generator)
    tokens_BT = torch.tensor(Tokenizer(SPECS["vit"].tokenizer, {})(TEXTS).ids).long()[:, :8]
    ids = Ids(torch.arange(4), torch.arange(4))
    return Batch(pixels_BCHW=views[0], views_BCHW=views[1], tokens_BT=tokens_BT, ids=ids, keys=tuple("abcd"))


# From a seed to weights


@pytest.mark.parametrize("objective", CLASSES)
def test_the_same_seed_gives_the_same_weights_whatever_went_before(objective):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    network = built(objective)
    assert type(network) is CLASSES[objective]
    assert torch.equal(torch.random.get_rng_state(), before)  # the RNG state is as it was
    torch.manual_seed(6)
    again, other = built(objective).state_dict(), built(objective, seed=1).state_dict()
    state = network.state_dict()
    assert all(torch.equal(state[name], again[name]) for name in state)
    assert not all(torch.equal(state[name], other[name]) for name in state)


def test_weights_are_made_on_the_processor_wherever_the_run_is():
    with torch.device("meta"):
        network = built()
    assert {p.device.type for p in network.parameters()} == {"cpu"}


def test_what_the_run_computes_with_is_set():
    network = built(checkpointing=True, patch_dropout=0.5)
    assert network.clip.transformer.checkpointing
    assert network.clip.visual.transformer.checkpointing
    assert network.clip.visual.patch_dropout == 0.5


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"patch_dropout": 0.5, "model": "resnet"}, TrainError, r"the image tower \(resnet\) has no patches to drop"),
    ],
)
def test_runs_that_cannot_be_are_refused(changes, error, message):
    with pytest.raises(error, match=message):
        built(**changes)


def test_a_spec_that_contradicts_itself_is_refused():
    config = config_of()
    wrong = dataclasses.replace(config.model, image=dataclasses.replace(config.model.image, heads=5))
    with pytest.raises(CheckpointError, match="The model to train: the image tower's width 32 does not divide by 5"):
        build_network(dataclasses.replace(config, model=wrong), Tokenizer(wrong.tokenizer, {}))


def test_the_tokenizer_of_another_model_is_refused():
    other = Tokenizer(size("tiny", context_length=20).tokenizer, {})
    with pytest.raises(TrainError, match=r"The given tokenizer is .*context_length=20.*but the model's is .*length=77"):
        build_network(config_of(), other)


def test_captions_need_places_to_read():
    tower = EfficientNetTower(
        image_size=32, stem_width=8, stages=((1, 3, 1, 8, 1),), features=8, tap_means=(), tap_spreads=(), head_width=8,
        head_layers=1, classes=2,
    )  # fmt: skip
    config = config_of("caption")
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, image=tower))
    with pytest.raises(TrainError, match=r"efficientnet_lite\) gives one vector an image"):
        build_network(config, Tokenizer(config.model.tokenizer, {}))


# From a batch to features


def test_pixels_are_normalised_as_the_encoders_do():
    network = built()
    batch = batch_for(network)
    preprocess = network.spec.preprocess
    expected = (batch.pixels_BCHW.double() / 255 - torch.tensor(preprocess.mean).view(3, 1, 1)) / torch.tensor(
        preprocess.std
    ).view(3, 1, 1)
    first, second = network.inputs(batch)
    assert first.dtype == torch.float32
    torch.testing.assert_close(first.double(), expected, rtol=0, atol=1e-6)
    assert second is batch.tokens_BT


@pytest.mark.parametrize("model", SPECS)
@pytest.mark.parametrize("objective", CLASSES)
def test_features_of_a_batch(objective, model):
    network = built(objective, model)
    batch = batch_for(network)
    features = network(*network.inputs(batch))
    assert features.first.dtype == torch.float32
    assert (features.scale.shape, features.bias.shape) == ((), ())
    if objective in ("info_nce", "sigmoid", "nt_xent"):
        width = 128 if objective == "nt_xent" else network.spec.embed_dim
        for rows_BD in (features.first, features.second):
            assert rows_BD.shape == (4, width)
            torch.testing.assert_close(rows_BD.norm(dim=1), torch.ones(4))
        scales = {"info_nce": (1 / 0.07, 0.0), "sigmoid": (10.0, -10.0), "nt_xent": (1.0, 0.0)}
        assert (features.scale.item(), features.bias.item()) == pytest.approx(scales[objective], rel=1e-6)
    elif objective == "bag_of_words":
        assert features.first.shape == features.second.shape == (4, 49408)
        assert features.second.sum(dim=1).tolist() == [2, 4, 1, 4]  # "a photo of a tree" has "a" twice
    else:
        assert features.first.shape == (4, 7, 49408)
        assert features.second.shape == (4, 7)
        assert (features.second != NOT_PREDICTED).sum(dim=1).tolist() == [3, 5, 2, 6]


@pytest.mark.parametrize("objective", CLASSES)
def test_every_parameter_learns(objective):
    """Also what DDP asks for: no parameter is left out of the backward pass."""
    network = built(objective)
    features = network(*network.inputs(batch_for(network)))
    if objective == "caption":
        loss = F.cross_entropy(features.first.flatten(0, 1), features.second.flatten())
    elif objective == "bag_of_words":
        loss = F.binary_cross_entropy_with_logits(features.first, features.second.float())
    else:
        logits_BB = features.scale * features.first @ features.second.T + features.bias
        loss = F.cross_entropy(logits_BB, torch.arange(4)) + F.softplus(logits_BB).mean()
    loss.backward()
    left_out = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not left_out


def test_a_scale_that_begins_above_100_is_not_cut_down():
    """SigLIP's released models have 117, which their bias goes with."""
    config = config_of("sigmoid")
    config = dataclasses.replace(
        config, model=dataclasses.replace(config.model, logit_scale=math.log(117), logit_bias=-12.9)
    )
    network = build_network(config, Tokenizer(config.model.tokenizer, {}))
    network.clamp()
    assert network(*network.inputs(batch_for(network))).scale.item() == pytest.approx(117)


def test_the_bias_of_another_loss_stays_as_it_is():
    """A model of SigLIP's tuned by InfoNCE; DDP would wait for the gradient of a bias that is said to learn."""
    config = config_of("info_nce")
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, logit_bias=-10.0))
    network = build_network(config, Tokenizer(config.model.tokenizer, {}))
    features = network(*network.inputs(batch_for(network)))
    info_nce(features).backward()
    assert features.bias == -10
    assert all((p.grad is not None) == p.requires_grad for p in network.parameters())
    assert network.checkpoint().spec.logit_bias == -10


@pytest.mark.parametrize("objective", CLASSES)
def test_features_are_float32_under_autocast(objective):
    network = built(objective).eval()
    inputs = network.inputs(batch_for(network))
    exact = network(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        features = network(*inputs)
    assert features.first.dtype == features.scale.dtype == torch.float32
    assert not torch.equal(features.first, exact.first)
    if objective in ("info_nce", "sigmoid", "nt_xent"):
        torch.testing.assert_close(features.first.norm(dim=1), torch.ones(4))


@pytest.mark.parametrize("objective", ["sigmoid", "nt_xent", "caption"])
def test_networks_compile_as_one_graph(objective):
    network = built(objective)
    inputs = network.inputs(batch_for(network))
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    for found, expected in zip(compiled(*inputs), network(*inputs), strict=True):
        torch.testing.assert_close(found, expected)


def test_the_scale_goes_to_100_and_can_come_back():
    network = built()
    inputs = network.inputs(batch_for(network))
    with torch.no_grad():
        network.clip.logit_scale.fill_(7.0)
    assert network(*inputs).scale.item() == pytest.approx(100)
    network.clamp()
    assert network.clip.logit_scale.item() == pytest.approx(math.log(100))
    features = network(*inputs)
    features.scale.backward()
    assert network.clip.logit_scale.grad.item() == pytest.approx(100)  # at the bound it still learns


def test_views_are_seen_together():
    """SimCLR's batch norms take both views in one: the features of two passes would differ."""
    network = built("nt_xent", "resnet")
    first, second = network.inputs(batch_for(network))
    both = network(first, second)
    together_VD = F.normalize(network.projection(network.visual(torch.cat([first, second]))), dim=1)
    torch.testing.assert_close(torch.cat([both.first, both.second]), together_VD)
    alone_BD = F.normalize(network.projection(network.visual(first)), dim=1)
    assert not torch.allclose(both.first, alone_BD, atol=1e-3)
    batch = dataclasses.replace(batch_for(network), views_BCHW=None)
    with pytest.raises(TrainError, match="one view of each image, expected two"):
        network.inputs(batch)


@pytest.mark.parametrize("trimmed", [False, True])
def test_the_gradients_are_those_of_transformers_clip(trimmed):
    """CLIPModel with the same weights, its own loss, float64: an independent forward and backward pass."""
    checkpoint = random_models.random_checkpoint(random_models.CLIP)
    theirs = random_models.in_transformers(checkpoint).double().train()
    ours = TwoTowers(checkpoint.spec)
    load_tensors(ours.clip, checkpoint.tensors)
    ours.double().train()
    pixels_BHWC, tokens_BT = random_models.random_inputs(checkpoint.spec, n=4)
    pixels_BCHW, tokens_BT = (
        torch.tensor(pixels_BHWC).permute(0, 3, 1, 2).double() / 255,
        torch.tensor(tokens_BT).long(),
    )
    expected = theirs(input_ids=tokens_BT, pixel_values=pixels_BCHW, return_loss=True).loss
    expected.backward()
    features = ours.clip(pixels_BCHW, tokens_BT[:, :6] if trimmed else tokens_BT)
    assert (tokens_BT[:, 6:] == 0).all()
    logits_BB = ours.clip.logit_scale.exp() * features[0] @ features[1].T
    own_B = torch.arange(4)
    loss = (F.cross_entropy(logits_BB, own_B) + F.cross_entropy(logits_BB.T, own_B)) / 2
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)  # `CLIP` rounds embeddings to float32
    found, wanted = ours.clip.get_parameter, theirs.get_parameter
    pairs = {
        "logit_scale": wanted("logit_scale").grad,
        "text_projection": wanted("text_projection.weight").grad.T,
        "visual.proj": wanted("visual_projection.weight").grad.T,
        "visual.conv1.weight": wanted("vision_model.embeddings.patch_embedding.weight").grad,
        "visual.class_embedding": wanted("vision_model.embeddings.class_embedding").grad,
        "token_embedding.weight": wanted("text_model.embeddings.token_embedding.weight").grad,
        "positional_embedding": wanted("text_model.embeddings.position_embedding.weight").grad,
    }
    for ours_at, theirs_at in (("", "text_model"), ("visual.", "vision_model")):
        for layer in range(2):
            block, same = f"{ours_at}transformer.resblocks.{layer}", f"{theirs_at}.encoder.layers.{layer}"
            parts = [wanted(f"{same}.self_attn.{part}_proj.weight").grad for part in "qkv"]
            pairs[f"{block}.attn.in_proj_weight"] = torch.cat(parts)
            pairs[f"{block}.mlp.c_fc.weight"] = wanted(f"{same}.mlp.fc1.weight").grad
    for name, gradient in pairs.items():
        difference = (found(name).grad - gradient).norm() / gradient.norm()
        assert difference < 1e-5, name


# Scores of texts


@torch.no_grad()
def test_a_bag_of_words_scores_a_text_by_its_words():
    network = built("bag_of_words").eval()
    batch = batch_for(network)
    pixels_BCHW, bags_BV = network.inputs(batch)
    found_BK = network.score_texts(pixels_BCHW, batch.tokens_BT)
    log_p_BV = network(pixels_BCHW, bags_BV).first.log_softmax(dim=1)
    for k in range(4):
        words = bags_BV[k].nonzero().flatten()
        torch.testing.assert_close(found_BK[:, k], log_p_BV[:, words].mean(dim=1))


@torch.no_grad()
def test_a_captioner_scores_a_text_by_its_likelihood_per_token():
    network = built("caption").eval()
    batch = batch_for(network)
    pixels_BCHW, tokens_KT = network.inputs(batch)
    found_BK = network.score_texts(pixels_BCHW, tokens_KT)
    for k in range(4):
        every_BT = tokens_KT[k].expand(4, -1)
        log_p_BTV = network(pixels_BCHW, every_BT).first.log_softmax(dim=-1)
        _, told_BT = next_tokens(every_BT, network.spec.tokenizer)
        known = [log_p_BTV[:, t, told_BT[0, t]] for t in range(7) if told_BT[0, t] != NOT_PREDICTED]
        torch.testing.assert_close(found_BK[:, k], torch.stack(known).mean(dim=0))


# From weights to a folder that opens


@pytest.mark.parametrize("objective", ["info_nce", "sigmoid"])
def test_the_folder_of_a_contrastive_network_opens(objective, tmp_path):
    network = built(objective).eval()
    with torch.no_grad():
        network.clip.logit_scale.fill_(3.0)
        if objective == "sigmoid":
            network.clip.logit_bias.fill_(-4.0)
    checkpoint = network.checkpoint()
    assert (checkpoint.spec.logit_scale, checkpoint.spec.logit_bias) == (3.0, -4.0 if objective == "sigmoid" else None)
    write_checkpoint(checkpoint, tmp_path / "model", "wordsight")
    model = load(tmp_path / "model", backend="openvino", precision="f32")
    batch = batch_for(network)
    with torch.no_grad():
        features = network(*network.inputs(batch))
    pixels_BHWC = batch.pixels_BCHW.permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(model.embed_images(pixels_BHWC), features.first.numpy(), rtol=0, atol=1e-5)
    np.testing.assert_allclose(model.embed_texts(TEXTS), features.second.numpy(), rtol=0, atol=1e-5)
    assert model.scale == pytest.approx(math.exp(3))


@pytest.mark.parametrize("model", SPECS)
@pytest.mark.parametrize("objective", ["nt_xent", "bag_of_words", "caption"])
def test_the_folder_of_a_network_without_texts_sees_images_and_refuses_texts(objective, model, tmp_path):
    network = built(objective, model).eval()
    write_checkpoint(network.checkpoint(), tmp_path / "model", "wordsight")
    opened = load(tmp_path / "model", backend="openvino", precision="f32")
    batch = batch_for(network)
    with torch.no_grad():
        expected_BD = F.normalize(network.visual(network.normalise(batch.pixels_BCHW)), dim=1)
    pixels_BHWC = batch.pixels_BCHW.permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(opened.embed_images(pixels_BHWC), expected_BD.numpy(), rtol=0, atol=1e-5)
    assert "texts have no embedding" in opened.spec.provenance["text"]
    with pytest.raises(InputError, match=r"trained without a text tower .* ask it"):
        opened.embed_texts(["a cat"])


def test_another_state_can_be_kept_in_place_of_the_networks_own():
    network = built(model="modified_resnet")
    average = {name: 2 * p.detach() for name, p in network.named_parameters()}
    tensors, own = network.checkpoint_tensors(average), network.checkpoint_tensors()
    assert tensors.keys() == own.keys()
    for name, array in tensors.items():
        statistic = name.endswith(("running_mean", "running_var"))
        np.testing.assert_array_equal(array, own[name] if statistic else 2 * own[name], err_msg=name)
    assert network.checkpoint(average).spec.logit_scale == pytest.approx(2 * network.spec.logit_scale)
    assert reference.encode_images(network.checkpoint(), np.zeros((1, 64, 64, 3), np.uint8)).shape == (1, 24)
