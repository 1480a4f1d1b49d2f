"""The objectives of a run as one table of facts, which needs no torch: every dispatch on an objective reads it.

To add an objective: its name and facts here, its loss in `loss.objectives.LOSSES`, its network in `NETWORKS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from wordsight.arguments import check_choice

ObjectiveName = Literal["info_nce", "sigmoid", "nt_xent", "bag_of_words", "caption"]
NetworkName = Literal["two_towers", "two_views", "bag_of_words", "captioner"]


@dataclass(frozen=True, kw_only=True)
class ObjectiveTraits:
    """Facts of an objective.

    network: trained network, by its name in `networks.NETWORKS`.
    comparison: "softmax" picks the match among all candidates of a batch, "sigmoid" judges each combination by itself;
        None: each row's loss is its own (a predictive objective).
    views: augmented views of an image that one row needs.
    uses_texts: whether captions are learned from. embeds_texts: whether the finished model has a text tower.
    learns_scale, learns_bias: whether cosines are scaled and shifted by parameters of the model.
    reads_positions: whether the image tower must give a vector for each position, not only one per image.
    settings: fields of `ObjectiveConfig` that its loss takes besides `tile`.
    """

    network: NetworkName
    comparison: Literal["softmax", "sigmoid"] | None
    views: int = 1
    uses_texts: bool = True
    embeds_texts: bool = False
    learns_scale: bool = False
    learns_bias: bool = False
    reads_positions: bool = False
    settings: tuple[str, ...] = ()
    source: str

    @property
    def needs_negatives(self) -> bool:
        """Whether rows are compared with the other rows of a batch."""
        return self.comparison is not None

    @property
    def separable(self) -> bool:
        """Whether the loss of a batch is the mean of the losses of its equal parts."""
        return self.comparison is None


OBJECTIVES: Mapping[ObjectiveName, ObjectiveTraits] = {
    "info_nce": ObjectiveTraits(
        network="two_towers",
        comparison="softmax",
        embeds_texts=True,
        learns_scale=True,
        source="Radford et al. 2021, §2.3",
    ),
    "sigmoid": ObjectiveTraits(
        network="two_towers",
        comparison="sigmoid",
        embeds_texts=True,
        learns_scale=True,
        learns_bias=True,
        source="Zhai et al. 2023, Algorithm 1",
    ),
    "nt_xent": ObjectiveTraits(
        network="two_views",
        comparison="softmax",
        views=2,
        uses_texts=False,
        settings=("temperature",),
        source="Chen et al. 2020, Equation 1",
    ),
    "bag_of_words": ObjectiveTraits(
        network="bag_of_words",
        comparison=None,
        source="Joulin et al. 2016",
    ),
    "caption": ObjectiveTraits(
        network="captioner",
        comparison=None,
        reads_positions=True,
        source="Desai & Johnson 2021",
    ),
}


def get_traits(name: str) -> ObjectiveTraits:
    """Facts of an objective by its name. Raises: InputError for an unknown name."""
    check_choice("objective.name", name, OBJECTIVES)
    return OBJECTIVES[cast(ObjectiveName, name)]


def names_with(trait: str) -> list[str]:
    """Names of the objectives of which a yes-or-no trait is true, for messages."""
    return [name for name, traits in OBJECTIVES.items() if getattr(traits, trait)]
