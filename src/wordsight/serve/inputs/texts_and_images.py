"""Inputs of `POST /v1/embeddings`, in the forms that clients speak: OpenAI's, infinity's, Jina's, vLLM's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wordsight.serve.api.image_inputs import FORMS, ImageObject, is_unicode
from wordsight.serve.errors import RequestError
from wordsight.serve.inputs.images import check_number
from wordsight.serve.settings import Limits

_IMAGE_URI = re.compile(r"data:image/", re.IGNORECASE)
_WEB = re.compile(r"https?://\S+$", re.IGNORECASE)
_IMAGE_KEYS = frozenset(ImageObject.model_fields)
_TOKENS = (
    "holds token ids, which only the model that they were made for can read; send texts. LangChain: "
    "OpenAIEmbeddings(check_embedding_ctx_length=False)"
)
_ONE_EACH = (
    "holds more than one text or image, and a CLIP model has no joint embedding of them; send each in a request of its "
    'own, or all as {"input": [{"text": …}, {"image": …}]}, and add their embeddings where one vector is wanted'
)

INPUT_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "description": '{"text": …}, {"image": …}, {"url": …}, or {"id": …, "gallery": …}',
            "properties": {name: {"type": "string"} for name in ("text", *ImageObject.model_fields)},
        },
    ]
}


@dataclass(frozen=True, eq=False)
class Inputs:
    """Texts and images of a request by their places. texts: place → text; images: place → what was given.

    names: of each place in the request, for messages. suspects: places of texts that look like images.
    """

    texts: dict[int, str]
    images: dict[int, Any]
    names: list[str]
    suspects: list[int]


def read_inputs(given: Any, messages: Any, modality: str, limits: Limits) -> Inputs:
    """Inputs of `POST /v1/embeddings`: its `input` or its `messages`; modality: as of `read_list`.

    Raises: RequestError naming the first input that is not a text or image, or is over a limit.
    """
    if (given is None) == (messages is None):
        raise RequestError("is missing" if given is None else "and messages are both given; send one of them", "input")
    if messages is not None:
        name, content = _read_messages(messages)
        return _sort([content], [name], "text", limits)
    if isinstance(given, str | Mapping):
        return _sort([given], ["input"], modality, limits)
    return read_list(given, modality, limits, "input")


def read_list(given: Any, modality: str, limits: Limits, param: str) -> Inputs:
    """Texts and images of a list. modality: what its strings are, "text", "image", or "auto": URIs and URLs are images.

    Raises: RequestError naming the first that is neither, or is over a limit.
    """
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise RequestError(f"is {_kind(given)}; expected a text, an image object, or a list of these", param)
    if not given:
        raise RequestError("is an empty list; expected at least one text or image", param)
    check_number(len(given), limits.texts, "inputs", param)
    return _sort(given, [f"{param}.{place}" for place in range(len(given))], modality, limits)


def read_one(given: Any, limits: Limits, param: str) -> Inputs:
    """One text or image. Raises: RequestError."""
    return _sort([given], [param], "auto", limits)


def _sort(given: Sequence[Any], names: list[str], modality: str, limits: Limits) -> Inputs:
    """Texts and images by their places, the texts checked."""
    inputs = Inputs({}, {}, names, [])
    for place, (one, name) in enumerate(zip(given, names, strict=True)):
        if isinstance(one, str):
            if modality == "image" or (modality == "auto" and (_IMAGE_URI.match(one) or _WEB.match(one))):
                inputs.images[place] = one
                continue
            if _IMAGE_URI.match(one):
                inputs.suspects.append(place)
            inputs.texts[place] = _check_text(one, name, limits)
        elif isinstance(one, Mapping):
            _sort_object(one, place, inputs, limits)
        elif isinstance(one, int | Sequence) and not isinstance(one, bool):
            raise RequestError(_TOKENS, name.partition(".")[0])
        else:
            raise RequestError(f"is {_kind(one)}; expected a text or an image object", name)
    return inputs


def _sort_object(one: Mapping[str, Any], place: int, inputs: Inputs, limits: Limits) -> None:
    """Put {"text": …} or an image object in its place."""
    name = inputs.names[place]
    if "text" in one:
        if one.keys() & _IMAGE_KEYS:
            raise RequestError(_ONE_EACH, name)
        if len(one) > 1 or not isinstance(one["text"], str):
            raise RequestError('is not understood; expected {"text": TEXT} alone', name)
        inputs.texts[place] = _check_text(one["text"], name, limits)
    elif one.keys() & _IMAGE_KEYS:
        inputs.images[place] = one
    else:
        raise RequestError(f'is an object without "text" or "image"; expected a text, {{"text": TEXT}}, {FORMS}', name)


def _check_text(text: str, name: str, limits: Limits) -> str:
    if len(text) > limits.text_characters:
        raise RequestError(
            f"has {len(text):,} characters, this server takes {limits.text_characters:,} in a text", name, status=413
        )
    if not is_unicode(text):
        raise RequestError("is not valid Unicode: it holds half of a surrogate pair", name)
    return text


def _read_messages(messages: Any) -> tuple[str, Any]:
    """Name and value of the one text or image of a conversation, as vLLM's clients send it."""
    if not isinstance(messages, list) or not messages:
        raise RequestError(f"is {_kind(messages)}; expected a list with one message", "messages")
    found: list[tuple[str, Any]] = []
    for place, message in enumerate(messages[:100]):
        found += _read_message(message, f"messages.{place}")
    if not found:
        raise RequestError("holds no text or image", "messages")
    texts = [value["text"] for _, value in found if "text" in value]
    if len(texts) == len(found):
        return found[0][0], {"text": "\n".join(texts)}  # parts of one text, which vLLM joins in this way
    if len(found) > 1:
        raise RequestError(_ONE_EACH, "messages")
    return found[0]


def _read_message(message: Any, name: str) -> list[tuple[str, Any]]:
    """Names and values of the texts and images of one message."""
    if not isinstance(message, Mapping) or not isinstance(message.get("content"), str | list):
        raise RequestError('is not a message; expected {"role": "user", "content": [PART]}', name)
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    found = [_read_part(part, f"{name}.content.{place}") for place, part in enumerate(parts[:100])]
    found = [(where, value) for where, value in found if value.get("text") != ""]
    if found and message.get("role", "user") != "user":
        role = str(message["role"])[:40]
        raise RequestError(
            f'is of the role {role!r}; a CLIP model takes no instructions: send one message of the role "user"', name
        )
    return found


def _read_part(part: Any, name: str) -> tuple[str, dict[str, Any]]:
    """Name and value of one part: {"text": …} or {"image": …}."""
    kind = part.get("type") if isinstance(part, Mapping) else None
    value = part.get(kind) if isinstance(kind, str) else None
    if kind == "image_url" and isinstance(value, Mapping):
        value = value.get("url")
    if not isinstance(value, str) or kind not in ("text", "image_url", "image"):
        raise RequestError(
            'is not understood; expected {"type": "text", "text": TEXT} or '
            '{"type": "image_url", "image_url": {"url": DATA URI}}',
            name,
        )
    return name, {"text" if kind == "text" else "image": value}


def _kind(value: Any) -> str:
    """Kind of a JSON value, for a message."""
    for kind, name in ((type(None), "null"), (bool, "true or false"), (int | float, "a number"), (str, "a text"),
                       (Mapping, "an object"), (list, "an empty list" if value == [] else "a list")):  # fmt: skip
        if isinstance(value, kind):
            return name
    return type(value).__name__
