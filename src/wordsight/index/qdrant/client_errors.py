"""Errors of Qdrant's client, translated into what a user can do."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from wordsight.errors import StoreError, WordsightError


@contextlib.contextmanager
def client_errors(location: str) -> Iterator[None]:
    """Turn what the client raises into StoreError."""
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    try:
        yield
    except WordsightError:
        raise
    except ResponseHandlingException as error:
        raise StoreError(f"The server of {location} cannot be reached ({error}); is it running there?") from error
    except UnexpectedResponse as error:
        if error.status_code in (401, 403):
            text = f"The server of {location} refused the key; set QDRANT_API_KEY to one it knows."
            raise StoreError(text) from error
        answer = error.content.decode(errors="replace")[:500]
        raise StoreError(f"The server of {location} answered {error.status_code}: {answer}") from error
    except RuntimeError as error:
        if "already accessed" in str(error):
            raise StoreError(
                f"The index at {location} is in use by another process; close it, or run a Qdrant server and name its "
                "URL."
            ) from error
        raise StoreError(f"The index at {location} cannot be used: {error}") from error
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"The index at {location} cannot be read or written: {error}") from error
