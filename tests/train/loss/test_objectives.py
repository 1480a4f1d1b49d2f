"""The five objectives: against loops that anyone can follow, against numerical derivatives, and what they mean."""

import math

import numpy as np
import pytest
import torch
from loss_cases import random_features, random_ids, value_and_gradients

from wordsight.errors import InputError
from wordsight.train.batch import Features, Ids
from wordsight.train.config import OBJECTIVES, ObjectiveConfig
from wordsight.train.loss.objectives import (
    LOSSES,
    bag_of_words,
    build_objective,
    caption,
    info_nce,
    nt_xent,
    sigmoid,
)

CONTRASTIVE = (info_nce, sigmoid, nt_xent)
PREDICTIVE = sorted(name for name, traits in OBJECTIVES.items() if traits.separable)


def arrays(features, ids):
    first, second, scale, bias = (x.detach().numpy() for x in features)
    image, text = (side.numpy() for side in ids) if ids else (np.arange(len(first)), np.arange(len(first)))
    return first, second, float(scale), float(bias), image, text


def info_nce_by_hand(features, ids):
    image_BD, text_BD, scale, _, image_B, text_B = arrays(features, ids)
    total, batch = 0.0, len(image_BD)
    for i in range(batch):
        rivals = [j for j in range(batch) if j == i or (image_B[i] != image_B[j] and text_B[i] != text_B[j])]
        own = scale * image_BD[i] @ text_BD[i]
        total += math.log(sum(math.exp(scale * image_BD[i] @ text_BD[j]) for j in rivals)) - own
        total += math.log(sum(math.exp(scale * image_BD[j] @ text_BD[i]) for j in rivals)) - own
    return total / (2 * batch)


def sigmoid_by_hand(features, ids):
    image_BD, text_BD, scale, bias, image_B, text_B = arrays(features, ids)
    total, batch = 0.0, len(image_BD)
    for i in range(batch):
        for j in range(batch):
            logit = scale * image_BD[i] @ text_BD[j] + bias
            if i == j:
                total += math.log(1 + math.exp(-logit))
            elif image_B[i] != image_B[j] and text_B[i] != text_B[j]:
                total += math.log(1 + math.exp(logit))
    return total / batch


def nt_xent_by_hand(features, ids):
    first_BD, second_BD, _, _, image_B, _ = arrays(features, ids)
    views_VD, image_V, batch = np.concatenate([first_BD, second_BD]), np.concatenate([image_B] * 2), len(first_BD)
    total = 0.0
    for i in range(2 * batch):
        other = (i + batch) % (2 * batch)
        rivals = [j for j in range(2 * batch) if j == other or image_V[i] != image_V[j]]
        similarity = {j: views_VD[i] @ views_VD[j] / 0.5 for j in rivals}
        total += math.log(sum(map(math.exp, similarity.values()))) - similarity[other]
    return total / (2 * batch)


@pytest.mark.parametrize("tile", [None, 4])
@pytest.mark.parametrize("twins", [False, True])
@pytest.mark.parametrize(
    ("objective", "by_hand"),
    [(info_nce, info_nce_by_hand), (sigmoid, sigmoid_by_hand), (nt_xent, nt_xent_by_hand)],
    ids=lambda function: function.__name__,
)
def test_an_objective_is_what_a_plain_loop_computes(objective, by_hand, twins, tile):
    features, ids = random_features(11, 6), random_ids(11, kinds=8) if twins else None
    assert objective(features, ids, tile=tile).item() == pytest.approx(by_hand(features, ids), rel=1e-13)


@pytest.mark.parametrize("tile", [None, 3])
@pytest.mark.parametrize("twins", [False, True])
@pytest.mark.parametrize("objective", CONTRASTIVE, ids=lambda function: function.__name__)
def test_gradients_of_contrastive_objectives_are_numerical_derivatives(objective, twins, tile):
    features, ids = random_features(7, 4), random_ids(7, kinds=5) if twins else None
    assert torch.autograd.gradcheck(lambda *x: objective(Features(*x), ids, tile=tile), tuple(features))


def predictions(name, rows=4, vocabulary=6, *, seed=0):
    """Logits of a predictive network and their targets, one text empty."""
    chance = torch.Generator().manual_seed(seed)
    zero = torch.zeros(())
    if name == "bag_of_words":
        logits = torch.randn(rows, vocabulary, generator=chance, dtype=torch.float64)
        targets = torch.randint(0, 2, (rows, vocabulary), generator=chance)
        targets[1] = 0
    else:
        logits = torch.randn(rows, 5, vocabulary, generator=chance, dtype=torch.float64)
        targets = torch.randint(0, vocabulary, (rows, 5), generator=chance)
        targets[0, 3:] = -100
        targets[1] = -100
    return Features(logits.requires_grad_(), targets, zero, zero)


@pytest.mark.parametrize("name", PREDICTIVE)
def test_gradients_of_predictive_objectives_are_numerical_derivatives(name):
    features = predictions(name)
    assert torch.autograd.gradcheck(lambda x: LOSSES[name](features._replace(first=x)), features.first)


def test_bag_of_words_is_the_mean_surprise_at_the_words_that_are_there():
    features = predictions("bag_of_words")
    log_p_BV = features.first.detach().log_softmax(-1).numpy()
    expected = [
        -log_p[words > 0].mean() if words.any() else 0.0
        for log_p, words in zip(log_p_BV, features.second.numpy(), strict=True)
    ]
    assert bag_of_words(features).item() == pytest.approx(np.mean(expected), rel=1e-13)


def test_caption_is_the_mean_surprise_at_the_next_token():
    features = predictions("caption")
    log_p_BTV = features.first.detach().log_softmax(-1).numpy()
    expected = []
    for log_p_TV, targets_T in zip(log_p_BTV, features.second.numpy(), strict=True):
        surprises = [-log_p_TV[t, target] for t, target in enumerate(targets_T) if target != -100]
        expected.append(np.mean(surprises) if surprises else 0.0)
    assert caption(features).item() == pytest.approx(np.mean(expected), rel=1e-13)


@pytest.mark.parametrize("name", PREDICTIVE)
def test_a_predictive_objective_is_the_mean_of_those_of_equal_parts(name):
    features = predictions(name, rows=6)
    objective = build_objective(ObjectiveConfig(name=name))
    parts = [features._replace(first=features.first[i : i + 2], second=features.second[i : i + 2]) for i in (0, 2, 4)]
    assert objective.separable
    assert objective(features).item() == pytest.approx((sum(map(objective, parts)) / 3).item(), rel=1e-13)


@pytest.mark.parametrize("tile", [None, 2])
def test_who_knows_nothing_loses_ln_of_the_batch(tile):
    same_BD = torch.ones(8, 3) / math.sqrt(3)
    features = Features(same_BD, same_BD, torch.tensor(14.3), torch.tensor(0.0))
    assert info_nce(features, tile=tile).item() == pytest.approx(math.log(8), rel=1e-6)
    assert nt_xent(features, tile=tile).item() == pytest.approx(math.log(15), rel=1e-6)


@pytest.mark.parametrize("tile", [None, 2])
def test_the_sigmoid_loss_judges_each_pair_by_itself(tile):
    """Each image here has cosine 0 with its text, 1 with one wrong text and 0 with six others."""
    eye = torch.eye(8)
    features = Features(eye, eye.roll(1, 0), torch.tensor(10.0), torch.tensor(-10.0))
    positive, wrong, rest = math.log1p(math.exp(10)), math.log(2), 6 * math.log1p(math.exp(-10))
    assert sigmoid(features, tile=tile).item() == pytest.approx(positive + wrong + rest, rel=1e-5)


@pytest.mark.parametrize("tile", [None, 2])
@pytest.mark.parametrize("name", ["info_nce", "sigmoid"])
def test_a_twin_is_no_negative(name, tile):
    """Pairs 0 and 3 have the same caption: image 0 is not pushed away from text 3, unless masking is switched off."""
    features = random_features(5, 4, scale=1.0, bias=0.0)
    ids = Ids(torch.arange(5), torch.tensor([7, 8, 9, 7, 6]))

    def push(mask):
        """Gradient by a feature that only the cell (image 0, text 3) can see."""
        apart = features._replace(
            first=torch.nn.functional.pad(features.first.detach(), (0, 1)),
            second=torch.nn.functional.pad(features.second.detach(), (0, 1)),
        )
        apart.first[0, -1] = 1.0
        objective = build_objective(ObjectiveConfig(name=name, mask_duplicates=mask, tile=tile))
        return value_and_gradients(lambda leaves: objective(leaves, ids), apart)[2][3, -1]

    assert push(mask=True) == 0
    assert push(mask=False) > 0.001


@pytest.mark.parametrize("tile", [None, 2])
@pytest.mark.parametrize("objective", [info_nce, sigmoid], ids=lambda function: function.__name__)
def test_a_batch_of_one_caption_teaches_no_difference(objective, tile):
    """All negatives gone, InfoNCE has nothing left to say; the sigmoid loss still has its positives. Nothing is NaN."""
    features, ids = random_features(5, 4), Ids(torch.arange(5), torch.zeros(5, dtype=torch.int64))
    value, *gradients = value_and_gradients(lambda leaves: objective(leaves, ids, tile=tile), features)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    if objective is info_nce:
        assert float(value) == pytest.approx(0, abs=1e-12)
        assert float(gradients[0].abs().max()) < 1e-12


def test_a_single_pair_is_a_batch():
    features = random_features(1, 4)
    assert info_nce(features).item() == 0
    assert info_nce(features, tile=1).item() == pytest.approx(0, abs=1e-12)
    assert sigmoid(features, tile=1).item() == pytest.approx(sigmoid(features).item())


@pytest.mark.parametrize("tile", [None, 4])
@pytest.mark.parametrize("objective", CONTRASTIVE, ids=lambda function: function.__name__)
def test_autocast_does_not_reach_the_loss(objective, tile):
    features = random_features(9, 8, dtype=torch.float32)
    plain = objective(features, tile=tile)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = objective(features, tile=tile)
    assert inside.dtype == torch.float32
    assert inside.item() == plain.item()


@pytest.mark.parametrize("tile", [None, 4])
def test_features_in_16_bits_are_widened(tile):
    features = Features(*(x.detach().half() for x in random_features(9, 8)))
    loss = info_nce(features, tile=tile)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(info_nce(Features(*(x.double() for x in features))).item(), rel=1e-5)


def test_a_run_s_settings_name_an_objective():
    features, ids = random_features(6, 4), random_ids(6, kinds=4)
    for name, function in LOSSES.items():
        if name in PREDICTIVE:
            continue
        bound = build_objective(ObjectiveConfig(name=name, tile=None))
        assert not bound.separable
        assert bound(features, ids).item() == function(features, ids).item()
    warm = build_objective(ObjectiveConfig(name="nt_xent", temperature=0.1, mask_duplicates=False))
    assert warm(features, ids).item() == pytest.approx(nt_xent(features, temperature=0.1).item(), rel=1e-12)


def test_a_name_of_no_objective():
    with pytest.raises(InputError, match=r"is 'infonce', expected one of info_nce, .* Did you mean: info_nce"):
        build_objective(ObjectiveConfig(name="infonce"))
