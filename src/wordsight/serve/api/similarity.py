"""`POST /v1/similarity`: every image with every text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from wordsight.evaluate.prompts.sensitivity import Sensitivity, score_wordings
from wordsight.evaluate.prompts.wordings import Wording, vary_names
from wordsight.images.skipped import Skipped
from wordsight.serve.api.answers import write_answer
from wordsight.serve.api.callers import get_caller
from wordsight.serve.api.image_inputs import IMAGE_EXAMPLE, ImageList
from wordsight.serve.api.json_bodies import LargeBodyRoute
from wordsight.serve.classifiers import Scaling, embed_prompts
from wordsight.serve.engine.engine import Caller, Engine, Floats
from wordsight.serve.errors import RequestError
from wordsight.serve.inputs.classes import TEMPLATES_SCHEMA, check_texts, read_templates
from wordsight.serve.inputs.images import check_number, embed_image_inputs
from wordsight.serve.inputs.models import find_model
from wordsight.serve.service import Service, get_service
from wordsight.zeroshot.logistic import softmax
from wordsight.zeroshot.none_of_these import Bank
from wordsight.zeroshot.templates import TEMPLATE_SETS

router = APIRouter(prefix="/v1", tags=["similarity"], route_class=LargeBodyRoute)

_MOST_PAIRS = 100_000  # of an image and a text, in all wordings
_MOST_WORDED = 100  # texts whose wordings are scored: up to 200 templates each

Matrix = list[list[float] | None]
_EXAMPLE: JsonDict = {"images": [IMAGE_EXAMPLE], "texts": ["a cat", "a rocket"]}


class SimilarityRequest(BaseModel):
    """Images and texts to compare."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    images: ImageList
    texts: list[Any] = Field(
        min_length=1,
        description="Texts as they stand, without a template.",
        json_schema_extra={"items": {"type": "string"}},
        examples=[["a cat", "a rocket"]],
    )
    wordings: bool = Field(default=False, description="Also score other wordings of the texts.")
    templates: Annotated[Any, TEMPLATES_SCHEMA] = Field(default="imagenet-7", description="Of these wordings.")
    model: str | None = Field(default=None, description="An id of `GET /v1/models`.")


class WordingScores(BaseModel):
    """All texts in one wording: cosine with the image, and probability, of each; best: the number of the best text."""

    kind: str = Field(description="What is varied: name (as given), article, number, case, punctuation, template.")
    texts: list[str]
    cosine: list[float]
    proba: list[float]
    best: int


class WordingSensitivity(BaseModel):
    """How much the wording changes one image's answer."""

    index: int
    spread: float = Field(description="Largest less smallest cosine of the text that most wordings find best.")
    usual: str = Field(description="Text that most wordings find best.")
    flipped: int = Field(description="Number of wordings that find another text best.")
    wordings: list[WordingScores]


class ImageProblem(BaseModel):
    """An image that cannot be read; its rows are null."""

    index: int
    error: str


class SimilarityAnswer(BaseModel):
    """Matrices of images × texts; null in the place of an image that cannot be read."""

    model: str
    cosine: Matrix
    probability: Matrix = Field(description="Which of these texts fits: softmax over the texts; each row sums to 1.")
    alone: Matrix = Field(description="Probability that the text is true of the image, judged without the others.")
    truncated: list[int] = Field(description="Tokens of each text that did not fit.")
    errors: list[ImageProblem]
    wordings: list[WordingSensitivity] | None = None


@dataclass(frozen=True, eq=False)
class _Compared:
    """Embeddings of a request. images: None for one that cannot be read. varied: vectors (V, K, D) of the wordings."""

    model: str
    images: Sequence[Floats | Skipped]
    text_KD: Floats
    truncated: Sequence[int]
    scaling: Scaling
    bank: Bank
    texts: Sequence[str]
    wordings: Sequence[Wording] = ()
    varied_VKD: Floats | None = None


@router.post("/similarity", operation_id="compare", response_model=SimilarityAnswer)
async def compare(
    asked: SimilarityRequest,
    service: Annotated[Service, Depends(get_service)],
    caller: Annotated[Caller, Depends(get_caller)],
) -> Response:
    """Compare every image with every text: cosines, and what they mean.

    With `wordings`, the texts are taken as names of classes and worded in other ways; the answer says for each image
    how far that moves its cosine, and how often another text becomes the best.
    """
    texts = check_texts(asked.texts, service.settings.limits)
    wordings = _vary(texts, asked) if asked.wordings else ()
    _check_pairs(len(asked.images), len(texts) * (1 + len(wordings)))
    name, engine = await find_model(service, asked.model)
    images = await embed_image_inputs(asked.images, service, engine, caller)
    embedded = await engine.embed_texts(texts, caller)
    varied_VKD = None
    if wordings:
        varied_VKD = await _embed_wordings(wordings, engine, caller)
    bank = await service.classifiers.bank(engine, caller, TEMPLATE_SETS["photo"])
    model = await engine.model()
    compared = _Compared(name, images, embedded.vectors_ND, embedded.truncated_N.tolist(),
                         Scaling(model.scale, model.bias), bank, texts, wordings, varied_VKD)  # fmt: skip
    return await write_answer(lambda: _answer(compared))


def _vary(texts: Sequence[str], asked: SimilarityRequest) -> tuple[Wording, ...]:
    """Wordings of the texts. Raises: RequestError for too many; InputError for empty and repeated texts."""
    templates = read_templates(asked.templates)
    check_number(len(texts), _MOST_WORDED, "texts with wordings", "texts")
    return vary_names(texts, templates)


def _check_pairs(images: int, texts: int) -> None:
    if images * texts > _MOST_PAIRS:
        raise RequestError(
            f"make {images * texts:,} pairs with the texts, this server compares {_MOST_PAIRS:,}; send fewer at a time",
            "images",
            status=413,
        )


async def _embed_wordings(wordings: Sequence[Wording], engine: Engine, caller: Caller) -> Floats:
    """Vectors (V, K, D) of V wordings of K texts."""
    flat = [text for wording in wordings for text in wording.texts]
    vectors_ND = await embed_prompts(engine, caller, flat)
    return vectors_ND.reshape(len(wordings), len(wordings[0].texts), -1)


def _answer(compared: _Compared) -> SimilarityAnswer:
    good = [i for i, image in enumerate(compared.images) if not isinstance(image, Skipped)]
    errors = [ImageProblem(index=i, error=image.reason)
              for i, image in enumerate(compared.images) if isinstance(image, Skipped)]  # fmt: skip
    image_ND = np.reshape([compared.images[i] for i in good], (len(good), compared.text_KD.shape[1])).astype(np.float32)
    cosine_NK = image_ND @ compared.text_KD.T
    proba_NK = softmax(compared.scaling.scale * cosine_NK.astype(np.float64)) if good else cosine_NK
    alone_NK = compared.bank.against(compared.text_KD).independent_proba(image_ND)
    wordings = None
    if compared.varied_VKD is not None:
        wordings = [_describe_wordings(i, vector_D, compared) for i, vector_D in zip(good, image_ND, strict=True)]

    def spread(values_NK: np.ndarray) -> Matrix:
        rows = iter(values_NK.astype(np.float64).round(6).tolist())
        return [None if isinstance(image, Skipped) else next(rows) for image in compared.images]

    return SimilarityAnswer(
        model=compared.model, cosine=spread(cosine_NK), probability=spread(proba_NK), alone=spread(alone_NK),
        truncated=list(compared.truncated), errors=errors, wordings=wordings,
    )  # fmt: skip


def _describe_wordings(index: int, image_D: Floats, compared: _Compared) -> WordingSensitivity:
    assert compared.varied_VKD is not None
    bank = compared.bank if len(compared.texts) == 1 else None
    scores = score_wordings(image_D, compared.wordings, compared.varied_VKD, scale=compared.scaling.scale, bank=bank)
    facts = Sensitivity(str(index), compared.model, tuple(compared.texts), scores).to_dict()
    return WordingSensitivity(
        index=index,
        spread=facts["spread"],
        usual=facts["usual"],
        flipped=facts["flipped"],
        wordings=[WordingScores(**score) for score in facts["wordings"]],
    )
