"""Models under mteb: a task in memory, with a model that knows three colours."""

import numpy as np
import pytest
from colour_model import COLOURS, ColourModel, image

from wordsight.errors import InputError
from wordsight.evaluate.mteb import MTEBModel
from wordsight.images.skipped import Skipped

mteb = pytest.importorskip("mteb", reason="mteb is not installed; it is not a dependency (pip install mteb)")


class ColourEmbedder(ColourModel):
    name = "colours/small"


class ImagesOnly:
    name = fingerprint = "pixels"

    def stream_images(self, images):
        for one in images:
            yield one, np.asarray(one.resize((1, 1)), np.float32)[0, 0]


SQUARES = [(image(colour, (8, 8 + i)), label) for i in range(3) for label, colour in enumerate(COLOURS)]


@pytest.fixture(scope="module")
def zero_shot():
    """A zero-shot task of nine squares of three colours."""
    from datasets import Dataset, DatasetDict
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.abstasks.zeroshot_classification import AbsTaskZeroShotClassification

    class Colours(AbsTaskZeroShotClassification):
        metadata = TaskMetadata(
            name="Colours", description="Squares of three colours.", reference=None, type="ZeroShotClassification",
            dataset={"path": "none", "revision": "none"}, category="i2t", modalities=["image", "text"],
            eval_splits=["test"], eval_langs=["eng-Latn"], main_score="accuracy", date=("2026-01-01", "2026-01-02"),
            domains=[], task_subtypes=[], license="cc0-1.0", annotations_creators="derived", dialect=[],
            sample_creation="created", bibtex_citation="",
        )  # fmt: skip

        def load_data(self, **_):
            rows = {"image": [square for square, _ in SQUARES], "label": [label for _, label in SQUARES]}
            self.dataset = DatasetDict({"test": Dataset.from_dict(rows)})
            self.data_loaded = True

        def get_candidate_labels(self):
            return [f"a {colour} square" for colour in COLOURS]

    return Colours()


def test_a_zero_shot_task_is_solved(zero_shot):
    result = mteb.evaluate(MTEBModel(ColourEmbedder()), zero_shot, cache=None, show_progress_bar=False)
    (task,) = result.task_results
    assert task.scores["test"][0]["accuracy"] == 1
    assert (result.model_name, result.model_revision) == ("wordsight/colours_small", "colour")


def test_it_is_an_encoder_of_mteb():
    from mteb.models import EncoderProtocol

    model = MTEBModel(ColourEmbedder())
    assert isinstance(model, EncoderProtocol)
    assert model.mteb_model_meta.modalities == ["text", "image"]
    assert MTEBModel(ImagesOnly()).mteb_model_meta.modalities == ["image"]
    unit = np.eye(3, dtype=np.float32)
    np.testing.assert_allclose(model.similarity(unit, unit), unit)
    np.testing.assert_allclose(model.similarity_pairwise(unit, unit), [1, 1, 1])


class Loader(list):
    """Batches of rows, as mteb's DataLoader gives them."""

    def __init__(self, batches):
        super().__init__(batches)
        self.dataset = type("Rows", (), {"features": dict.fromkeys(batches[0])})


def encode(model, *batches):
    task = type("Task", (), {"name": "Colours"})
    return model.encode(Loader(batches), task_metadata=task, hf_split="test", hf_subset="default")


def test_rows_with_image_and_text_are_the_sum_of_both():
    colours, (square, _) = ColourEmbedder(), SQUARES[0]
    expected = colours.embed_images([square]) + colours.embed_texts(["blue"])
    found = encode(MTEBModel(colours), {"image": [square], "text": ["blue"]})
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-6)
    batches = [{"text": ["red", "blue"]}, {"text": ["green"]}]
    np.testing.assert_array_equal(encode(MTEBModel(colours), *batches), colours.embed_texts(["red", "blue", "green"]))


def test_what_cannot_be_embedded_is_told():
    with pytest.raises(InputError, match="'pixels' embeds images only, but the task has texts"):
        encode(MTEBModel(ImagesOnly()), {"text": ["red"]})
    with pytest.raises(InputError, match=r"task Colours has the columns \['audio'\]"):
        encode(MTEBModel(ImagesOnly()), {"audio": [1]})

    class Refuses(ImagesOnly):
        def stream_images(self, images):
            yield Skipped("a.png", "is damaged")

    with pytest.raises(InputError, match="Image 1 of the task cannot be embedded: is damaged"):
        encode(MTEBModel(Refuses()), {"image": [SQUARES[0][0]]})
