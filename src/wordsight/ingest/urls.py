"""Images by address: fetched only where the user asked for it; and those that an address holds itself (data:)."""

from __future__ import annotations

import base64
import http.client
import re
import time
import urllib.error
import urllib.parse
import urllib.request

from wordsight.errors import ImageError, InputError

TIMEOUT = 20.0  # seconds without an answer; the whole image may take three times as long
SIZE_LIMIT = 100 << 20  # bytes
_CHUNK = 1 << 16
# a kind of file or ";base64" must be there: "data: a story, told" is a title
_DATA = re.compile(r"data:(?:[\w.+-]+/[\w.+-]+|(?=;base64,))(?:;[\w.+=-]+)*,", re.IGNORECASE)
_SAFE = "%/:=&?~#+!$,;'@()*[]"  # all but spaces and letters beyond ASCII, which browsers escape too


def is_address(text: str) -> bool:
    """Return whether a text is an http or https address."""
    return text[:8].lower().startswith(("http://", "https://"))


def is_data(text: str) -> bool:
    """Return whether a text is a data: URI, which holds a file itself: "data:image/png;base64,iVBOR…"."""
    return _DATA.match(text) is not None


def data_of(uri: str) -> bytes:
    """Return the bytes that a data: URI holds. Raises: ImageError with the reason alone.

    Source: RFC 2397.
    """
    kind, _, body = uri.partition(",")
    content = urllib.parse.unquote_to_bytes("".join(body.split()))
    if not kind.lower().endswith(";base64"):
        return content
    try:
        return base64.b64decode(content + b"=" * (-len(content) % 4), validate=True)
    except ValueError as error:
        raise ImageError(f"is a data: URI that cannot be decoded ({error})") from error


def fetch(url: str, *, timeout: float = TIMEOUT, size_limit: int = SIZE_LIMIT) -> bytes:
    """Return what an http or https address holds. Nothing but the address is sent; nothing is kept on disk.

    timeout: seconds to wait for an answer; three times as long for all of it.
    Raises: ImageError with the reason alone; InputError for another kind of address.
    """
    if not is_address(url):
        raise InputError(f"{url!r} is no address of an image; expected one that begins with http:// or https://.")
    deadline = time.monotonic() + 3 * timeout
    try:
        with _opener().open(ascii_address(url), timeout=timeout) as answer:
            content = bytearray()
            while chunk := answer.read1(_CHUNK):
                content += chunk
                if len(content) > size_limit:
                    raise ImageError(f"the image at this address is larger than {size_limit:,} bytes")
                if time.monotonic() > deadline:
                    raise ImageError(f"the address took longer than {3 * timeout:g} seconds")
            missing = answer.length or 0
    except urllib.error.HTTPError as error:
        raise ImageError(f"the address answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ImageError(f"the address cannot be fetched ({reason or type(error).__name__})") from error
    if missing:
        raise ImageError(f"the address broke off {missing:,} bytes before the end")
    return bytes(content)


def ascii_address(url: str) -> str:
    """Return an address as it is sent: its host by IDNA, other letters beyond ASCII as %-codes.

    Raises: ValueError for a host that has no such form.
    """
    parts = urllib.parse.urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    if not place.isascii():
        host, colon, port = place.partition(":")
        url = parts._replace(netloc=f"{user}{at}{host.encode('idna').decode()}{colon}{port}").geturl()
    return urllib.parse.quote(url, safe=_SAFE)


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener of http and https and nothing else: an address may not lead to a file of this machine."""
    from wordsight import __version__

    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    opener.addheaders = [("User-Agent", f"wordsight/{__version__}"), ("Accept", "image/*,*/*;q=0.5")]
    return opener
