"""Tool that sorts images into classes which the agent names."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from wordsight.serve.mcp import arguments
from wordsight.serve.mcp.answer import Answer
from wordsight.serve.mcp.asker import Asker, get_rows
from wordsight.serve.mcp.questions import ask_classes
from wordsight.serve.mcp.quoting import LONG, NOTE, clean_text, quote_text
from wordsight.serve.mcp.row_names import name_row
from wordsight.serve.mcp.showing import file_name

_TOP = 3  # classes of an image in the text


class ClassProbability(BaseModel):
    """A class and its probability."""

    label: str
    probability: float


class ClassifiedImage(BaseModel):
    """Classes of one image, the most probable first; error: why there are none. id: of an image of a gallery."""

    number: int
    id: str | None
    name: str
    label: str | None
    top: list[ClassProbability]
    error: str | None


class Classified(BaseModel):
    """What `classify_images` answers, in the order of the images."""

    labels: list[str]
    images: list[ClassifiedImage]


async def classify_images(asker: Asker, asked: arguments.Classify) -> Answer:
    """The probability of each class, and of none of them, for each image."""
    given, shown, model = await _find_images(asker, asked)
    request = {"images": given, "classes": asked.classes, "none": asked.none, "model": model}
    answer = await ask_classes(asker.service, request, asker.bulk)
    images = [
        _read_answer(number, id, name, one)
        for number, ((id, name), one) in enumerate(zip(shown, answer["answers"], strict=True), 1)
    ]
    data = Classified(labels=[clean_text(label, LONG) for label in answer["labels"]], images=images)
    lines = [f"{len(images)} images by {len(asked.classes)} classes, the most probable first:"]
    return Answer("\n".join([*lines, *map(_describe, images), NOTE]), data)


async def _find_images(asker: Asker, asked: arguments.Classify) -> tuple[list[Any], list[tuple[str | None, str]], Any]:
    """Images as the API takes them, the id and name of each, and the model of the gallery where one is asked."""
    if asked.gallery is None and all(map(_is_data, asked.images)):
        return list(asked.images), [(None, "image given") for _ in asked.images], None
    opened = await asker.open_gallery(asked.gallery)
    rows = iter(await get_rows(opened, [image for image in asked.images if not _is_data(image)]))
    given: list[Any] = []
    shown: list[tuple[str | None, str]] = []
    for image in asked.images:
        if _is_data(image):
            given.append(image)
            shown.append((None, "image given"))
        else:
            row = next(rows)
            given.append({"id": row.id, "gallery": opened.name})
            shown.append((name_row(row.id), file_name(row)))
    return given, shown, opened.model_source


def _is_data(image: str) -> bool:
    return image[:5].lower() == "data:"


def _read_answer(number: int, id: str | None, name: str, answer: dict[str, Any]) -> ClassifiedImage:
    top = [
        ClassProbability(label=clean_text(one["label"], LONG), probability=one["probability"])
        for one in answer.get("top") or ()
    ]
    error = answer.get("error")
    return ClassifiedImage(
        number=number,
        id=id,
        name=name,
        label=top[0].label if top else None,
        top=top,
        error=clean_text(error, LONG) if error else None,
    )


def _describe(image: ClassifiedImage) -> str:
    head = f"{image.number}. {quote_text(image.name)}" + (f' id="{image.id}"' if image.id else "")
    if image.error:
        return f"{head}: cannot be read: {quote_text(image.error, LONG)}"
    return f"{head}: " + ", ".join(f"{one.probability:.0%} {quote_text(one.label)}" for one in image.top[:_TOP])
