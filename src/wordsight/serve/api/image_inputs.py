"""Images in JSON: the one parser of what a request may give as an image.

A string is a data: URI, an http(s) URL (where the server allows them), or bare base64. An object is {"image": STRING},
{"url": STRING}, or {"id": ROW ID, "gallery": NAME}, an item of a gallery.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from wordsight.errors import ImageError, InputError
from wordsight.index import Row
from wordsight.serve.errors import RequestError
from wordsight.serve.guard.fetch import fetch_url
from wordsight.serve.library import OpenGallery
from wordsight.serve.service import Service

FORMS = 'a data: URI, base64, {"image": either of these}, or {"id": ITEM, "gallery": NAME}'
# one pixel
IMAGE_EXAMPLE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
_SHOWN = 40  # characters of what was given, in a message
_URL = re.compile(r"https?://", re.IGNORECASE)
_DATA = re.compile(r"data:", re.IGNORECASE)
_DATA_HEAD = re.compile(r"data:[^,]{0,200};base64$", re.IGNORECASE)
_LONG = 1 << 16  # characters of base64 that are decoded in a thread


class ImageObject(BaseModel):
    """An image by reference: exactly one of `image`, `url` and `id`."""

    model_config = ConfigDict(extra="forbid")

    image: str | None = Field(default=None, description="A data: URI, base64, or a URL where the server allows them.")
    url: str | None = Field(default=None, description="The same as `image`.")
    id: str | None = Field(
        default=None, description="Id of an item of a gallery; its stored vector is used where possible."
    )
    gallery: str | None = Field(default=None, description="The item's gallery; the default one where it is left out.")


ImageInput: TypeAlias = Annotated[
    str | ImageObject,
    Field(description="A data: URI, base64, a URL where the server allows them, or an object that names an image."),
]

IMAGE_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "properties": {key: {"type": "string"} for key in ImageObject.model_fields}},
    ],
    "description": "A data: URI, base64, a URL where the server allows them, or an object that names an image.",
}
# a list of images that `read_image` reads one by one, so that a message names the first that is wrong
ImageList: TypeAlias = Annotated[
    list[Any],
    Field(min_length=1),
    WithJsonSchema(
        {"type": "array", "minItems": 1, "items": IMAGE_SCHEMA, "description": "Images; see the top of this page."}
    ),
]


@dataclass(frozen=True, eq=False)
class Item:
    """An item of a gallery that a request names."""

    gallery: OpenGallery
    row: Row


async def read_image_input(given: Any, service: Service, param: str = "image") -> bytes | Row:
    """Encoded bytes of an image that a request gives, or the row of a gallery's item.

    given: a string, an ImageObject or a mapping of its fields. param: its place in the request, for messages.
    Raises: RequestError (400, 404, 413) naming the place; UnknownGalleryError, StoreError.
    """
    read = await read_image(given, service, param)
    return read.row if isinstance(read, Item) else read


async def read_image(given: Any, service: Service, param: str) -> bytes | Item:
    """The same, with the item's gallery."""
    if isinstance(given, ImageObject):
        given = given.model_dump(exclude_none=True)
    if isinstance(given, Mapping):
        if "id" in given:
            return await _find_item(given, service, param)
        given = _only_string(given, param)
    if not isinstance(given, str):
        raise RequestError(f"is of the kind {type(given).__name__}; expected {FORMS}", param)
    if _URL.match(given):
        return await _fetch(given, service, param)
    return await _decode(given, service.settings.limits.file_bytes, param)


def _only_string(given: Mapping[str, Any], param: str) -> Any:
    """Value of an object's one field. Raises: RequestError for other objects."""
    if len(given) != 1 or next(iter(given)) not in ("image", "url"):
        raise RequestError(f"is an object of {_list_keys(given)}; expected {FORMS}", param)
    return next(iter(given.values()))


async def _find_item(given: Mapping[str, Any], service: Service, param: str) -> Item:
    """Item of a gallery. Raises: RequestError where there is none of the id."""
    if not given.keys() <= {"id", "gallery"}:
        raise RequestError(f"is an object of {_list_keys(given)}; expected {FORMS}", param)
    id, name = given["id"], given.get("gallery")
    if not isinstance(id, str) or not (name is None or isinstance(name, str)):
        raise RequestError("names an item by something other than texts", param)
    if not is_unicode(id):
        raise RequestError(f"has the id {_shorten(id)!r}, which is not valid Unicode", param)
    gallery = await asyncio.to_thread(service.open_gallery, name)
    rows = await asyncio.to_thread(gallery.gallery.index.get, [id])
    if not rows:
        raise RequestError(
            f"is not there: the gallery {gallery.name!r} has no item {_shorten(id)!r}", param, status=404
        )
    return Item(gallery, rows[0])


async def _fetch(url: str, service: Service, param: str) -> bytes:
    if not service.settings.allow_urls:
        raise RequestError(
            "is a URL, and this server fetches none; send the image itself as a data: URI, or start the server with "
            "--allow-urls",
            param,
        )
    try:
        return await fetch_url(url, service.settings)
    except (InputError, ImageError) as error:
        raise RequestError(f"cannot be used: {str(error).rstrip('.')}", param) from error


async def _decode(text: str, most: int, param: str) -> bytes:
    """Bytes of a data: URI or of bare base64."""
    if _DATA.match(text):
        head, _, text = text.partition(",")
        if not _DATA_HEAD.fullmatch(head):
            raise RequestError("is a data: URI without ';base64,'; expected data:image/jpeg;base64,…", param)
    if len(text) // 4 * 3 > most + 2:
        raise RequestError(f"is larger than the {most:,} bytes that this server takes", param, status=413)
    if len(text) > _LONG:
        content = await asyncio.to_thread(_decode_base64, text, param)
    else:
        content = _decode_base64(text, param)
    if not content:
        raise RequestError("is empty: 0 bytes", param)
    if len(content) > most:
        raise RequestError(f"is larger than the {most:,} bytes that this server takes", param, status=413)
    return content


def _decode_base64(text: str, param: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise RequestError(
            f"is {_shorten(text)!r}, which is not valid base64 (standard alphabet, padded, in one line); expected "
            f"{FORMS}",
            param,
        ) from None


def is_unicode(text: str) -> bool:
    """Whether a text can be encoded: JSON can hold halves of surrogate pairs, which mean no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _list_keys(given: Mapping[str, Any]) -> str:
    """Keys of an object, for a message."""
    return ", ".join(repr(_shorten(str(key))) for key in list(given)[:4]) or "nothing"


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
