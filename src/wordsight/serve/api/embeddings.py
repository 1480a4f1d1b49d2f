"""`POST /v1/embeddings` in OpenAI's shape."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from wordsight.serve.api.callers import get_caller
from wordsight.serve.engine.engine import Caller
from wordsight.serve.service import Service, get_service

router = APIRouter(prefix="/v1", tags=["embeddings"])


class EmbeddingsRequest(BaseModel):
    """Texts to embed."""

    input: str | list[str]
    model: str | None = None


@router.post("/embeddings")
async def embed(
    asked: EmbeddingsRequest,
    service: Annotated[Service, Depends(get_service)],
    caller: Annotated[Caller, Depends(get_caller)],
) -> dict[str, Any]:
    """Embeddings of texts."""
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    answer = await service.engines.get(service.settings.model).embed_texts(texts, caller)
    data = [
        {"object": "embedding", "index": i, "embedding": vector.tolist()} for i, vector in enumerate(answer.vectors_ND)
    ]
    tokens = int(answer.tokens_N.sum())
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": service.settings.model, "usage": usage}
