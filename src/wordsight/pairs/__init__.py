"""Image–text pairs, without torch: read from tables, folders, shards and datasets, for training.

Every source is a stream of references (file, row, range of bytes in a shard), whose order only seed and epoch decide;
a reader turns a reference into an image's bytes and its captions. What cannot be read is counted.
"""
