"""Opening and making an index in Pinecone."""

from __future__ import annotations

import os
import re

from wordsight.errors import InputError, MissingExtraError, StoreError
from wordsight.index.base import IndexInfo
from wordsight.index.pinecone.client_errors import client_errors
from wordsight.index.pinecone.index import PineconeIndex

NAMESPACE = "wordsight"


def open_store(location: str, info: IndexInfo | None) -> PineconeIndex:
    """Open the index at "pinecone:INDEX" or "pinecone:INDEX/NAMESPACE", or make it.

    info: what to make it with; None opens one that is there. A new index is serverless, in the cloud and region that
    PINECONE_CLOUD and PINECONE_REGION name (aws, us-east-1). The key is read from PINECONE_API_KEY, and another
    controller than Pinecone's own from PINECONE_CONTROLLER_HOST.

    Raises: InputError for a location of another form; StoreError where there is no index, or one that another model
    made (naming both), or where the service refuses; MissingExtraError without the client.
    """
    found = re.fullmatch(r"(?:pinecone:)?([a-z0-9](?:[a-z0-9-]{0,43}[a-z0-9])?)(?:/([\x21-\x7e]{1,200}))?", location)
    if found is None:
        raise InputError(
            f"The location {location!r} is not of the form pinecone:INDEX or pinecone:INDEX/NAMESPACE; an index's name "
            "has up to 45 small letters, digits and hyphens."
        )
    try:
        from pinecone import Pinecone, TextQuery  # noqa: F401 — the second one came with 10
    except ImportError as error:
        raise MissingExtraError("An index in Pinecone", "pinecone>=10", "pinecone") from error
    if not os.environ.get("PINECONE_API_KEY"):
        raise StoreError(f"No key for {location}: set PINECONE_API_KEY to one from app.pinecone.io.")
    with client_errors(location):
        client = Pinecone()
    try:
        return PineconeIndex(client, found[1], found[2] or NAMESPACE, location, info)
    except BaseException:
        client.close()
        raise
