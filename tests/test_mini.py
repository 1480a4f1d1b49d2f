"""The bundled model: inside the package, small, and as good on unseen images as its card says."""

from __future__ import annotations

import importlib.resources
import socket
from collections import defaultdict

import numpy as np
import pytest
from project import DATA

import wordsight

needs = pytest.mark.skipif(not DATA.exists(), reason=f"no images at {DATA}; set WORDSIGHT_DATA")


@pytest.fixture(scope="module")
def mini() -> wordsight.Model:
    return wordsight.load("mini", backend="openvino")


def test_the_model_is_in_the_package_and_small() -> None:
    folder = importlib.resources.files("wordsight") / "data" / "mini"
    sizes = {file.name: len(file.read_bytes()) for file in folder.iterdir()}
    assert {"model.safetensors", "wordsight.json", "tokenizer.json"} <= set(sizes)
    assert sum(sizes.values()) < 45e6


def test_it_loads_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the bundled model asked for the network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    model = wordsight.load("mini", backend="openvino")
    vectors = model.embed_texts(["a photo of a dog.", "a photo of a cat.", "a dog"])
    assert vectors.shape == (3, model.spec.embed_dim)
    assert vectors[0] @ vectors[2] > vectors[0] @ vectors[1]


def test_precisions_agree(mini: wordsight.Model) -> None:
    """bf16 may turn an embedding by a little, never by more than a hundredth of a cosine."""
    pixels = np.random.default_rng(0).integers(0, 256, (4, 97, 131, 3), dtype=np.uint8)
    exact = wordsight.load("mini", backend="openvino", precision="f32")
    texts = ["a red dress", "two dogs on the beach", "an x-ray", "🐶"]
    assert (mini.embed_images(pixels) * exact.embed_images(pixels)).sum(axis=1).min() > 0.98
    assert (mini.embed_texts(texts) * exact.embed_texts(texts)).sum(axis=1).min() > 0.99


def test_upper_case_and_spaces_do_not_matter(mini: wordsight.Model) -> None:
    a, b = mini.embed_texts(["a photo of a Red  DRESS", "a photo of a red dress"])
    np.testing.assert_allclose(a, b, atol=1e-6)


@needs
def test_it_tells_unseen_clothes_apart(mini: wordsight.Model) -> None:
    """A sample of 5 images a class of clothing's validation split; chance is 10 %."""
    names = {"longsleeve": "long-sleeve top", "outwear": "jacket or coat"}
    files = [f for folder in sorted((DATA / "clothing/validation").iterdir()) for f in sorted(folder.iterdir())[:5]]
    classes = sorted({f.parent.name for f in files})
    prompts = mini.embed_texts([f"a photo of a {names.get(c, c)}." for c in classes])
    nearest = (mini.embed_images(files) @ prompts.T).argmax(axis=1)
    right = np.mean([classes[k] == f.parent.name for k, f in zip(nearest, files, strict=True)])
    assert right >= 0.75


@needs
def test_it_finds_unseen_photos_by_their_captions(mini: wordsight.Model) -> None:
    """The first 100 images of flickr8k-a, first caption each; chance is 10 %."""
    captions = defaultdict(list)
    for line in (DATA / "flickr8k-a/captions.tsv").read_text(encoding="utf-8").splitlines():
        file, text = line.split("\t")
        captions[file].append(text)
    files = sorted(captions)[:100]
    images = mini.embed_images([DATA / "flickr8k-a/images" / f for f in files])
    texts = mini.embed_texts([captions[f][0] for f in files])
    scores = texts @ images.T
    rank = (scores > np.diag(scores)[:, None]).sum(axis=1)
    assert (rank < 10).mean() >= 0.80
