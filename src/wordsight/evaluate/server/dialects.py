"""Bodies of requests: texts as all servers take them, images in the dialects that there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]


@dataclass(frozen=True)
class Dialect:
    """Form of a request about images, as data URIs. many: whether a request may hold several."""

    body: Callable[[Sequence[str]], Body]
    many: bool = True


def text_body(texts: Sequence[str]) -> Body:
    """Texts, as OpenAI's API reference has them."""
    return {"input": list(texts)}


def _jina(uris: Sequence[str]) -> Body:
    return {"input": [{"image": uri} for uri in uris]}


def _infinity(uris: Sequence[str]) -> Body:
    return {"input": list(uris), "modality": "image"}


def _messages(uris: Sequence[str]) -> Body:
    (uri,) = uris
    return {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": uri}}]}]}


# in the order in which they are tried: one that a server does not know should be refused by it
DIALECTS = {
    "jina": Dialect(_jina),  # jina.ai/embeddings: `input` of objects
    "vllm": Dialect(_messages, many=False),  # docs.vllm.ai, "Chat Embeddings API"
    "infinity": Dialect(_infinity),  # michaelfeil/infinity: `modality`
}
