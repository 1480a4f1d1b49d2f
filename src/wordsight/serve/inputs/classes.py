"""Classes and templates of a request, within limits, and never a file of the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import WithJsonSchema

from wordsight.errors import InputError, did_you_mean
from wordsight.serve.api.image_inputs import is_unicode
from wordsight.serve.errors import RequestError
from wordsight.serve.inputs.images import check_number
from wordsight.serve.settings import Limits
from wordsight.zeroshot.classifier import word_classes
from wordsight.zeroshot.templates import TEMPLATE_SETS

MOST_PROMPTS = 40_000  # of one request: 10,000 classes, their singulars, and two templates
_MOST_CHARACTERS = 8 << 20  # of all prompts
_MOST_TEMPLATES = 200
_LONGEST = 1000  # characters of a class, wording or template; models read some 300

CLASSES_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {"type": "array", "minItems": 1, "items": {"type": "string"}},
            {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
        ]
    }
)
TEMPLATES_SCHEMA = WithJsonSchema(
    {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]}
)

Wordings = dict[str, tuple[str, ...]]


def read_classes(given: Any, most: int, param: str = "classes") -> Wordings:
    """Class name → wordings that are embedded of it, of a list of names or an object {name: [wording, …]}.

    Raises: RequestError for other values, empty and repeated names, and more than `most` classes.
    """
    if isinstance(given, Mapping):
        check_number(len(given), most, "classes", param)
        for name, words in given.items():
            _check_text(name, f"{param} has a name that")
            if not isinstance(words, list) or not words:
                raise RequestError("is not a list of wordings", f"{param}.{name[:40]}")
            for word in words:
                _check_text(word, f"{param}.{name[:40]}")
    elif isinstance(given, list):
        check_number(len(given), most, "classes", param)
        for place, name in enumerate(given):
            _check_text(name, f"{param}.{place}")
    else:
        raise RequestError('is neither a list of names nor an object {"name": ["wording", …]}', param)
    try:
        return word_classes(given)
    except InputError as error:
        raise RequestError(f"cannot be used: {str(error).rstrip('.')}", param) from None


def read_templates(given: Any, param: str = "templates") -> tuple[str, ...]:
    """Templates of a set's name, one template, or a list of templates. Raises: RequestError for other values."""
    if isinstance(given, str):
        if given in TEMPLATE_SETS:
            return TEMPLATE_SETS[given]
        if "{}" not in given:
            sets = ", ".join(sorted(TEMPLATE_SETS))
            hint = did_you_mean(given[:40], TEMPLATE_SETS).strip().rstrip("?") or "see GET /v1/templates"
            raise RequestError(
                f"is {given[:40]!r}, which is neither a template with '{{}}' nor one of the sets {sets} ({hint})", param
            )
        given = [given]
    if not isinstance(given, list) or not given:
        raise RequestError("is neither a set's name, a template with '{}', nor a list of templates", param)
    check_number(len(given), _MOST_TEMPLATES, "templates", param)
    for place, template in enumerate(given):
        _check_text(template, f"{param}.{place}")
        if "{}" not in template:
            raise RequestError(
                f"is {template[:40]!r}, which lacks '{{}}', the place of the class name", f"{param}.{place}"
            )
    return tuple(given)


def check_prompts(wordings: Mapping[str, Sequence[str]], templates: Sequence[str], param: str = "classes") -> None:
    """Raise RequestError (413) for more prompts than one request may have embedded, or longer ones."""
    words = sum(map(len, wordings.values()))
    letters = sum(len(word) for several in wordings.values() for word in several)
    characters = sum(words * len(template) + template.count("{}") * letters for template in templates)
    if words * len(templates) > MOST_PROMPTS:
        raise RequestError(
            f"and templates make {words * len(templates):,} prompts ({words:,} wordings of {len(wordings):,} classes × "
            f"{len(templates)} templates), this server embeds {MOST_PROMPTS:,} for a request; take fewer templates, "
            "such as 'photo', or ask with fewer classes at a time",
            param,
            status=413,
        )
    if characters > _MOST_CHARACTERS:
        raise RequestError(
            f"and templates make prompts of {characters:,} characters together, this server takes "
            f"{_MOST_CHARACTERS:,}; shorten them",
            param,
            status=413,
        )


def check_texts(given: list[Any], limits: Limits, param: str = "texts") -> list[str]:
    """Texts of a list. Raises: RequestError for what is not a text, and for too many or too long ones."""
    check_number(len(given), limits.texts, "texts", param)
    for place, text in enumerate(given):
        _check_text(text, f"{param}.{place}")
    return given


def _check_text(text: Any, param: str) -> None:
    """Raise RequestError for what is not a short, valid text."""
    if not isinstance(text, str):
        raise RequestError(f"is {str(text)[:40]!r}, expected a text", param)
    if len(text) > _LONGEST:
        raise RequestError(f"has {len(text):,} characters, this server takes {_LONGEST:,}", param, status=413)
    if not is_unicode(text):
        raise RequestError("is not valid Unicode: it holds half of a surrogate pair", param)
