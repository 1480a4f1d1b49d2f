"""Trained networks: for each objective one from a batch to `Features`, all with the interface of `Network`."""

from wordsight.train.networks.base import Network
from wordsight.train.networks.build import NETWORKS, build_network
from wordsight.train.networks.two_towers import TwoTowers

__all__ = ["NETWORKS", "Network", "TwoTowers", "build_network"]
