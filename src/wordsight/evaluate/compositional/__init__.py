"""Compositional pairs: captions of the same words that only their order, their attributes or one object tell apart."""
