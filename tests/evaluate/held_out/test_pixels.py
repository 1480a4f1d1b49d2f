"""Pixels of images, read once and kept as far as they fit."""

import numpy as np
from labelled_squares import SPEC, squares, zero_shot  # noqa: F401

from wordsight.evaluate.held_out import pixels as pixels_module
from wordsight.evaluate.held_out.pixels import Pixels
from wordsight.evaluate.held_out.zero_shot import open_held_out
from wordsight.images.decode import read_image
from wordsight.images.preprocess import preprocess


def test_pixels_are_those_that_the_model_sees_and_are_read_once(squares, monkeypatch):
    paths = open_held_out(zero_shot(squares)).images
    pixels = Pixels(paths, SPEC.preprocess, memory=10 * 16 * 16 * 3)
    first = list(pixels.batches(7))
    assert [len(places) for places, _ in first] == [7, 7, 7, 3]
    assert np.array_equal(first[0][1][2], preprocess(read_image(paths[2], at_least=None), SPEC.preprocess))
    read = []
    kept = pixels_module.read_pixels
    monkeypatch.setattr(pixels_module, "read_pixels", lambda item, spec: read.append(item) or kept(item, spec))
    again = list(pixels.batches(7))
    assert all(np.array_equal(one, other) for (_, one), (_, other) in zip(first, again, strict=True))
    assert len(read) == 14  # ten of 24 fit into the memory that was allowed
