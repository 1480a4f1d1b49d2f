"""The OpenVINO encoder beyond agreement (test_encoder_agreement): precisions, batches, text cutting, cache, silence."""

import dataclasses
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import random_models
from hypothesis import given
from hypothesis import strategies as st

from wordsight.encoder import open_encoder, reference
from wordsight.encoder.openvino import cache as openvino_cache
from wordsight.encoder.openvino import encoder as backend
from wordsight.encoder.openvino.encoder import OpenVinoEncoder, processor_precisions, request_rows
from wordsight.encoder.torch import TorchEncoder
from wordsight.errors import InputError, MissingExtraError

SPEC = random_models.CLIP
LONG = random_models.spec_of(random_models.vit(), random_models.text(context_length=77))


@pytest.fixture(scope="module")
def checkpoint():
    return random_models.random_checkpoint(SPEC)


@pytest.fixture(scope="module")
def encoder(checkpoint):
    return OpenVinoEncoder(checkpoint, "f32")


def random_pixels(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)


def cosines(a_BD, b_BD):
    return (random_models.unit(a_BD) * random_models.unit(b_BD)).sum(axis=-1)


def texts_of_lengths(lengths, context_length, eos_id=49, seed=0):
    rng = np.random.default_rng(seed)
    tokens_BT = np.zeros((len(lengths), context_length), dtype=np.int32)
    for row, length in zip(tokens_BT, lengths, strict=True):
        row[:length] = rng.integers(1, eos_id, length)
        row[length] = eos_id
    return tokens_BT


# Precisions


def test_auto_takes_bf16_where_the_processor_has_it(checkpoint, monkeypatch):
    monkeypatch.delenv("WORDSIGHT_PRECISION", raising=False)
    assert OpenVinoEncoder(checkpoint).precision == ("bf16" if "bf16" in processor_precisions() else "f32")
    monkeypatch.setattr(backend, "processor_precisions", lambda: ("f32", "int8"))
    assert OpenVinoEncoder(checkpoint).precision == "f32"


@pytest.mark.parametrize("precision", [each for each in ("f32", "bf16") if each in processor_precisions()])
@pytest.mark.parametrize("open_encoder", [OpenVinoEncoder, TorchEncoder])
def test_the_environment_says_what_auto_means(checkpoint, monkeypatch, open_encoder, precision):
    monkeypatch.setenv("WORDSIGHT_PRECISION", precision)
    assert open_encoder(checkpoint).precision == precision
    assert open_encoder(checkpoint, "f32").precision == "f32"  # what is asked for by name stays


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("int8", r"WORDSIGHT_PRECISION is 'int8' in the environment, expected one of auto, f32, bf16\."),
        ("bf61", r"WORDSIGHT_PRECISION is 'bf61' .+ Did you mean: bf16"),
        ("bf16", r"WORDSIGHT_PRECISION in the environment is 'bf16', but this processor \(.+\) has only f32, int8"),
    ],
)
def test_an_environment_that_asks_for_what_is_not_there(checkpoint, monkeypatch, said, message):
    monkeypatch.setattr(backend, "processor_precisions", lambda: ("f32", "int8"))
    monkeypatch.setenv("WORDSIGHT_PRECISION", said)
    with pytest.raises(InputError, match=message):
        OpenVinoEncoder(checkpoint)
    assert OpenVinoEncoder(checkpoint, "f32").precision == "f32"


def test_bf16_on_a_processor_without_it_names_what_there_is(checkpoint, monkeypatch):
    monkeypatch.setattr(backend, "processor_precisions", lambda: ("f32", "int8"))
    with pytest.raises(InputError, match=r"precision is 'bf16', but this processor \(.+\) has only f32, int8"):
        OpenVinoEncoder(checkpoint, "bf16")


@pytest.mark.skipif("bf16" not in processor_precisions(), reason="this processor has no bfloat16")
@pytest.mark.parametrize("name", random_models.SPECS)
def test_bf16_stays_close_to_the_reference(name):
    checkpoint = random_models.random_checkpoint(random_models.SPECS[name])
    pixels_BHWC, tokens_BT = random_models.random_inputs(checkpoint.spec, n=8)
    encoder = OpenVinoEncoder(checkpoint, "bf16")
    assert cosines(encoder.encode_images(pixels_BHWC), reference.encode_images(checkpoint, pixels_BHWC)).min() > 0.999
    assert cosines(encoder.encode_texts(tokens_BT), reference.encode_texts(checkpoint, tokens_BT)).min() > 0.999


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"precision": "bf61"}, r"precision is 'bf61', expected one of auto, f32, bf16, int8\. Did you mean: bf16"),
        ({"backend": "openvin"}, r"backend is 'openvin', expected one of .*Did you mean: openvino"),
        ({"precision": "int8"}, r"'random' has no int8 image tower\. Make one with: wordsight quantize"),
    ],
)
def test_what_does_not_exist_is_named(checkpoint, asked, message):
    with pytest.raises(InputError, match=message):
        open_encoder(checkpoint, **{"backend": "openvino", **asked})


def test_the_torch_backend_without_torch_names_the_extra(checkpoint, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'wordsight\[torch\]'"):
        open_encoder(checkpoint, "torch")


# Batches


def test_many_rows_come_back_in_order(checkpoint, encoder):
    pixels_BHWC = random_pixels(37)
    np.testing.assert_allclose(
        random_models.unit(encoder.encode_images(pixels_BHWC)),
        random_models.unit(reference.encode_images(checkpoint, pixels_BHWC)),
        atol=1e-5,
    )


def test_no_rows_give_no_features(encoder):
    size = SPEC.image.image_size
    assert encoder.encode_images(np.empty((0, size, size, 3), np.uint8)).shape == (0, SPEC.embed_dim)
    assert encoder.encode_texts(np.empty((0, 12), np.int32)).shape == (0, SPEC.embed_dim)


def test_read_only_and_strided_pixels_are_taken(checkpoint, encoder):
    pixels_BHWC = random_pixels(4)
    expected = encoder.encode_images(pixels_BHWC)
    flipped = pixels_BHWC[::-1]
    flipped.setflags(write=False)
    np.testing.assert_array_equal(encoder.encode_images(flipped), expected[::-1])


def test_threads_may_share_an_encoder(checkpoint, encoder):
    batches = [random_pixels(n, seed=n) for n in (1, 2, 3, 9, 1, 17)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(encoder.encode_images, batches))
    for got, pixels_BHWC in zip(together, batches, strict=True):
        np.testing.assert_allclose(got, encoder.encode_images(pixels_BHWC), atol=1e-5)


@given(rows=st.integers(1, 500), width=st.integers(1, 32), most=st.integers(1, 64))
def test_requests_are_no_larger_than_allowed_and_keep_all_busy(rows, width, most):
    step = request_rows(rows, width, most)
    assert 1 <= step <= most
    requests = -(-rows // step)
    assert requests >= min(rows, width) or step * (requests + 1) > rows  # as many as there are, up to rounding
    assert requests * step >= rows


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((1, 32, 32, 3), np.float32), r"float32 of shape \(1, 32, 32, 3\), expected uint8"),
        (np.zeros((1, 3, 32, 32), np.uint8), r"uint8 of shape \(1, 3, 32, 32\), expected .* \(B, 32, 32, 3\)"),
        (np.zeros((32, 32, 3), np.uint8), r"shape \(32, 32, 3\)"),
    ],
)
def test_other_pixels_are_refused(encoder, pixels, message):
    with pytest.raises(InputError, match=message):
        encoder.encode_images(pixels)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (np.full((1, 12), 50), r"ids go from 50 to 50, expected 0 to 49"),
        (np.full((1, 12), -1), r"ids go from -1"),
        (np.zeros((1, 13), int), r"shape \(1, 13\), expected whole numbers of shape \(B, 12\)"),
        (np.zeros((1, 12)), r"float64 of shape"),
        (np.zeros(12, int), r"shape \(12,\)"),
    ],
)
def test_other_tokens_are_refused(encoder, tokens, message):
    with pytest.raises(InputError, match=message):
        encoder.encode_texts(tokens)


# Geometry and texts


def test_pixels_beyond_the_last_whole_patch_are_not_seen():
    """As with SigLIP so400m/14 at 384 px: 27 whole patches, 6 pixels left over."""
    small = random_models.random_checkpoint(SPEC)
    wide = dataclasses.replace(SPEC, image=dataclasses.replace(SPEC.image, image_size=35))
    pixels_BHWC = np.random.default_rng(0).integers(0, 256, (2, 35, 35, 3), dtype=np.uint8)
    got = OpenVinoEncoder(dataclasses.replace(small, spec=wide), "f32").encode_images(pixels_BHWC)
    expected = OpenVinoEncoder(small, "f32").encode_images(np.ascontiguousarray(pixels_BHWC[:, :32, :32]))
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_a_short_text_is_run_short_and_gives_the_same(monkeypatch):
    checkpoint = random_models.random_checkpoint(LONG)
    lengths = [3, 76, 8, 1, 20, 7, 40] * 10
    tokens_BT = texts_of_lengths(lengths, 77)
    expected = random_models.unit(reference.encode_texts(checkpoint, tokens_BT))
    ran = []
    original = backend.cut_texts
    monkeypatch.setattr(backend, "cut_texts", lambda *a: ran.append(original(*a)) or ran[-1])
    got = OpenVinoEncoder(checkpoint, "f32").encode_texts(tokens_BT)
    np.testing.assert_allclose(random_models.unit(got), expected, atol=1e-5)
    widths = [tokens.shape[1] for tokens, _ in ran]
    assert max(widths) == 77
    assert min(widths) <= 16
    assert sum(tokens.size for tokens, _ in ran) < 0.7 * tokens_BT.size


def test_what_follows_the_end_of_a_text_does_not_matter():
    checkpoint = random_models.random_checkpoint(LONG)
    tokens_BT = texts_of_lengths([5, 5], 77)
    tokens_BT[1] = tokens_BT[0]
    tokens_BT[1, 6:] = 7  # padding with another id, below the end's
    got = OpenVinoEncoder(checkpoint, "f32").encode_texts(tokens_BT)
    np.testing.assert_allclose(got[0], got[1], atol=1e-6)


def test_texts_of_a_tower_that_sees_everything_are_not_cut():
    spec = random_models.SIGLIP
    tokens_BT = random_models.random_inputs(spec, n=2)[1]
    tokens, ends = backend.checked_tokens(spec, tokens_BT)
    assert backend.cut_texts(spec, tokens, ends)[0].shape == tokens_BT.shape
    assert ends.tolist() == [tokens_BT.shape[1] - 1] * 2


# The cache of compiled graphs


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of its own, used for models of any size."""
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path))
    monkeypatch.setattr(openvino_cache, "WORTHWHILE", range(2**40))
    return tmp_path / "openvino"


def test_a_compiled_graph_is_kept_and_read_again(checkpoint, cache):
    pixels_BHWC = random_pixels(1)
    first = OpenVinoEncoder(checkpoint, "f32").encode_images(pixels_BHWC)
    (entry,) = cache.rglob("*.blob")
    written = entry.stat().st_mtime_ns
    np.testing.assert_array_equal(OpenVinoEncoder(checkpoint, "f32").encode_images(pixels_BHWC), first)
    assert [e.stat().st_mtime_ns for e in cache.rglob("*.blob")] == [written]


def test_other_weights_are_another_entry(checkpoint, cache):
    pixels_BHWC = random_pixels(1)
    other = random_models.random_checkpoint(SPEC, seed=1)
    for each in (checkpoint, other):
        got = OpenVinoEncoder(each, "f32").encode_images(pixels_BHWC)
        np.testing.assert_allclose(got, reference.encode_images(each, pixels_BHWC), atol=1e-4)
    assert len(list(cache.rglob("*.blob"))) == 2


DAMAGE = {
    "cut": lambda content: content[: len(content) // 2],
    "emptied": lambda content: b"",
    "zeroed": lambda content: bytes(len(content)),
    "one bit flipped": lambda content: content[:-5000] + bytes([content[-5000] ^ 64]) + content[-4999:],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_made_again(checkpoint, cache, damage):
    pixels_BHWC = random_pixels(1)
    expected = OpenVinoEncoder(checkpoint, "f32").encode_images(pixels_BHWC)
    (entry,) = cache.rglob("*.blob")
    content = entry.read_bytes()
    entry.chmod(0o644)
    entry.write_bytes(DAMAGE[damage](content))
    np.testing.assert_array_equal(OpenVinoEncoder(checkpoint, "f32").encode_images(pixels_BHWC), expected)
    (entry,) = cache.rglob("*.blob")
    assert entry.stat().st_size > 0.9 * len(content)  # whole again; OpenVINO's own XML differs by some bytes


def test_a_cache_folder_that_cannot_be_made_is_done_without(checkpoint, cache):
    cache.parent.joinpath("openvino").write_text("a file in the folder's place")
    pixels_BHWC = random_pixels(1)
    assert OpenVinoEncoder(checkpoint, "f32").encode_images(pixels_BHWC).shape == (1, SPEC.embed_dim)


def test_small_models_are_not_cached(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path))
    OpenVinoEncoder(checkpoint, "f32").encode_images(random_pixels(1))
    assert list(tmp_path.iterdir()) == []


def test_the_entries_unused_for_longest_go_first(tmp_path):
    for age, name in enumerate(["new", "older", "oldest"]):
        path = tmp_path / f"{name}.blob"
        path.write_bytes(b"x" * 100)
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    openvino_cache.trim(tmp_path, limit=250)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["new", "older"]


# Silence

CALLS_NOWHERE = """
import json, socket, sys
calls = []
def record(name):
    def refuse(*args, **kwargs):
        calls.append([name, repr(args)])
        raise OSError("no network in this test")
    return refuse
for name in ("getaddrinfo", "gethostbyname", "create_connection"):
    setattr(socket, name, record(name))
class Socket(socket.socket):
    connect = record("connect")
    connect_ex = record("connect_ex")
    sendto = record("sendto")
socket.socket = Socket
import random_models
from wordsight.encoder import open_encoder
checkpoint = random_models.random_checkpoint(random_models.CLIP)
pixels, tokens = random_models.random_inputs(checkpoint.spec)
encoder = open_encoder(checkpoint, "openvino", "f32")
encoder.encode_images(pixels), encoder.encode_texts(tokens)
try:
    from wordsight.encoder.openvino.int8 import import_nncf
    import_nncf()
except ImportError:
    pass
import threading, time
time.sleep(0.3)  # telemetry is sent from a thread
print(json.dumps({"calls": calls, "modules": [m for m in sys.modules if m.startswith("openvino_telemetry")]}))
"""


def test_nothing_calls_out(tmp_path):
    """A plain `import openvino` announces itself to an analytics server and leaves files in the home folder."""
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "TF_BUILD", "JENKINS_URL", "NNCF_CI")}
    done = subprocess.run(
        [sys.executable, "-c", CALLS_NOWHERE],
        env=environment | {"HOME": str(tmp_path), "WORDSIGHT_CACHE": str(tmp_path / "cache")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1]) == {"calls": [], "modules": []}
    assert list(tmp_path.iterdir()) == []


def test_openvino_is_imported_in_one_place_only():
    """Every other import of it could be the first, and then it would make a network call."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(backend.__file__)))
    importing = []
    for folder, _, files in os.walk(package):
        for file in files:
            if file.endswith(".py"):
                path = os.path.join(folder, file)
                with open(path, encoding="utf-8") as source:
                    lines = [line.split() for line in source]
                if any(words[:1] in (["import"], ["from"]) and words[1].split(".")[0] == "openvino" for words in lines):
                    importing.append(file)
    assert importing == ["openvino_import.py"]
