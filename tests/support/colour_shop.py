"""A small shop whose titles name what the model does not know, and judged queries for it."""

import pytest
from colour_model import COLOURS, DIM, ColourModel, image
from memory_index import MemoryIndex, index_info

from wordsight.index import Row
from wordsight.search.judged import Judged


@pytest.fixture
def shop():
    """Four images of each colour; the titles name a size, which the model does not know."""
    index, model = MemoryIndex(index_info(DIM, "colour", "colour")), ColourModel()
    for colour in COLOURS:
        for i, size in enumerate(("small", "medium", "large", "huge")):
            path = f"/shop/{colour}/{size}.png"
            vector = model.embed_images([image(colour, (8, 8 + i))])[0]
            index.add([Row(path, "/shop", path, path, vector, text=f"{size} article", meta={"n": i})])
    return index


def questions():
    return [
        Judged(f"{colour} {size}", frozenset([f"/shop/{colour}/{size}.png"]))
        for colour in COLOURS
        for size in ("small", "medium", "large", "huge")
    ]
