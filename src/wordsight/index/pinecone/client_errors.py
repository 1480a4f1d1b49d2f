"""Errors of Pinecone's client, translated into what a user can do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from wordsight.errors import StoreError, WordsightError


@contextlib.contextmanager
def client_errors(location: str) -> Iterator[None]:
    """Turn what the client raises into StoreError."""
    from pinecone.errors import exceptions

    try:
        yield
    except WordsightError:
        raise
    except (exceptions.UnauthorizedError, exceptions.ForbiddenError) as error:
        raise StoreError(f"Pinecone refused the key for {location}; set PINECONE_API_KEY to one it knows.") from error
    except (exceptions.PineconeConnectionError, exceptions.PineconeTimeoutError) as error:
        raise StoreError(f"Pinecone cannot be reached for {location} ({error}); is there a network?") from error
    except exceptions.ApiError as error:
        raise StoreError(f"Pinecone answered {error.status_code} for {location}: {error.message}") from error
    except exceptions.PineconeError as error:
        raise StoreError(f"Pinecone's client failed for {location}: {error}") from error
