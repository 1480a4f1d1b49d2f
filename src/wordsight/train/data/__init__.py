"""Pairs for training: sources of many kinds, in an order that can be resumed, decoded beside the loop.

An epoch: of tables each row once, also where several rows name the same image (five captions in five rows are five
pairs; a list of captions in one cell, or several columns of them, is one pair that says one of them each time); of
folders each image; of shards and datasets each sample.

Every source is a stream of references (file, row, place in a shard), whose order only seed and epoch decide. Skipping
and resuming deal with references alone; workers turn them into pixels and tokens. What cannot be read is counted, and
its place is filled by the next pair.
"""

from wordsight.pairs.order import DataState
from wordsight.train.data.loading import TrainData, open_data

__all__ = ["DataState", "TrainData", "open_data"]
