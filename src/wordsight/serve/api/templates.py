"""`GET /v1/templates`: the built-in sets of prompt templates."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from wordsight.zeroshot.templates import TEMPLATE_SETS

router = APIRouter(prefix="/v1", tags=["classify"])


class TemplateSet(BaseModel):
    """A set of templates by its name."""

    name: str
    templates: list[str]


class TemplateSets(BaseModel):
    """All sets."""

    templates: list[TemplateSet]


@router.get("/templates", operation_id="list_templates")
async def list_all() -> TemplateSets:
    """List the sets that `templates` of `POST /v1/classify` may name: CLIP's own, each for a kind of images."""
    return TemplateSets(
        templates=[TemplateSet(name=name, templates=list(texts)) for name, texts in TEMPLATE_SETS.items()]
    )
