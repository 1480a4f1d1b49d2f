"""Programs that speak to embedding servers speak to this one: the openai package, mteb's ways, our own ServerModel."""

import base64
import itertools
import threading

import numpy as np
import openai
import pytest
from openai.types import CreateEmbeddingResponse
from serving import run_server

import wordsight
from wordsight.evaluate.server.embedder import SIDE, ServerModel, to_uri
from wordsight.images.decode import read_image
from wordsight.samples import sample_images
from wordsight.serve.settings import Limits

PATHS = sample_images()[:4]
URIS = [f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}" for path in PATHS]
TEXTS = ["a red car", "two cats on a sofa", "an invoice"]


@pytest.fixture(scope="module")
def exact():
    """A server at full precision, whose answers do not depend on the processor."""
    with run_server(precision="f32") as client:
        yield client


@pytest.fixture(scope="module")
def model():
    return wordsight.load("mini", precision="f32")


def connect(client, **options):
    options = {"api_key": "none", "max_retries": 0} | options
    return openai.OpenAI(
        base_url=f"{client.base_url}/v1", http_client=openai.DefaultHttpxClient(trust_env=False), **options
    )


@pytest.fixture
def official(exact):
    with connect(exact) as client:
        yield client


def cosines(answer, expected):
    vectors = np.array([entry.embedding for entry in answer.data], np.float32)
    return (vectors * expected).sum(axis=1)


def test_the_official_client_embeds_texts_in_its_default_base64(official, model):
    answer = official.embeddings.create(input=TEXTS, model="mini")
    assert cosines(answer, model.embed_texts(TEXTS)) == pytest.approx(1, abs=1e-5)
    assert answer.usage.prompt_tokens > len(TEXTS)
    assert answer.model == "mini"


def test_it_embeds_texts_as_floats_as_mteb_asks(official, model):
    answer = official.embeddings.create(input=TEXTS, model="mini", encoding_format="float", dimensions=384)
    assert cosines(answer, model.embed_texts(TEXTS)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("given", [URIS, [{"image": uri} for uri in URIS]], ids=["infinity", "jina"])
def test_it_embeds_images_by_extra_fields(official, model, given):
    extra = {"modality": "image"} if isinstance(given[0], str) else {"input": given}
    answer = official.embeddings.create(input=given, model="mini", extra_body=extra)
    assert cosines(answer, model.embed_images(PATHS)).min() > 0.9999


def test_it_embeds_images_as_messages_as_vllm_documents(official, model):
    for uri, path in zip(URIS, PATHS, strict=True):
        content = [{"type": "image_url", "image_url": {"url": uri}}]
        body = {"messages": [{"role": "user", "content": content}], "model": "mini", "encoding_format": "float"}
        answer = official.post("/embeddings", cast_to=CreateEmbeddingResponse, body=body)
        assert cosines(answer, model.embed_images(path)).min() > 0.9999


def test_it_reads_that_tokens_did_not_fit(official):
    answer = official.embeddings.create(input=["cat " * 300, "a cat"], model="mini")
    assert answer.usage.truncated_tokens == answer.data[0].truncated > 200
    assert not hasattr(answer.data[1], "truncated")


def test_it_lists_models(official):
    (listed,) = official.models.list()
    assert official.models.retrieve(listed.id) == listed
    assert listed.facts["embed_dim"] == 384


def test_its_errors_are_its_own(official):
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length") as refused:
        official.embeddings.create(input=[[1, 2, 3]], model="mini")
    assert refused.value.param == "input"
    with pytest.raises(openai.NotFoundError, match="it has: mini") as missing:
        official.embeddings.create(input="a", model="text-embedding-3-small")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match="Matryoshka"):
        official.embeddings.create(input="a", model="mini", dimensions=100)
    with pytest.raises(openai.BadRequestError, match=r"input\.1 cannot be read as an image"):
        official.embeddings.create(input=[URIS[0], "aGVsbG8="], model="mini", extra_body={"modality": "image"})


def test_a_wrong_key_is_an_authentication_error():
    with run_server(token="a right token of 24 char") as client:
        with connect(client, api_key="a wrong one") as stranger, pytest.raises(openai.AuthenticationError):
            stranger.embeddings.create(input="a", model="mini")
        with connect(client, api_key="a right token of 24 char") as known:
            assert len(known.embeddings.create(input="a", model="mini").data[0].embedding) == 384


def test_a_full_queue_is_a_rate_limit_with_the_time_to_wait():
    texts = [f"text number {i} of a long list of texts" for i in range(2048)]
    with (
        run_server(limits=Limits(queued=1)) as client,
        connect(client) as official,
        connect(client, max_retries=20) as patient,
    ):
        bulk = threading.Thread(target=patient.embeddings.create, kwargs={"input": texts, "model": "mini"})
        bulk.start()
        refused, number = None, itertools.count()
        while bulk.is_alive() and refused is None:
            try:
                official.embeddings.create(input=[f"new text {next(number)}"], model="mini")  # not one that is cached
            except openai.RateLimitError as error:
                refused = error
        bulk.join()
    assert refused is not None
    assert int(refused.response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("dialect", ["jina", "vllm", "infinity", "auto"])
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_our_own_client_gets_the_models_vectors_in_every_dialect(exact, model, dialect, encoding):
    server = ServerModel(f"{exact.base_url}/v1#model=mini&images={dialect}&encoding={encoding}")
    sent = [base64.b64decode(to_uri(read_image(path, at_least=SIDE)).partition(",")[2]) for path in PATHS]
    found = np.stack([vector for _, vector in server.stream_images(PATHS)])
    assert (found * model.embed_images(sent)).sum(axis=1).min() > 0.9999
    assert (server.embed_texts(TEXTS) * model.embed_texts(TEXTS)).sum(axis=1).min() > 0.9999
