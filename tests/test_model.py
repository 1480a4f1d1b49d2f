"""The public surface: images and texts of every kind in, unit vectors out, order kept, memory bounded."""

import dataclasses
import itertools
import os
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import random_models
from PIL import Image

import wordsight
from wordsight.checkpoint import Checkpoint
from wordsight.encoder import open_encoder, reference
from wordsight.errors import CheckpointError, ImageError, InputError
from wordsight.images.preprocess import preprocess
from wordsight.images.skipped import Skipped
from wordsight.model import Model, read_ahead, unit_rows
from wordsight.text.tokenizer import TextTruncatedWarning

SPEC = random_models.spec_of(
    random_models.vit(), random_models.text(context_length=16, vocab_size=49408), eos_id=49407, embed_dim=48
)
SPEC = dataclasses.replace(SPEC, tokenizer=dataclasses.replace(SPEC.tokenizer, bos_id=49406))


class MeanColours:
    """An encoder whose answer is plain: mean red, green, blue, and 1."""

    backend, precision = "reference", "f32"

    def __init__(self):
        self.batches: list[int] = []

    def encode_images(self, pixels_BHWC):
        assert pixels_BHWC.dtype == np.uint8
        self.batches.append(len(pixels_BHWC))
        features = np.ones((len(pixels_BHWC), 48), np.float32)
        features[:, :3] = pixels_BHWC.mean((1, 2))
        return features

    def encode_texts(self, tokens_BT):
        features = np.zeros((len(tokens_BT), 48), np.float32)
        features[:, 0] = tokens_BT.sum(1)
        features[:, 1] = 1
        return features


@pytest.fixture
def model():
    return Model(Checkpoint(SPEC, {}), MeanColours())


def colour(n: int) -> Image.Image:
    return Image.new("RGB", (40, 40), (n % 256, n // 256, 77))


def expected_rows(numbers) -> np.ndarray:
    rows = np.ones((len(numbers), 48))
    rows[:, :3] = [(n % 256, n // 256, 77) for n in numbers]
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture
def files(tmp_path):
    paths = []
    for n in range(50):
        paths.append(tmp_path / f"{n:02}.png")
        colour(n).save(paths[-1])
    return paths


def test_every_form_of_input_gives_rows_in_order(model, files):
    expected = expected_rows(range(50))
    stack = np.stack([np.asarray(colour(n)) for n in range(50)])
    for images in [
        files,
        tuple(map(str, files)),
        (p for p in files),
        stack,
        [Image.open(p) for p in files],
        list(stack),
    ]:
        embeddings = model.embed_images(images)
        assert embeddings.dtype == np.float32
        assert np.allclose(embeddings, expected, atol=1e-6)
    for one in [files[7], str(files[7]), files[7].read_bytes(), colour(7), stack[7]]:
        assert np.allclose(model.embed_images(one), expected[7:8], atol=1e-6)


def test_no_images_and_no_texts_give_no_rows(model):
    for nothing in [[], iter([]), np.empty((0, 8, 8, 3), np.uint8)]:
        assert model.embed_images(nothing).shape == (0, 48)
        assert model.embed_images(nothing).dtype == np.float32
    assert model.embed_texts([]).shape == (0, 48)
    assert list(model.stream_images([])) == []


def test_a_broken_image_raises_unless_skips_are_taken(model, files):
    files[3].write_bytes(b"")
    files[20].write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"03.png: the file is empty"):
        model.embed_images(files)
    skips: list[Skipped] = []
    for images in [files, iter(files)]:
        skips.clear()
        embeddings = model.embed_images(images, on_skip=skips.append, batch_size=8)
        kept = [n for n in range(50) if n not in (3, 20)]
        assert np.allclose(embeddings, expected_rows(kept), atol=1e-6)
        assert [s.item for s in skips] == [files[3], files[20]]
        assert skips[0].reason == "the file is empty"
        assert "not an image" in skips[1].reason


def test_only_broken_images(model, tmp_path):
    (tmp_path / "empty.jpg").touch()
    skips: list[Skipped] = []
    embeddings = model.embed_images([tmp_path / "empty.jpg"] * 200, batch_size=4, on_skip=skips.append)
    assert embeddings.shape == (0, 48)
    assert len(skips) == 200
    assert model.encoder.batches == []


def test_the_stream_keeps_order_and_counts_skips(model, files):
    files[5].write_bytes(b"")
    answers = list(model.stream_images(files, batch_size=7))
    assert answers[5] == Skipped(files[5], "the file is empty")
    for n, answer in enumerate(answers):
        if n != 5:
            item, embedding = answer
            assert item == files[n]
            assert np.allclose(embedding, expected_rows([n])[0], atol=1e-6)
    assert model.encoder.batches == [7] * 7
    assert len(answers) == 50


def test_the_stream_takes_only_a_few_batches_ahead(model):
    taken = itertools.count()
    latest = 0

    def endless():
        nonlocal latest
        for n in taken:
            latest = n
            yield colour(n % 200)

    stream = model.stream_images(endless(), batch_size=4)
    for seen in range(100):
        next(stream)
        assert latest - seen < 40
    stream.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("wordsight-decode")]


def test_progress_counts_every_image(model, files):
    files[1].write_bytes(b"")
    steps: list[int] = []
    model.embed_images(files, batch_size=8, progress=steps.append, on_skip=lambda s: None)
    assert sum(steps) == 50
    assert len(steps) > 3


def test_an_error_of_the_source_or_an_interrupt_comes_through_and_leaves_no_threads(model):
    for error in (ZeroDivisionError, KeyboardInterrupt):

        def source(error=error):
            yield from (colour(n) for n in range(70))
            raise error

        with pytest.raises(error):
            model.embed_images(source(), batch_size=4)
        assert not [t for t in threading.enumerate() if t.name.startswith("wordsight-decode")]


def test_reading_ahead_overlaps_and_what_waits_is_dropped_on_close():
    started: list[int] = []

    def slow(n):
        started.append(n)
        time.sleep(0.01)
        return -n

    pairs = read_ahead(range(1000), slow, look_ahead=20, threads=4)
    assert list(itertools.islice(pairs, 5)) == [(n, -n) for n in range(5)]
    pairs.close()
    assert len(started) < 25


def test_large_jpegs_are_scaled_unless_exact(model, tmp_path):
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (30, 40, 3), np.uint8))
    path = tmp_path / "large.jpg"
    coarse.resize((800, 600), Image.Resampling.BICUBIC).save(path, quality=90)
    exact, scaled = model.embed_images(path, exact=True), model.embed_images(path)
    assert np.allclose(exact, model.embed_images(Image.open(path)), atol=1e-7)
    assert not np.array_equal(exact, scaled)
    assert float(exact[0] @ scaled[0]) > 0.99999


def test_other_inputs_are_refused(model):
    with pytest.raises(InputError, match="given as int, expected a path"):
        model.embed_images(5)
    with pytest.raises(InputError, match="given as NoneType"):
        model.embed_images([None])
    with pytest.raises(InputError, match=r"shape \(8, 8, 3\) and type float32"):
        model.embed_images(np.zeros((2, 8, 8, 3), np.float32))
    with pytest.raises(InputError, match="batch_size is 0"):
        model.embed_images([], batch_size=0)
    with pytest.raises(InputError, match=r"Text 1 is 5 \(int\)"):
        model.embed_texts(["cat", 5])


def test_texts_are_unit_rows_and_one_str_is_one_text(model):
    embeddings = model.embed_texts(["a cat", "a dog"] * 300)
    assert embeddings.shape == (600, 48)
    assert embeddings.dtype == np.float32
    assert np.allclose(np.linalg.norm(embeddings, axis=-1), 1, atol=1e-6)
    assert np.array_equal(embeddings[:2], embeddings[598:])
    assert np.array_equal(model.embed_texts("a cat"), embeddings[:1])


def test_texts_that_do_not_fit_are_told_once(model):
    texts = ["a cat", "one two three four five six seven eight nine ten one two three four five six", "cat " * 20]
    with pytest.warns(
        TextTruncatedWarning, match=r"'one two .*' is longer .* 16 tokens: its last 2 tokens .*\(and 1 more"
    ) as w:
        model.embed_texts(texts)
    assert len(w) == 1
    assert w[0].filename == __file__
    assert model.tokenizer(texts).truncated.tolist() == [0, 2, 6]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.embed_texts("a cat")


def test_features_without_direction_are_an_error_that_names_the_input(model, files):
    for value in (np.nan, 0.0, np.inf):
        with pytest.raises(CheckpointError, match="features of b have the norm"):
            unit_rows(np.float32([[1, 2], [value, 0]]), ["a", "b"])

    class Broken(MeanColours):
        def encode_images(self, pixels_BHWC):
            return np.full((len(pixels_BHWC), 48), np.nan, np.float32)

    with pytest.raises(CheckpointError, match=r"00.png.*try precision='f32'"):
        Model(Checkpoint(SPEC, {}), Broken()).embed_images(files)


def test_rows_are_divided_by_their_own_norms():
    features = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    expected = [[x / sum(y * y for y in row) ** 0.5 for x in row] for row in features.astype(float).tolist()]
    assert np.allclose(unit_rows(features, list("abcde")), expected, atol=1e-7)


def test_what_a_model_says_of_itself(model):
    assert model.spec is SPEC
    assert model.scale == pytest.approx(np.exp(2.6592))
    assert model.bias is None
    assert len(model.fingerprint) == 32
    assert repr(model) == "<Model random, reference f32>"


def test_embeddings_equal_the_reference_through_the_whole_pipeline(files):
    checkpoint = random_models.random_checkpoint(SPEC)
    model = Model(checkpoint, open_encoder(checkpoint, "openvino", "f32"))
    pixels = np.stack([preprocess(colour(n), SPEC.preprocess) for n in range(20)])
    expected = random_models.unit(reference.encode_images(checkpoint, pixels))
    assert np.abs(model.embed_images(files[:20]) - expected).max() < 1e-5
    texts = ["a cat", "", "two dogs on a beach"]
    expected = random_models.unit(reference.encode_texts(checkpoint, model.tokenizer(texts).ids))
    assert np.abs(model.embed_texts(texts) - expected).max() < 1e-5


def test_load_opens_a_checkpoint_by_path(tmp_path, files):
    from wordsight.weights import write as weights

    checkpoint = random_models.random_checkpoint(SPEC)
    weights.write_checkpoint(checkpoint, tmp_path / "model", "wordsight")
    model = wordsight.load(tmp_path / "model", precision="f32")
    assert model.fingerprint == checkpoint.fingerprint
    assert model.embed_images(files[:3]).shape == (3, 48)
    with pytest.raises(InputError, match=r"backend is 'openvinoo'.*Did you mean: openvino"):
        wordsight.load(tmp_path / "model", backend="openvinoo")


def test_odd_images_are_embedded_and_hopeless_ones_counted(model, tmp_path, monkeypatch):
    Image.new("RGB", (1, 1), (10, 0, 77)).save(tmp_path / "a_dot.png")
    Image.new("RGB", (3000, 2), (10, 0, 77)).save(tmp_path / "b_line.png")
    Image.fromarray(np.full((9, 7), 257 * 50, np.uint16)).save(tmp_path / "c_16_bit.png")
    Image.new("CMYK", (30, 20), (0, 0, 0, 128)).save(tmp_path / "d_cmyk.tif")
    frames = [Image.new("RGB", (8, 8), shade) for shade in ("red", "blue")]
    frames[0].save(tmp_path / "e_animated.gif", save_all=True, append_images=frames[1:])
    Image.new("RGB", (400, 400)).save(tmp_path / "f_huge.png")
    (tmp_path / "g_cut.jpg").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30_000)
    skips: list[Skipped] = []
    embeddings = model.embed_images(sorted(tmp_path.iterdir()), on_skip=skips.append)
    rows = np.ones((5, 48))
    rows[:, :3] = [(10, 0, 77), (10, 0, 77), (50, 50, 50), (127, 127, 127), (255, 0, 0)]
    assert np.allclose(embeddings, rows / np.linalg.norm(rows, axis=-1, keepdims=True), atol=1e-3)
    assert [s.item.name for s in skips] == ["f_huge.png", "g_cut.jpg"]
    assert "has 160,000 pixels, which take 1 MiB of memory, more than the limit" in skips[0].reason


FORK = """
import os, signal, sys
import numpy as np
import wordsight

model = wordsight.load("mini", backend="openvino")
texts, images = ["a cat", "a dog"], [np.zeros((9, 9, 3), np.uint8)] * 2
before = model.embed_texts(texts), model.embed_images(images)
child = os.fork()
if child == 0:
    signal.alarm(100)  # a deadlock ends
    after = model.embed_texts(texts), model.embed_images(images)
    os._exit(0 if all(np.allclose(a, b, atol=2e-3) for a, b in zip(before, after)) else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_a_forked_process_embeds_with_a_model_that_was_used_before():
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], timeout=200, check=False).returncode == 0
