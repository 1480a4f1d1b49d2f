"""The process that decodes images which strangers sent, asked on its standard streams: see `decode_process`.

It imports Pillow and NumPy, no encoder: about 30 MB. A request is one line of JSON and the bytes of the image; the
answer one line of JSON and what was made of it: the pixels that a model sees ("preprocess"), or a thumbnail ("side",
"kind").
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Iterator
from typing import IO, Any

from wordsight.errors import ImageError, WordsightError
from wordsight.images.decode import decode
from wordsight.images.header import read_header
from wordsight.images.identify import readable_formats
from wordsight.images.names import source_name
from wordsight.images.preprocess import preprocess
from wordsight.serve.media.rendering import encode_image
from wordsight.spec import Preprocess

NICENESS = 5  # so that the event loop and the encoder, which wait for nobody, come first


def read_pixels(source: str | bytes, spec: Preprocess, most_pixels: int) -> bytes:
    """Pixels (S, S, 3) uint8 that a model sees of an image. Raises: ImageError with the reason alone."""
    with _reasons_alone(source):
        check_pixels(source, most_pixels)
        image = decode(source, at_least=spec.image_size)
        return preprocess(image.image, spec, image.box).tobytes()


def render_thumbnail(source: str | bytes, side: int, kind: str, most_pixels: int) -> bytes:
    """Thumbnail of an image as `media.rendering` encodes it. Raises: ImageError with the reason alone."""
    with _reasons_alone(source):
        check_pixels(source, most_pixels)
        return encode_image(decode(source, at_least=side).image, side, kind)


def check_pixels(source: str | bytes, most_pixels: int) -> None:
    """Raise ImageError for an image of more pixels than the limit, by its header."""
    header = read_header(source)
    if header.width * header.height > most_pixels:
        raise ImageError(
            f"has {header.width * header.height:,} pixels ({header.width:,}×{header.height:,}), more than the "
            f"limit of {most_pixels:,}; make it smaller"
        )


@contextlib.contextmanager
def _reasons_alone(source: str | bytes) -> Iterator[None]:
    """Raise all errors as ImageErrors that do not name the image."""
    try:
        yield
    except WordsightError as error:
        raise ImageError(str(error).removeprefix(f"{source_name(source)}: ")) from error
    except MemoryError:
        raise ImageError("not enough memory to decode it") from None


def describe_preprocess(spec: Preprocess) -> dict[str, Any]:
    """Facts of a preprocess as JSON holds them."""
    return dataclasses.asdict(spec)


def _read_preprocess(facts: dict[str, Any]) -> Preprocess:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}
    return Preprocess(**values)


def _answer(request: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    source: str | bytes = content
    if request["path"]:
        source = os.fsdecode(content)
    most_pixels = request["most_pixels"]
    try:
        if "side" in request:
            return {}, render_thumbnail(source, request["side"], request["kind"], most_pixels)
        return {}, read_pixels(source, _read_preprocess(request["preprocess"]), most_pixels)
    except ImageError as error:
        return {"error": str(error)}, b""


def _limit_process(most_bytes: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server
    if sys.platform == "win32":
        return
    import resource

    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(requests: IO[bytes], answers: IO[bytes], most_bytes: int) -> None:
    """Answer requests until there are no more."""
    _limit_process(most_bytes)
    readable_formats()  # Pillow's plug-ins, now and not with the first image
    while line := requests.readline():
        request = json.loads(line)
        content = requests.read(request["bytes"])
        facts, pixels = _answer(request, content)
        answers.write(json.dumps({**facts, "bytes": len(pixels)}).encode() + b"\n" + pixels)
        answers.flush()


if __name__ == "__main__":
    pipe = os.fdopen(os.dup(1), "wb", 1 << 18)
    os.dup2(2, 1)  # what a library prints is not an answer
    main(sys.stdin.buffer, pipe, int(sys.argv[1]))
