"""Models behind an address, with a small server in this process that answers well or badly."""

import base64
import contextlib
import http.server
import io
import json
import threading

import numpy as np
import pytest
from PIL import Image

from wordsight.errors import InputError
from wordsight.evaluate.embedder import ImageTextEmbedder
from wordsight.evaluate.models import open_embedder
from wordsight.evaluate.server import client
from wordsight.evaluate.server.address import Address
from wordsight.evaluate.server.embedder import to_uri
from wordsight.images.skipped import Skipped


def embed_image(uri):
    """Mean colour of an image, and a 1."""
    assert uri.startswith("data:image/png;base64,")
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))), float) / 255
    return [*pixels.mean((0, 1)).tolist(), 1.0]


def embed_text(text):
    """Length of a text, in as many numbers."""
    return [0.1 * len(text), 0.0, 0.0, 0.5]


def read_inputs(body):
    """Inputs of a request in any dialect."""
    if "messages" in body:
        return "vllm", [body["messages"][0]["content"][0]["image_url"]["url"]]
    if any(isinstance(one, dict) for one in body["input"]):
        return "jina", [one["image"] for one in body["input"]]
    if body.get("modality") == "image":
        return "infinity", body["input"]
    return "text", body["input"]


def write_answer(vectors):
    entries = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    return {"object": "list", "data": entries[::-1], "model": "m"}  # the order is that of the indexes


class Server(http.server.ThreadingHTTPServer):
    """Speaks the dialects in `dialects`, and answers its next requests by the functions in `special`."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.dialects, self.special, self.seen, self.headers = {"text", "jina"}, [], [], []
        self.embed_image = embed_image
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append(body)
        self.server.headers.append(dict(self.headers) | {"path": self.path})
        if self.server.special:
            return self.server.special.pop(0)(self, body)
        dialect, inputs = read_inputs(body)
        if dialect not in self.server.dialects:
            return self.answer(422, {"detail": f"{dialect} is not understood"})
        vectors = [embed_text(value) if dialect == "text" else self.server.embed_image(value) for value in inputs]
        if body.get("encoding_format") == "base64":
            vectors = [base64.b64encode(np.array(vector, "<f4").tobytes()).decode() for vector in vectors]
        return self.answer(200, write_answer(vectors))

    def answer(self, status, content, **headers):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(content)

    def log_message(self, *_):
        pass


def reply(status, content, **headers):
    """Answer of one request."""
    return lambda handler, body: handler.answer(status, content, **headers)


@pytest.fixture
def served(monkeypatch):
    """A running server; nothing waits for a second try, the waits are in `waited`."""
    monkeypatch.delenv(client.KEY, raising=False)
    running = Server()
    running.waited = []
    monkeypatch.setattr(client.time, "sleep", running.waited.append)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def solid(colour, size=(16, 12)):
    return Image.new("RGB", size, colour)


def test_texts_and_images_become_unit_vectors(served):
    model = open_embedder(f"{served.url}#clip-small")
    assert isinstance(model, ImageTextEmbedder)
    expected = np.array([[0.3, 0, 0, 0.5], [0.5, 0, 0, 0.5]])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(model.embed_texts(["cat", "tiger"]), expected, atol=1e-6)
    (_, red), (_, blue) = model.stream_images([solid("red"), solid("blue")])
    np.testing.assert_allclose(red, [0.5**0.5, 0, 0, 0.5**0.5], atol=1e-6)
    np.testing.assert_allclose(blue, [0, 0, 0.5**0.5, 0.5**0.5], atol=1e-6)
    assert (model.scale, model.bias) == (100.0, None)
    assert {body["model"] for body in served.seen} == {"clip-small"}
    assert {header["path"] for header in served.headers} == {"/v1/embeddings"}


@pytest.mark.parametrize("dialect", ["jina", "vllm", "infinity"])
def test_the_dialect_for_images_is_found_by_asking(served, dialect):
    served.dialects = {"text", dialect}
    model = open_embedder(served.url)
    answers = list(model.stream_images([solid("red")] * 3))
    assert len(answers) == 3
    asked = [read_inputs(body)[0] for body in served.seen]
    assert asked[-1] == dialect
    assert asked.count(dialect) == 2 + {"vllm": 3}.get(dialect, 1)  # two to find out; messages hold one image each


def test_a_server_that_reads_images_as_texts_is_not_believed(served, monkeypatch):
    served.dialects = {"text", "infinity"}
    served.embed_image = lambda uri: [1.0, 2.0, 0.0, 0.0]
    with pytest.raises(InputError, match=r"none of the dialects known .*infinity: two images are embedded alike"):
        list(open_embedder(served.url).stream_images([solid("red")]))
    monkeypatch.setitem(globals(), "embed_text", lambda text: [float(len(text)), sum(map(ord, text)) % 97, 1.0, 5.0])
    served.embed_image = embed_text
    with pytest.raises(InputError, match=r"none of the dialects known .*infinity: an image is embedded as the text of"):
        list(open_embedder(served.url).stream_images([solid("red")]))


def test_the_users_images_are_not_used_to_find_out(served):
    served.dialects = {"text"}
    with pytest.raises(InputError, match=r"none of the dialects known \(jina: .* 422 .*jina is not understood"):
        list(open_embedder(served.url).stream_images([solid("#123456")]))
    first, second = (embed_image(uri) for uri in [to_uri(solid(colour, (64, 64))) for colour in ("black", "yellow")])
    assert {tuple(embed_image(uri)) for body in served.seen for uri in read_inputs(body)[1]} <= {
        tuple(first), tuple(second)}  # fmt: skip


def test_images_are_sent_small_and_without_metadata(served, tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "at home"
    Image.new("RGB", (1400, 1200), "green").save(tmp_path / "a.jpg", exif=exif)
    list(open_embedder(f"{served.url}#model=m&images=jina").stream_images([tmp_path / "a.jpg"]))
    content = base64.b64decode(served.seen[-1]["input"][0]["image"].partition(",")[2])
    sent = Image.open(io.BytesIO(content))
    assert (sent.format, sent.size, dict(sent.getexif())) == ("PNG", (597, 512), {})
    assert b"at home" not in content


def test_base64_is_read_too(served):
    plain = open_embedder(served.url).embed_texts(["cat"])
    np.testing.assert_allclose(open_embedder(f"{served.url}#encoding=base64").embed_texts(["cat"]), plain, atol=1e-6)
    assert served.seen[-1]["encoding_format"] == "base64"


def test_inputs_are_sent_in_batches(served):
    model = open_embedder(f"{served.url}#model=m&batch=2&images=jina")
    assert model.embed_texts(list("abcde")).shape == (5, 4)
    assert [len(body["input"]) for body in served.seen] == [2, 2, 1]
    assert model.embed_texts([]).shape == (0, 4)


def test_an_image_that_cannot_be_read_or_is_refused_ends_nothing(served, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    model = open_embedder(f"{served.url}#images=jina")
    assert model.fingerprint  # the generated images are not refused
    refuse = reply(400, {"error": "too small"})
    served.special = [refuse, lambda handler, body: handler.answer(200, write_answer([[1, 0, 0, 1]])), refuse]
    answers = list(model.stream_images([solid("red"), tmp_path / "bad.png", solid("blue")]))
    assert [isinstance(answer, Skipped) for answer in answers] == [False, True, True]
    assert "too small" in answers[2].reason
    served.special = [refuse] * 99
    with pytest.raises(InputError, match=r"16 images in a row were refused; the last time: .*too small"):
        list(model.stream_images([solid("red")] * 40))


def test_busy_servers_are_asked_again(served):
    served.special = [reply(429, b"slow down", Retry_After="7"), reply(503, b""), reply(500, b"oops")]
    assert open_embedder(served.url).embed_texts(["cat"]).shape == (1, 4)
    assert served.waited[0] == 7
    assert 2 <= served.waited[1] < 2.6
    assert 4 <= served.waited[2] < 5.1


def test_a_server_may_not_ask_for_an_hour(served):
    served.special = [reply(429, b"", Retry_After="3600"), reply(429, b"", Retry_After="Fri, 31 Dec 2999 00:00:00 GMT")]
    open_embedder(served.url).embed_texts(["cat"])
    assert served.waited == [client.LONGEST_WAIT] * 2


def test_a_server_that_stays_busy_is_given_up(served):
    served.special = [reply(429, b"quota exceeded")] * 9
    with pytest.raises(InputError, match="answers 429 Too Many Requests quota exceeded"):
        open_embedder(served.url).embed_texts(["cat"])
    assert len(served.seen) == client.TRIES


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>Sign in</html>", "answers '<html>Sign in</html>' …, which is not a list of embeddings"),
        (b"[1]", "not a list of embeddings"),
        (b'{"data": 3}', "not a list of embeddings"),
        (b"[" * 5000, "nested too deep"),
        (write_answer([[1.0, 2.0]] * 3), "answers 3 embeddings to 2 inputs"),
        (write_answer([[1.0, float("nan")], [1.0, 2.0]]), "not finite, or all 0"),
        (write_answer([[0.0, 0.0], [1.0, 2.0]]), "not finite, or all 0"),
        (write_answer([[1.0], [1.0, 2.0]]), r"embeddings of the shapes \[\(1,\), \(2,\)\]"),
        (write_answer([[], []]), r"embeddings of the shapes \[\(0,\)\]"),
        (write_answer([["1.0"], [1.0]]), "an embedding is not a list of numbers"),
        (write_answer([[10**400], [1]]), "not a list of embeddings .OverflowError"),
        (write_answer(["AAA=", "?"]), "base64 that cannot be decoded|buffer size must be a multiple"),
        ({"data": [{"index": 1, "embedding": [1]}] * 2}, "the indexes are not 0, 1, 2"),
        ({"data": [{"index": i, "embedding": [1]} for i in (0.4, 1)]}, "an index is not a whole number"),
    ],
)
def test_answers_that_are_no_embeddings_are_refused(served, content, message):
    served.special = [reply(200, content)]
    with pytest.raises(InputError, match=message):
        open_embedder(served.url).embed_texts(["a", "b"])


def test_another_width_than_before_is_refused(served):
    model = open_embedder(served.url)
    model.embed_texts(["a"])
    served.special = [reply(200, write_answer([[1.0, 2.0]]))]
    with pytest.raises(InputError, match="embeddings of 2 numbers, of 4 before"):
        model.embed_texts(["a"])


def test_an_endless_answer_is_cut_off(served):
    model = open_embedder(served.url)
    model.embed_texts(["a"])
    served.special = [reply(200, b" " * 10_000_000)]
    with pytest.raises(InputError, match=r"answers more than \d\d,\d\d\d bytes to 1 inputs"):
        model.embed_texts(["a"])


def test_slow_servers_are_left(served, monkeypatch):
    monkeypatch.setattr(client, "TIMEOUT", 0.05)
    released = threading.Event()
    served.special = [lambda handler, body: released.wait(20)] * 2
    try:
        with pytest.raises(InputError, match=r"cannot be reached .*timed out"):
            open_embedder(served.url).embed_texts(["a"])
    finally:
        released.set()
    monkeypatch.setattr(client, "TIMEOUT", 5)
    monkeypatch.setattr(client, "TOTAL", 0.3)

    def drip(handler, body):
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            while not served.stopped.wait(0.02):
                handler.wfile.write(b" ")

    served.stopped = threading.Event()
    served.special = [drip] * 2
    try:
        with pytest.raises(InputError, match=r"no whole answer within 0\.3 seconds"):
            open_embedder(served.url).embed_texts(["a"])
    finally:
        served.stopped.set()


def test_a_key_is_sent_from_the_environment_and_never_shown(served, monkeypatch):
    monkeypatch.setenv(client.KEY, "sesame-123")
    model = open_embedder(served.url)
    model.embed_texts(["a"])
    assert served.headers[-1]["Authorization"] == "Bearer sesame-123"
    assert "sesame" not in f"{model.name} {model.fingerprint} {model.address}"
    served.special = [reply(401, b"the key sesame-123\x1b[31m is wrong")]
    with pytest.raises(
        InputError, match=f"401 Unauthorized the key … .*is wrong; put its key into .*{client.KEY}"
    ) as e:
        model.embed_texts(["a"])
    assert "sesame" not in str(e.value)
    assert "\x1b" not in str(e.value)


def test_redirects_are_not_followed(served):
    served.special = [reply(307, b"", Location="http://elsewhere.example/v1/embeddings")]
    with pytest.raises(InputError, match=r"redirects to http://elsewhere.example/v1/embeddings, which is not followed"):
        open_embedder(served.url).embed_texts(["a"])
    assert len(served.seen) == 1


def test_a_server_that_is_not_there_is_told_soon(served):
    served.shutdown()
    served.server_close()
    with pytest.raises(InputError, match=r"cannot be reached .*refused"):
        open_embedder(served.url).embed_texts(["a"])
    assert len(served.waited) == 1


def test_a_wrong_path_is_told(served):
    served.special = [reply(404, b"no such model")]
    with pytest.raises(InputError, match="404 Not Found no such model; give the address up to /v1, and a model"):
        open_embedder(served.url).embed_texts(["a"])


def test_addresses_are_parsed():
    assert Address.parse("https://h/v1/#jina-clip-v2") == Address("https://h/v1/embeddings", "jina-clip-v2")
    assert Address.parse("http://h:7997#org/clip").url == "http://h:7997/embeddings"
    full = Address.parse("http://h/v1/embeddings#model=org/m&images=vllm&scale=20.5&batch=8&encoding=base64")
    assert full == Address("http://h/v1/embeddings", "org/m", "vllm", 20.5, 8, "base64")
    assert Address.parse("https://h/openai?api-version=2#m").url == "https://h/openai/embeddings?api-version=2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http://me:pw@h/v1", "holds a user name or password"),
        ("http://h/v1?api_key=123", "holds the parameter 'api_key', .* WORDSIGHT_API_KEY"),
        ("http://h/v1#model=m&size=3", "option of the server's address is 'size', expected one of model, images"),
        ("http://h/v1#images=gina", "images is 'gina', expected one of auto, jina.* Did you mean: jina"),
        ("http://h/v1#batch=0", "option batch of the server's address is '0', expected a number"),
        ("http://h/v1#scale=hot", "option scale of the server's address is 'hot'"),
        ("http://h/v1#encoding=int8", "encoding is 'int8', expected one of float, base64"),
        ("http://h:port/v1", "its port is not a number"),
    ],
)
def test_addresses_that_cannot_be_used_are_told(text, message):
    with pytest.raises(InputError, match=message):
        open_embedder(text)


def test_a_labelled_set_is_measured(served, tmp_path, monkeypatch):
    from wordsight.evaluate.datasets.labelled_set import LabelledSet
    from wordsight.evaluate.features import embed_set

    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    images = [np.asarray(solid(colour)) for colour in ("red", "blue", "red")]
    data = LabelledSet("two", images, ("a", "b", "c"), np.array([0, 1, 0]), ("red", "blue"))
    features = embed_set(open_embedder(f"{served.url}#m"), data)
    served.seen.clear()
    np.testing.assert_array_equal(embed_set(open_embedder(f"{served.url}#m"), data).image_MD, features.image_MD)
    assert [read_inputs(body)[0] for body in served.seen].count("jina") == 2  # the generated images, none of the set
    served.embed_image = lambda uri: embed_image(uri)[::-1]  # the same address with other weights
    changed = embed_set(open_embedder(f"{served.url}#m"), data).image_MD
    np.testing.assert_allclose(changed, features.image_MD[:, ::-1], atol=1e-6)


def test_a_fingerprint_tells_weights_apart_but_not_their_last_digits(served, monkeypatch):
    known = open_embedder(f"{served.url}#m").fingerprint
    assert open_embedder(f"{served.url}#m").fingerprint == known
    served.embed_image = lambda uri: [number + 1e-9 for number in embed_image(uri)]
    assert open_embedder(f"{served.url}#m").fingerprint == known
    monkeypatch.setitem(globals(), "embed_text", lambda text: [float(len(text)), 9.0, 0.0, 0.5])
    assert open_embedder(f"{served.url}#m").fingerprint != known


def test_a_server_that_answers_all_alike_is_not_measured(served, monkeypatch):
    served.embed_image = lambda uri: [1.0, 2.0, 0.0, 0.0]
    with pytest.raises(InputError, match="embeds a black and a yellow image alike, so that what it answers says noth"):
        list(open_embedder(f"{served.url}#images=jina").stream_images([solid("red")]))
    served.embed_image = embed_image
    monkeypatch.setitem(globals(), "embed_text", lambda text: [1.0, 2.0, 0.0, 0.0])
    with pytest.raises(InputError, match="embeds the texts 'a photo of a dog' and 'two red houses by the sea' alike"):
        open_embedder(f"{served.url}#images=jina").fingerprint  # noqa: B018


def test_huge_numbers_are_scaled(served):
    served.special = [reply(200, write_answer([[1e308, 1e308], [3e-320, 0.0]]))]
    np.testing.assert_allclose(open_embedder(served.url).embed_texts(["a", "b"]), [[0.5**0.5, 0.5**0.5], [1, 0]])
