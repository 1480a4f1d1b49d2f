"""Pairs for training: sources of many kinds, in an order that can be resumed, decoded beside the loop."""

from wordsight.train.data.loading import TrainData, open_data
from wordsight.train.data.order import DataState
from wordsight.train.data.shards import write_shards

__all__ = ["DataState", "TrainData", "open_data", "write_shards"]
