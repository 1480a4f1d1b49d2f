"""Arguments of the tools, as models that give both their JSON schema and their checks."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from wordsight.serve.mcp.sheet import MOST


def _parse_json(value: Any) -> Any:
    """A list or object that a client wrote as a string, as some do, read; all else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _as_list(value: Any) -> Any:
    """A single text as a list of it."""
    value = _parse_json(value)
    return [value] if isinstance(value, str) else value


Texts = Annotated[list[str], BeforeValidator(_as_list)]
GalleryName = Annotated[str | None, Field(description="Name of the gallery; leave it out for the default one.")]
Condition = Annotated[
    dict[str, Any] | None,
    BeforeValidator(_parse_json),
    Field(
        description='Condition on columns (see describe_gallery), such as {"colour": "red"}, {"price": {"lt": 50}}, '
        '{"and": [...]}, {"or": [...]}, {"not": {...}}. Operators: eq ne in not_in lt lte gt gte like exists.'
    ),
]


class Arguments(BaseModel):
    """Base of all: a name that is not known is an error, not ignored."""

    model_config = ConfigDict(extra="forbid")


class Search(Arguments):
    """Arguments of `search_images`."""

    text: Annotated[str | None, Field(description="Words for what the image shows, in plain language.")] = None
    like: Annotated[Texts, Field(description="Ids of images to find more like.", max_length=16)] = []
    unlike: Annotated[Texts, Field(description="Ids of images to find less like.", max_length=16)] = []
    exclude: Annotated[Texts, Field(description="Words for what the image must not show.", max_length=16)] = []
    filter: Condition = None
    gallery: GalleryName = None
    limit: Annotated[int, Field(ge=1, le=50, description="Number of images to answer.")] = 10
    cursor: Annotated[str | None, Field(description="Cursor of the previous answer, with the same query.")] = None


class Show(Arguments):
    """Arguments of `show_images`."""

    ids: Annotated[
        Texts, Field(min_length=1, max_length=MOST, description="Ids of images, in the order of their numbers.")
    ]
    gallery: GalleryName = None


class Get(Arguments):
    """Arguments of `get_image`."""

    id: Annotated[str, Field(min_length=1, description="Id of the image.")]
    max_side: Annotated[int, Field(ge=32, le=2048, description="Longest side in pixels.")] = 768
    gallery: GalleryName = None


class Facets(Arguments):
    """Arguments of `list_facets`."""

    filter: Condition = None
    columns: Annotated[Texts | None, Field(description="Columns to count; by default those worth narrowing by.")] = None
    gallery: GalleryName = None


class Classify(Arguments):
    """Arguments of `classify_images`."""

    images: Annotated[
        Texts,
        Field(min_length=1, max_length=64, description="Ids of images, or data: URIs of JPEG, PNG or WebP files."),
    ]
    classes: Annotated[
        Texts, Field(min_length=1, max_length=1000, description="Names of the classes, such as cat, dog, empty room.")
    ]
    none: Annotated[bool, Field(description='Also answer "none of these" where no class fits.')] = True
    gallery: GalleryName = None


class Describe(Arguments):
    """Arguments of `describe_gallery`."""

    gallery: GalleryName = None
