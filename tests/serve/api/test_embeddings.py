"""`POST /v1/embeddings`: OpenAI's shape, three dialects for images, and errors that say what to do."""

import base64
import json

import numpy as np
import pytest

import wordsight
from wordsight.samples import sample_images
from wordsight.serve.errors import RequestError
from wordsight.serve.inputs.texts_and_images import read_inputs
from wordsight.serve.settings import Limits

JSON = {"Content-Type": "application/json"}
URIS = [f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}" for path in sample_images()[:2]]


@pytest.fixture(scope="module")
def model():
    return wordsight.load("mini")


def embed(client, **body):
    answer = client.post("/v1/embeddings", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def vectors(answer):
    return np.array([entry["embedding"] for entry in answer["data"]], np.float32)


def refusal(client, **body):
    answer = client.post("/v1/embeddings", content=json.dumps(body), headers=JSON)  # httpx encodes no lone surrogates
    assert 400 <= answer.status_code < 500, answer.text
    return answer.status_code, answer.json()["error"]


def test_texts_have_the_models_embeddings(client, model):
    answer = embed(client, input=["a red car", "two cats"])
    assert answer["object"] == "list"
    assert answer["model"] == "mini"
    assert [entry["index"] for entry in answer["data"]] == [0, 1]
    assert (vectors(answer) * model.embed_texts(["a red car", "two cats"])).sum(axis=1) == pytest.approx(1, abs=1e-3)
    assert vectors(embed(client, input="a red car")) == pytest.approx(vectors(answer)[:1], abs=1e-3)


def test_base64_holds_the_same_numbers(client):
    (entry,) = embed(client, input="a red car", encoding_format="base64")["data"]
    decoded = np.frombuffer(base64.b64decode(entry["embedding"]), "<f4")
    assert decoded == pytest.approx(vectors(embed(client, input="a red car"))[0], abs=1e-6)


def test_tokens_that_do_not_fit_are_said(client):
    answer = embed(client, input=["cat " * 500, "a cat"])
    assert answer["usage"]["truncated_tokens"] == answer["data"][0]["truncated"] > 400
    assert "truncated" not in answer["data"][1]
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 0


@pytest.mark.parametrize(
    "body",
    [
        {"input": URIS, "modality": "image"},
        {"input": URIS, "modality": "auto"},
        {"input": [{"image": uri} for uri in URIS]},
        {"input": [{"url": URIS[0]}, {"image": URIS[1].partition(",")[2]}]},
    ],
    ids=["infinity", "auto", "jina", "objects"],
)
def test_images_come_in_any_dialect(client, model, body):
    found = vectors(embed(client, **body))
    assert (found * model.embed_images(sample_images()[:2])).sum(axis=1) == pytest.approx(1, abs=2e-3)


def test_one_image_comes_as_a_message(client, model):
    part = {"type": "image_url", "image_url": {"url": URIS[0]}}
    found = vectors(embed(client, messages=[{"role": "user", "content": [part]}]))[0]
    assert found @ model.embed_images(sample_images()[0])[0] == pytest.approx(1, abs=2e-3)


def test_a_text_comes_as_a_message(client):
    expected = vectors(embed(client, input="a cat"))
    for content in ("a cat", [{"type": "text", "text": "a cat"}]):
        assert vectors(embed(client, messages=[{"role": "user", "content": content}])) == pytest.approx(
            expected, abs=1e-6
        )


def test_texts_and_images_come_in_one_request_in_order(client):
    mixed = vectors(embed(client, input=["a cat", {"image": URIS[0]}, {"text": "a dog"}]))
    texts = vectors(embed(client, input=["a cat", "a dog"]))
    image = vectors(embed(client, input=[{"image": URIS[0]}]))
    assert mixed == pytest.approx(np.stack([texts[0], image[0], texts[1]]), abs=1e-2)


def test_an_item_of_a_gallery_has_the_vector_that_is_kept(client, gallery_folder):
    with wordsight.Gallery.open(gallery_folder) as gallery:
        ids, kept = next(gallery.index.batches(3))
    found = vectors(embed(client, input=[{"id": id, "gallery": "shop"} for id in ids]))
    assert found == pytest.approx(kept, abs=1e-6)


def test_a_data_uri_among_texts_is_doubted(client):
    answer = embed(client, input=["a cat", URIS[0][:3000]])
    assert answer["warnings"] == [
        "input.1: a data: URI of an image was embedded as a text, by its letters; "
        'say "modality": "image", or send {"image": DATA URI}.'
    ]
    assert "warnings" not in embed(client, input="a cat")


@pytest.mark.parametrize(
    ("body", "status", "param", "message"),
    [
        ({}, 400, "input", "input is missing."),
        ({"input": None}, 400, "input", "input is missing."),
        ({"input": []}, 400, "input", "empty list"),
        ({"input": "a", "messages": []}, 400, "input", "both given"),
        ({"input": 3}, 400, "input", "input is a number; expected a text"),
        ({"input": [1, 2, 3]}, 400, "input", "token ids.*check_embedding_ctx_length=False"),
        ({"input": [[1, 2], [3]]}, 400, "input", "token ids"),
        ({"input": ["a", None]}, 400, "input.1", "input.1 is null"),
        ({"input": ["a", {"txt": "b"}]}, 400, "input.1", 'an object without "text" or "image"'),
        ({"input": {"text": "a", "image": "b"}}, 400, "input", "no joint embedding"),
        ({"input": {"text": 3}}, 400, "input", 'expected {"text": TEXT} alone'),
        ({"input": ["x"] * 2049}, 413, "input", "2,049 inputs, this server takes 2,048"),
        ({"input": ["x" * 100_001]}, 413, "input.0", "100,001 characters, this server takes 100,000"),
        ({"input": [{"image": "aGVsbG8="}] * 513}, 413, "input", "513 images, this server takes 512"),
        ({"input": ["\ud800"]}, 400, "input.0", "not valid Unicode"),
        ({"input": "a", "encoding_format": "int8"}, 400, "encoding_format", "'float' or 'base64'"),
        ({"input": "a", "dimensions": 256}, 400, "dimensions", "256.*embeddings of mini have 384 numbers.*Matryoshka"),
        ({"input": "a", "model": "clip-9"}, 404, "model", "model is 'clip-9', which .* does not have; it has: mini"),
        ({"input": ["a", {"image": "aGVsbG8="}]}, 400, "input.1", "input.1 cannot be read as an image"),
        ({"input": [{"image": "hello!"}]}, 400, "input.0", "input.0 is 'hello!', which is not valid base64"),
        ({"input": [{"image": "https://example.org/a.jpg"}]}, 400, "input.0", "a URL.*--allow-urls"),
        ({"messages": "a"}, 400, "messages", "expected a list with one message"),
        ({"messages": []}, 400, "messages", "an empty list"),
        ({"messages": [{"role": "user"}]}, 400, "messages.0", "is not a message"),
        (
            {"messages": [{"role": "user", "content": [{"type": "video"}]}]},
            400,
            "messages.0.content.0",
            "not understood",
        ),
        ({"messages": [{"role": "system", "content": "Represent it."}]}, 400, "messages.0", "takes no instructions"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "image_url", "image_url": {"url": URIS[0]}},
                            {"type": "text", "text": "What is it?"},
                        ],
                    }
                ]
            },
            400,
            "messages",
            "no joint embedding",
        ),
    ],
)
def test_what_cannot_be_embedded_is_said_with_its_place(client, body, status, param, message):
    seen, error = refusal(client, **body)
    assert (seen, error["param"]) == (status, param)
    with pytest.raises(RequestError, match=message):  # as a pattern
        raise RequestError(error["message"].removeprefix(f"{param} ").removesuffix("."), param)


def test_the_models_own_number_of_dimensions_may_be_asked_for(client):
    assert vectors(embed(client, input="a", dimensions=384)).shape == (1, 384)


def test_a_list_of_millions_is_refused_at_once(client):
    answer = client.post("/v1/embeddings", content=b'{"input": [%b]}' % b",".join([b"7"] * 1_500_000), headers=JSON)
    assert answer.status_code == 413
    assert "more than 1,048,576 values" in answer.json()["error"]["message"]
    with pytest.raises(RequestError, match="5,000,000 inputs"):
        read_inputs([0] * 5_000_000, None, "text", Limits())


def test_a_body_that_is_not_json_is_said(client):
    for content, headers, message in (
        (b"input=a", {"Content-Type": "application/x-www-form-urlencoded"}, "expected application/json"),
        (b'{"input": "a"', JSON, "The body is not valid JSON"),
        (b'"a"', JSON, "The body is not a JSON object"),
        (b"", JSON, "The body is empty"),
        (b"\xff\xfe", JSON, "not valid JSON"),
        (b"\xc3(", JSON, "error parsing the body"),
        (b"[" * 100_000, JSON, "error parsing the body"),
    ):
        answer = client.post("/v1/embeddings", content=content, headers=headers)
        assert answer.status_code == 400, content
        assert message in answer.json()["error"]["message"]
