"""Requests to an embeddings server: within limits, tried again where that may help, every number checked."""

from __future__ import annotations

import base64
import binascii
import contextlib
import email.utils
import http.client
import json
import os
import random
import time
import urllib.error
import urllib.request
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluate.server.address import Address
from wordsight.ingest.url_route import Route
from wordsight.json_records import parse_json

KEY = "WORDSIGHT_API_KEY"  # environment variable of the key that is sent as "Authorization: Bearer …"
TIMEOUT = 60.0  # seconds without an answer
TOTAL = 300.0  # seconds for a whole answer
TRIES = 6
_TRIES_TO_REACH = 2  # of a server that never answered: its address may be wrong
LONGEST_WAIT = 60.0  # seconds, whatever a server asks for
_FIRST_WAIT = 1.0
_MOST_DIMS = 65_536
_BYTES_A_NUMBER = 32  # as text; the longest float64 takes 24
_SLACK = 1 << 16  # bytes of an answer beside its numbers
_CHUNK = 1 << 16
_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_OF_THE_INPUT = frozenset({400, 413, 415, 422})


class RefusedInput(InputError):
    """Inputs that the server refuses, while others may be fine: statuses 400, 413, 415 and 422."""


class Client:
    """One model of one server. dim: numbers in its embeddings, known after the first answer."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.title = f"The server {address.url} "  # that messages begin with
        self.dim: int | None = None

    def embed(self, body: dict[str, Any], count: int) -> NDArray[np.float32]:
        """Unit embeddings (count, D) of the inputs in a request's body.

        Raises: RefusedInput for what the server does not take; InputError for a server that cannot be reached, refuses
            the key, or answers anything but `count` finite vectors of one length.
        """
        request = dict(body, encoding_format=self.address.encoding)
        if self.address.model:
            request["model"] = self.address.model
        content = self._send(json.dumps(request).encode(), count)
        return self._read_vectors(content, count)

    def _send(self, body: bytes, count: int) -> bytes:
        """Body of the answer, after as many tries as it takes."""
        wait = _FIRST_WAIT
        for left in reversed(range(TRIES)):
            try:
                return self._send_once(body, count)
            except urllib.error.HTTPError as error:
                asked = _retry_after(error)
                problem = self._explain(error)
                if error.code not in _AGAIN or not left:
                    raise problem from None
            except (OSError, http.client.HTTPException) as error:
                asked = None
                reason = getattr(error, "reason", None) or error
                problem = self._problem(f"cannot be reached ({self._clean(str(reason) or type(error).__name__)})")
                if not left or (self.dim is None and left <= TRIES - _TRIES_TO_REACH):
                    raise problem from error
            time.sleep(min(LONGEST_WAIT, asked if asked is not None else wait * random.uniform(1, 1.25)))
            wait *= 2
        raise AssertionError("the last try returns or raises")

    def _send_once(self, body: bytes, count: int) -> bytes:
        from wordsight import __version__

        headers = {"Content-Type": "application/json", "Accept": "application/json",
                   "User-Agent": f"wordsight/{__version__}"}  # fmt: skip
        if key := os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self.address.url, body, headers, method="POST")
        most = _SLACK + count * _BYTES_A_NUMBER * (self.dim or _MOST_DIMS)
        too_large = self._problem(f"answers more than {most:,} bytes to {count} inputs")
        route = Route(TOTAL)
        try:
            with _opener(route).open(request, timeout=TIMEOUT) as answer:
                content = _read(answer, most, too_large)
        except (OSError, http.client.HTTPException):
            if not route.late:
                raise
        finally:
            route.end()
        if route.late:
            raise TimeoutError(f"no whole answer within {TOTAL:g} seconds")
        return content

    def _read_vectors(self, content: bytes, count: int) -> NDArray[np.float32]:
        """Unit vectors of an answer, in the order of the inputs."""
        try:
            answer = parse_json(content, most=_SLACK + count * (self.dim or _MOST_DIMS))
            rows = [_numbers(entry["embedding"]) for entry in _in_order(answer["data"])]
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            start = self._clean(content[:80].decode("utf-8", "replace"))
            raise self._problem(
                f"answers {start!r} …, which is not a list of embeddings ({type(error).__name__}: "
                f"{self._clean(str(error))})"
            ) from error
        if len(rows) != count:
            raise self._problem(f"answers {len(rows)} embeddings to {count} inputs")
        widths = {row.shape for row in rows}
        if len(widths) != 1 or not 0 < rows[0].size <= _MOST_DIMS or rows[0].ndim != 1:
            raise self._problem(f"answers embeddings of the shapes {sorted(widths)}, which should be one")
        if self.dim is not None and rows[0].size != self.dim:
            raise self._problem(f"answers embeddings of {rows[0].size} numbers, of {self.dim} before")
        vectors_ND = np.stack(rows)
        largest_N1 = np.abs(vectors_ND).max(axis=1, keepdims=True)
        if not (np.isfinite(largest_N1) & (largest_N1 > 0)).all():
            raise self._problem("answers embeddings that are not finite, or all 0")
        self.dim = rows[0].size
        vectors_ND = vectors_ND / largest_N1  # squares of numbers such as 1e200 are not finite
        return np.asarray(vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True), np.float32)

    def _explain(self, error: urllib.error.HTTPError) -> InputError:
        """Meaning of an error status, with the first words of the server."""
        answer = ""
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            answer = self._clean(error.read(2000).decode("utf-8", "replace"))
        error.close()
        message = f"answers {error.code} {self._clean(str(error.reason))} {answer}".strip()
        if error.code in (401, 403):
            return self._problem(f"{message}; put its key into the environment variable {KEY}")
        if error.code in (301, 302, 303, 307, 308):
            there = self._clean(error.headers.get("Location", "elsewhere"))
            return self._problem(f"redirects to {there}, which is not followed; name that address if you trust it")
        if error.code == 404:
            return self._problem(f"{message}; give the address up to /v1, and a model that it serves: http://…/v1#NAME")
        if error.code in _OF_THE_INPUT:
            return RefusedInput(str(self._problem(message)))
        return self._problem(message)

    def _problem(self, what: str) -> InputError:
        return InputError(f"{self.title}{what}.")

    def _clean(self, answer: str) -> str:
        """Words of a server without what could steer a terminal, without the key, and few of them."""
        if key := os.environ.get(KEY):
            answer = answer.replace(key, "…")
        return " ".join("".join(letter if letter.isprintable() else " " for letter in answer).split())[:200]


def _opener(route: Route) -> urllib.request.OpenerDirector:
    """Opener of http and https that follows no redirect: what is sent was meant for one address."""
    opener = urllib.request.OpenerDirector()
    for handler in (*route.handlers(), urllib.request.HTTPDefaultErrorHandler(), urllib.request.HTTPErrorProcessor()):
        opener.add_handler(handler)
    return opener


def _read(answer: Any, most: int, too_large: InputError) -> bytes:
    content = bytearray()
    while chunk := answer.read1(_CHUNK):
        content += chunk
        if len(content) > most:
            raise too_large
    if answer.length:
        raise http.client.IncompleteRead(bytes(content[-1:]), answer.length)
    return bytes(content)


def _in_order(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries by their index, or as they come where none has one."""
    if all(entry.get("index") is None for entry in entries):
        return entries
    if not all(type(entry["index"]) is int for entry in entries):
        raise ValueError("an index is not a whole number")
    placed = {entry["index"]: entry for entry in entries}
    if len(placed) != len(entries) or set(placed) != set(range(len(entries))):
        raise ValueError("the indexes are not 0, 1, 2, …")
    return [placed[place] for place in range(len(entries))]


def _numbers(embedding: Any) -> NDArray[np.float64]:
    """Numbers of one embedding: a list, or base64 of little-endian float32."""
    if isinstance(embedding, str):
        try:
            return np.frombuffer(base64.b64decode(embedding, validate=True), "<f4").astype(np.float64)
        except binascii.Error as error:
            raise ValueError(f"base64 that cannot be decoded: {error}") from error
    if not isinstance(embedding, list) or not all(type(number) in (float, int) for number in embedding):
        raise ValueError("an embedding is not a list of numbers")
    return np.array(embedding, np.float64)


def _retry_after(error: urllib.error.HTTPError) -> float | None:
    """Seconds that a server asks to wait (RFC 9110, §10.2.3): a number, or a date."""
    text = error.headers.get("Retry-After", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
