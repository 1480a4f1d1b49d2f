"""Search by example on a labelled set: whether images of a kind are near each other, by each of several models."""
