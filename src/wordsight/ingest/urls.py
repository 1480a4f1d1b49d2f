"""Images by URL: fetched only where the user asked for it; and those that a URL holds itself (data:)."""

from __future__ import annotations

import base64
import http.client
import re
import urllib.error
import urllib.parse

from wordsight.errors import ImageError, InputError
from wordsight.ingest.url_route import ANYWHERE, Reach, Route, check_authority

TIMEOUT = 20.0  # seconds without an answer
TOTAL_TIMEOUT = 60.0  # seconds for the whole image, with redirects, headers and body
SIZE_LIMIT = 100 << 20  # bytes
_CHUNK = 1 << 16
# a kind of file or ";base64" must be there: "data: a story, told" is a title
_DATA = re.compile(r"data:(?:[\w.+-]+/[\w.+-]+|(?=;base64,))(?:;[\w.+=-]+)*,", re.IGNORECASE)
_SAFE = "%/:=&?~#+!$,;'@()*[]"  # all but spaces and letters beyond ASCII, which browsers escape too


def is_url(text: str) -> bool:
    """Whether a text is an http or https URL."""
    return text[:8].lower().startswith(("http://", "https://"))


def is_data(text: str) -> bool:
    """Whether a text is a data: URI, which holds a file itself: "data:image/png;base64,iVBOR…"."""
    return _DATA.match(text) is not None


def decode_data_uri(uri: str) -> bytes:
    """Bytes that a data: URI holds. Raises: ImageError with the reason alone.

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


def fetch(
    url: str,
    *,
    timeout: float = TIMEOUT,
    total: float = TOTAL_TIMEOUT,
    size_limit: int = SIZE_LIMIT,
    reach: Reach = ANYWHERE,
) -> bytes:
    """Content of an http or https URL. Nothing but the URL is sent; nothing is kept on disk.

    Redirects are followed to http and https only, and from a public host never to one of this machine or of a private
    network: a table from elsewhere could name them, to reach what only this machine can.
    timeout: seconds to wait for an answer; total: for all of it. reach: hosts that it may reach.
    Raises: ImageError with the reason alone, also for a URL with a user name or password; InputError for another kind
        of URL.
    """
    if not is_url(url):
        raise InputError(f"{url!r} is not the URL of an image; expected one that begins with http:// or https://.")
    check_authority(url, reach)
    route = Route(total, reach)
    try:
        with route.opener().open(ascii_url(url), timeout=timeout) as answer:
            content = bytearray()
            while chunk := answer.read1(_CHUNK):
                content += chunk
                if len(content) > size_limit:
                    raise ImageError(f"the image at this URL is larger than {size_limit:,} bytes")
            missing = answer.length or 0
    except urllib.error.HTTPError as error:
        raise ImageError(f"the URL answers {error.code} {_printable(error.reason)}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        if route.late:
            raise ImageError(_too_slow(total)) from error
        reason = _printable(getattr(error, "reason", None) or error)
        raise ImageError(f"the URL cannot be fetched ({reason or type(error).__name__})") from error
    finally:
        route.end()
    if route.late:
        raise ImageError(_too_slow(total))
    if missing:
        raise ImageError(f"the transfer broke off {missing:,} bytes before the end")
    return bytes(content)


def _printable(said: object) -> str:
    """Words of a server without what could steer a terminal, and few of them."""
    return "".join(letter for letter in str(said).strip() if letter.isprintable())[:200]


def _too_slow(total: float) -> str:
    return f"the URL took longer than {total:g} seconds"


def ascii_url(url: str) -> str:
    """URL as it is sent: its host by IDNA, other letters beyond ASCII as %-codes.

    Raises: ValueError for a host that has no such form.
    """
    parts = urllib.parse.urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    if not place.isascii():
        host, colon, port = place.partition(":")
        url = parts._replace(netloc=f"{user}{at}{host.encode('idna').decode()}{colon}{port}").geturl()
    return urllib.parse.quote(url, safe=_SAFE)
