"""Embeddings of the images that a request gives, whatever it gives them as."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wordsight.errors import ImageError, InputError
from wordsight.images.skipped import Skipped
from wordsight.serve.api.image_inputs import Item, read_image
from wordsight.serve.engine.engine import Caller, Engine, Floats
from wordsight.serve.errors import RequestError
from wordsight.serve.library import UnknownGalleryError
from wordsight.serve.media.source_file import find_source_file
from wordsight.serve.service import Service

_AT_ONCE = 8  # images of one request that are fetched or looked up at a time


async def embed_image_inputs(
    given: Sequence[Any], service: Service, engine: Engine, caller: Caller, param: str = "images"
) -> list[Floats | Skipped]:
    """Unit vector (D,) of each image, or the record of why not, in the order given.

    The vector that a gallery keeps of its item is used where it is of the engine's model.
    Raises: RequestError (413) for more images or bytes than the server takes; BusyError.
    """
    check_number(len(given), service.settings.limits.images, "images", param)
    sources = await _read_all(given, service, engine, param)
    encoded = [source for source in sources if isinstance(source, bytes | Path)]
    embedded = iter(await engine.embed_images(encoded, caller) if encoded else ())
    answers = [next(embedded) if isinstance(source, bytes | Path) else source for source in sources]
    return [_reworded(answer, f"{param}.{place}") for place, answer in enumerate(answers)]


def check_number(number: int, most: int, things: str, param: str) -> None:
    """Raise RequestError (413) for more things in one request than the server takes."""
    if number > most:
        raise RequestError(f"has {number:,} {things}, this server takes {most:,} in a request", param, status=413)


class _Refused(Skipped):
    """An image that was not read, with a reason that follows its place in the request."""


def _reworded(answer: Floats | Skipped, name: str) -> Floats | Skipped:
    """Answer whose reason, if it has one, follows the image's place in the request."""
    if isinstance(answer, Skipped) and not isinstance(answer, _Refused):
        return Skipped(name, f"cannot be read as an image: {answer.reason}")
    return answer


async def _read_all(
    given: Sequence[Any], service: Service, engine: Engine, param: str
) -> list[bytes | Path | Floats | Skipped]:
    """What to embed of each image: its bytes, its file; or the answer where it is known already."""
    slots, room = asyncio.Semaphore(_AT_ONCE), service.settings.limits.upload_bytes

    async def read(place: int) -> bytes | Path | Floats | Skipped:
        nonlocal room
        async with slots:
            if room < 0:
                return Skipped(f"{param}.{place}", "")
            try:
                source = await _read_source(given[place], service, engine, f"{param}.{place}")
            except (InputError, ImageError, UnknownGalleryError) as error:
                return _Refused(f"{param}.{place}", _reason(error))
            room -= len(source) if isinstance(source, bytes) else 0
            return source

    sources = await asyncio.gather(*map(read, range(len(given))))
    if room < 0:
        raise RequestError(
            f"are more than {service.settings.limits.upload_bytes:,} bytes together; send fewer in a request",
            param,
            status=413,
        )
    return sources


def _reason(error: Exception) -> str:
    """Reason in words that follow an image's name."""
    if isinstance(error, RequestError):
        return error.reason
    return str(error).rstrip(".")


async def _read_source(given: Any, service: Service, engine: Engine, param: str) -> bytes | Path | Floats:
    """Bytes or file of an image, or the vector that a gallery keeps of it."""
    read = await read_image(given, service, param)
    if not isinstance(read, Item):
        return read
    index = read.gallery.gallery.index
    if (await engine.model()).fingerprint == index.info.fingerprint:
        return read.row.vector
    if read.row.page is None:
        file = await asyncio.to_thread(find_source_file, read.row)
        if file is not None:
            return file.path
    kept = read.row.thumbnail or await asyncio.to_thread(index.thumbnail, read.row.id)
    if not kept:
        raise RequestError("is of a gallery of another model, which keeps no image of it", param)
    return kept
