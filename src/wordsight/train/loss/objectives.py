"""Losses of the five objectives, all with one call: `info_nce(features, ids, tile=…, group=…)` has shape ().

The contrastive ones compare each row with all others. Without `tile` they are written here in plain autograd,
and hold matrices of B×B; with it the same value and gradients come tile by tile (`tiled.py`). With `ids`, two pairs of
one image or one text are not negatives of each other: the logit is -inf, which removes it from the softmax's sum and
gives a sigmoid's term the weight of zero; a pair's own cell is never masked. With `group` each process passes its rows
and gets the loss of all, and gradients as `gather.py` says. Everything is computed in float32 at least, regardless of
autocast.

The predictive ones are means over rows, so that a batch can be processed in parts; they need no ids and no tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax, logsigmoid

from wordsight.train.batch import Features, Ids
from wordsight.train.config import ObjectiveConfig, ObjectiveName
from wordsight.train.config.objectives import get_traits
from wordsight.train.loss.gather import Group, check_even, gather_features, mean_over_processes, rank_and_world
from wordsight.train.loss.tiled import tiled_info_nce, tiled_sigmoid


def info_nce(
    features: Features, ids: Ids | None = None, *, tile: int | None = None, group: Group | None = None
) -> Tensor:
    """Find each image's text among all texts and each text's image among all images: the mean of both.

    features: unit rows (B,D) of images and texts, scale (); the bias is unused, as it would change nothing.
    ids, tile, group: as at the top of this module.

    Source: Radford et al. 2021, §2.3 and Figure 3 (van den Oord et al. 2018 for the name).
    """
    if tile is not None:
        return tiled_info_nce(features.first, features.second, features.scale, ids, tile=tile, group=group)
    features, ids = gather_features(features, ids, group)
    logits_BB = features.scale * _cosines(features.first, features.second)
    logits_BB = logits_BB.masked_fill(find_duplicates(logits_BB, ids), -torch.inf)
    own_B = torch.arange(len(logits_BB), device=logits_BB.device)
    return (cross_entropy(logits_BB, own_B) + cross_entropy(logits_BB.T, own_B)) / 2


def sigmoid(
    features: Features, ids: Ids | None = None, *, tile: int | None = None, group: Group | None = None
) -> Tensor:
    """Classify each of the B² combinations as a pair or not: the sum of their log-losses, divided by B.

    features: unit rows (B,D) of images and texts, scale () and bias (), which start at 10 and -10.
    ids, tile, group: as at the top of this module.

    Source: Zhai et al. 2023, Algorithm 1.
    """
    if tile is not None:
        return tiled_sigmoid(*features, ids, tile=tile, group=group)
    features, ids = gather_features(features, ids, group)
    logits_BB = features.scale * _cosines(features.first, features.second) + features.bias
    logits_BB = logits_BB.masked_fill(find_duplicates(logits_BB, ids), -torch.inf)
    labels_BB = 2 * torch.eye(len(logits_BB), dtype=logits_BB.dtype, device=logits_BB.device) - 1
    return -logsigmoid(labels_BB * logits_BB).sum() / len(logits_BB)


def nt_xent(
    features: Features,
    ids: Ids | None = None,
    *,
    tile: int | None = None,
    group: Group | None = None,
    temperature: float = 0.5,
) -> Tensor:
    """Find each view's other view among all other views of the batch.

    features: unit rows (B,D) of first and of second views; scale and bias are not used. Of `ids` only the images'.
    ids, tile, group: as at the top of this module. temperature: divides the cosines.

    Source: Chen et al. 2020 (SimCLR), Equation 1 and Algorithm 1.
    """
    rows = len(features.first)
    check_even(rows, group, features.first.device)
    if ids is None:  # no two images are the same, but a view is still not a negative of itself
        own_B = rank_and_world(group)[0] * rows + torch.arange(rows, device=features.first.device)
        ids = Ids(own_B, own_B)
    if tile is not None:
        # With views in the order (first, second) as rows and (second, first) as columns, the other view is on the
        # diagonal and a view itself is one more cell of the same image; the matrix being symmetric, both directions
        # of InfoNCE are this loss.
        first, second = features.first, features.second
        image_2B = ids.image_B.repeat(2)
        scale = first.new_tensor(1 / temperature)
        return tiled_info_nce(
            torch.cat([first, second]),
            torch.cat([second, first]),
            scale,
            Ids(image_2B, image_2B),
            tile=tile,
            group=group,
        )
    features, ids = gather_features(features, ids, group)
    assert ids is not None
    views_VD, image_V = torch.cat([features.first, features.second]), ids.image_B.repeat(2)
    other_V = torch.arange(len(views_VD), device=image_V.device).roll(len(features.first))
    same_VV = image_V[:, None] == image_V
    same_VV[torch.arange(len(other_V)), other_V] = False
    logits_VV = (_cosines(views_VD, views_VD) / temperature).masked_fill(same_VV, -torch.inf)
    return cross_entropy(logits_VV, other_V)


def bag_of_words(
    features: Features,
    ids: Ids | None = None,  # noqa: ARG001
    *,
    tile: int | None = None,  # noqa: ARG001
    group: Group | None = None,
) -> Tensor:
    """Predict a word drawn from the image's text: cross-entropy with its words, each as likely, averaged over images.

    features: logits (B,V) over the vocabulary and the words that are there (B,V), 0/1; a text without words counts 0.

    Source: Joulin et al. 2016, the multi-class logistic loss, in expectation over the word that they draw.
    """
    log_p_BV = log_softmax(_wide(features.first), dim=-1)
    words_BV = features.second.to(log_p_BV.dtype)
    loss_B = -(words_BV * log_p_BV).sum(-1) / words_BV.sum(-1).clamp_min(1)
    return mean_over_processes(loss_B.mean(), group)


def caption(
    features: Features,
    ids: Ids | None = None,  # noqa: ARG001
    *,
    tile: int | None = None,  # noqa: ARG001
    group: Group | None = None,
) -> Tensor:
    """Predict each next token of the image's text: cross-entropy per token, averaged over images.

    Each image counts the same however long its text is (not the mean over all tokens), so that a batch is the mean of
    its parts.

    features: logits (B,T,V) and token ids (B,T), -100 where nothing is predicted; an empty text counts 0.

    Source: the language model of Radford et al. 2021, Figure 2; Desai & Johnson 2021 (VirTex), forwards only.
    """
    targets_BT = features.second.long()
    loss_BT = cross_entropy(
        _wide(features.first).flatten(0, 1), targets_BT.flatten(), ignore_index=-100, reduction="none"
    ).view_as(targets_BT)
    loss_B = loss_BT.sum(1) / (targets_BT != -100).sum(1).clamp_min(1)
    return mean_over_processes(loss_B.mean(), group)


LOSSES: Mapping[ObjectiveName, Callable[..., Tensor]] = {
    "info_nce": info_nce,
    "sigmoid": sigmoid,
    "nt_xent": nt_xent,
    "bag_of_words": bag_of_words,
    "caption": caption,
}


@dataclass(frozen=True)
class Objective:
    """One of `LOSSES` with all its settings: the loss that a run minimises."""

    config: ObjectiveConfig

    def __call__(self, features: Features, ids: Ids | None = None, *, group: Group | None = None) -> Tensor:
        """Loss, ().

        Raises: TrainError if the processes of `group` hold different numbers of rows.
        """
        settings = {name: getattr(self.config, name) for name in self.config.traits.settings}
        if not self.config.mask_duplicates:
            ids = None
        return LOSSES[self.config.name](features, ids, tile=self.config.tile, group=group, **settings)

    @property
    def separable(self) -> bool:
        """Whether the loss of a batch is the mean of those of its equal parts."""
        return self.config.traits.separable


def build_objective(config: ObjectiveConfig) -> Objective:
    """Objective that a run's settings name. Raises: InputError for an unknown name."""
    get_traits(config.name)
    return Objective(config)


def find_duplicates(logits_BB: Tensor, ids: Ids | None) -> Tensor:
    """Mask (B,B) of the cells, off the diagonal, of two pairs with the same image or the same text."""
    if ids is None:
        return torch.zeros_like(logits_BB, dtype=torch.bool)
    same_BB = (ids.image_B[:, None] == ids.image_B) | (ids.text_B[:, None] == ids.text_B)
    return same_BB.fill_diagonal_(False)


def _cosines(first_BD: Tensor, second_BD: Tensor) -> Tensor:
    with torch.autocast(first_BD.device.type, enabled=False):
        return _wide(first_BD) @ _wide(second_BD).T


def _wide(x: Tensor) -> Tensor:
    """Tensor in float32, or float64 if it is that already."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
