"""`POST /v1/classify`: which of some classes each image shows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from wordsight.images.skipped import Skipped
from wordsight.serve.api.answers import write_answer
from wordsight.serve.api.callers import get_caller
from wordsight.serve.api.image_inputs import IMAGE_EXAMPLE, ImageList
from wordsight.serve.api.json_bodies import LargeBodyRoute
from wordsight.serve.engine.engine import Caller, Floats
from wordsight.serve.errors import RequestError
from wordsight.serve.inputs.classes import (
    CLASSES_SCHEMA,
    TEMPLATES_SCHEMA,
    check_prompts,
    read_classes,
    read_templates,
)
from wordsight.serve.inputs.images import embed_image_inputs
from wordsight.serve.inputs.models import find_model
from wordsight.serve.service import Service, get_service
from wordsight.zeroshot.classifier import Classifier

router = APIRouter(prefix="/v1", tags=["classify"], route_class=LargeBodyRoute)

_MOST_ANSWERS = 100_000  # labels with probabilities in one answer: images × top, for each template of the effect
_EXAMPLE: JsonDict = {"images": [IMAGE_EXAMPLE], "classes": ["cat", "rocket"]}


class ClassifyRequest(BaseModel):
    """Images, and the classes that they may show."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    images: ImageList
    classes: Annotated[Any, CLASSES_SCHEMA] = Field(
        description="Names in a list, or an object {name: [wording, …]}.", examples=[["cat", "rocket"]]
    )
    templates: Annotated[Any, TEMPLATES_SCHEMA] = Field(
        default="photo", description="A set of `GET /v1/templates`, a template with {}, or a list of templates."
    )
    none: bool = Field(default=True, description="Whether an image may show none of the classes.")
    multi: bool = Field(default=False, description="Judge each class by itself: an image may show several.")
    together: bool = Field(default=False, description="Judge the images jointly; better from some dozens on.")
    effect: bool = Field(default=False, description="Also answer with each template alone, without `none`.")
    top: int = Field(default=5, ge=1, le=10_000, description="Number of labels in `top`, best first.")
    model: str | None = Field(default=None, description="An id of `GET /v1/models`.")


class Labelled(BaseModel):
    """A label and its probability."""

    label: str
    probability: float


class ImageAnswer(BaseModel):
    """Labels of one image, or `error`, the reason for which it has none."""

    index: int
    label: str | None = Field(default=None, description="The most probable label.")
    probability: float | None = None
    labels: list[str] | None = Field(default=None, description="The same; with `multi`, all that are probable.")
    top: list[Labelled] | None = None
    none_probability: float | None = Field(default=None, description='Of "none of these"; where it was asked for.')
    error: str | None = None


class TemplateEffect(BaseModel):
    """Answers with one template alone."""

    template: str
    answers: list[ImageAnswer]


class ClassifyAnswer(BaseModel):
    """Answers in the order of the images."""

    model: str
    labels: list[str] = Field(description='Names of the classes; the last is "none of these" where it was asked for.')
    templates: list[str]
    answers: list[ImageAnswer]
    effect: list[TemplateEffect] | None = None


@router.post("/classify", operation_id="classify", response_model=ClassifyAnswer)
async def classify(
    asked: ClassifyRequest,
    service: Annotated[Service, Depends(get_service)],
    caller: Annotated[Caller, Depends(get_caller)],
) -> Response:
    """Sort images into classes that are given by words.

    An image that cannot be read has an `error` in its place; the others are answered. Class embeddings are kept while
    they are used, so that asking again with the same classes takes no longer than the images do.
    """
    templates = read_templates(asked.templates)
    wordings = await asyncio.to_thread(read_classes, asked.classes, service.settings.limits.classes)
    check_prompts(wordings, templates)
    if asked.multi and asked.together:
        raise RequestError("and multi exclude each other", "together")
    _check_answers(asked, len(wordings), len(templates))
    name, engine = await find_model(service, asked.model)
    classifier = await service.classifiers.get(
        engine, caller, wordings, templates, judged=asked.multi, none=asked.none and not asked.multi
    )
    images = await embed_image_inputs(asked.images, service, engine, caller)
    alone = []
    if asked.effect:
        alone = [await service.classifiers.get(engine, caller, wordings, [template]) for template in templates]

    def answer() -> ClassifyAnswer:
        return ClassifyAnswer(
            model=name,
            labels=list(classifier.labels),
            templates=list(templates),
            answers=_answer(classifier, images, asked),
            effect=_measure_effect(alone, images, asked) if asked.effect else None,
        )

    return await write_answer(answer)


def _check_answers(asked: ClassifyRequest, classes: int, templates: int) -> None:
    """Raise RequestError (413) for an answer that would be too long."""
    answers = len(asked.images) * min(asked.top, classes) * (1 + asked.effect * templates)
    if answers > _MOST_ANSWERS:
        raise RequestError(
            f"makes an answer of {answers:,} labels, this server gives {_MOST_ANSWERS:,}; ask for fewer, or with fewer "
            "images at a time",
            "top",
            status=413,
        )


def _answer(classifier: Classifier, images: Sequence[Floats | Skipped], asked: ClassifyRequest) -> list[ImageAnswer]:
    """Answer for each image, those that have no embedding included."""
    good = [image for image in images if not isinstance(image, Skipped)]
    rows = iter(_predict(classifier, np.stack(good), asked) if good else ())
    answers = []
    for index, image in enumerate(images):
        if isinstance(image, Skipped):
            answers.append(ImageAnswer(index=index, error=image.reason))
            continue
        answer = classifier.answer(next(rows), top=asked.top, multi=asked.multi).to_dict()
        answers.append(ImageAnswer(index=index, **answer))
    return answers


def _predict(classifier: Classifier, image_ND: Floats, asked: ClassifyRequest) -> Floats:
    """Probabilities of the labels, (N, K) or (N, K + 1)."""
    if asked.multi:
        return classifier.proba_multi_of_embeddings(image_ND)
    if asked.together:
        return classifier.proba_together_of_embeddings(image_ND)
    return classifier.proba_of_embeddings(image_ND)


def _measure_effect(
    alone: Sequence[Classifier], images: Sequence[Floats | Skipped], asked: ClassifyRequest
) -> list[TemplateEffect]:
    """Answers of the classifiers that have one template each."""
    plain = asked.model_copy(update={"multi": False, "together": False})
    return [
        TemplateEffect(template=classifier.templates[0], answers=_answer(classifier, images, plain))
        for classifier in alone
    ]
