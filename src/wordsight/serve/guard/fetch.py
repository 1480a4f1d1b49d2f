"""Images that requests name by URL, fetched from the public internet alone."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from wordsight.errors import ImageError, InputError
from wordsight.images.header import read_header
from wordsight.ingest.url_route import Reach
from wordsight.ingest.urls import fetch, is_url
from wordsight.serve.settings import Settings

# Other ports are where services listen that were never meant for requests from elsewhere.
REACH = Reach(public_only=True, ports=frozenset({80, 443}), redirects=5)
SECONDS = 10.0  # without an answer
TOTAL_SECONDS = 20.0  # for the whole image with its redirects
LONGEST = 4096  # characters of a URL
_AT_ONCE = 8  # fetches; more wait, so that slow hosts cost no more than that

# threads of their own: those that answer searches are not to wait for hosts elsewhere
_THREADS = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="wordsight-fetch")


async def fetch_url(url: str, settings: Settings) -> bytes:
    """Image at an http or https URL, as the bytes that it is sent in.

    Every host on the way, the first and those of redirects, must have addresses of the public internet alone, and the
    connection goes to the very address that was checked.
    Raises: InputError where the server fetches nothing, or for what is not a URL; ImageError with the reason, also for
        what is not an image.
    """
    if not settings.allow_urls:
        raise InputError("This server fetches no images by URL; send the image itself, or start it with --allow-urls.")
    if len(url) > LONGEST or not url.isprintable() or not is_url(url):
        raise InputError(
            f"{url[:100]!r} is not a URL that is fetched; expected one that begins with http:// or https://."
        )
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _fetch_image, url, settings)


def _fetch_image(url: str, settings: Settings) -> bytes:
    limits = settings.limits
    try:
        content = fetch(url, timeout=SECONDS, total=TOTAL_SECONDS, size_limit=limits.file_bytes, reach=REACH)
    except (ImageError, UnicodeError) as error:
        raise ImageError(f"The image was not fetched: {error}.") from error
    try:
        header = read_header(content)
    except ImageError as error:
        raise ImageError("What the URL leads to is not an image that can be read.") from error
    if header.width * header.height > limits.pixels:
        raise ImageError(f"The image has {header.width:,} × {header.height:,} pixels, more than {limits.pixels:,}.")
    return content
