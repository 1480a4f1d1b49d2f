"""The page at /docs: the OpenAPI document as plain HTML, without scripts and without anything from elsewhere."""

from __future__ import annotations

import html
import json
import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from wordsight.serve.service import Service, get_service

router = APIRouter(include_in_schema=False)

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; overflow-wrap: anywhere; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
pre { border: 1px solid GrayText; border-radius: .25rem; padding: .5rem; white-space: pre-wrap; }
nav ul { columns: 16rem; list-style: none; padding: 0; }
article { border-top: 1px solid GrayText; padding-block: .5rem; }
summary { cursor: pointer; padding-block: .25rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid GrayText; padding: .25rem .5rem .25rem 0; text-align: left; vertical-align: top; }
.method { font-weight: bold; text-transform: uppercase; }
"""


@router.get("/docs", response_class=HTMLResponse)
async def docs(request: Request, _: Annotated[Service, Depends(get_service)]) -> HTMLResponse:
    """Page of the API."""
    return HTMLResponse(render_page(request.app.openapi(), str(request.base_url).rstrip("/")))


def render_page(document: dict[str, Any], base_url: str) -> str:
    """HTML page of an OpenAPI document; base_url: of the server, for the examples."""
    info, tags = document["info"], {tag["name"]: tag["description"] for tag in document.get("tags", [])}
    operations: dict[str, list[tuple[str, str, dict[str, Any]]]] = {name: [] for name in tags}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            operations.setdefault(operation.get("tags", ["other"])[0], []).append((method, path, operation))
    used = {tag: found for tag, found in operations.items() if found}
    sections = "".join(
        f'<section><h2 id="tag-{tag}">{_text(tag)}</h2>{_paragraphs(tags.get(tag, ""))}'
        + "".join(_operation(document, base_url, *one) for one in found)
        + "</section>"
        for tag, found in used.items()
    )
    links = "".join(
        f'<li><a href="#{operation["operationId"]}"><code>{method.upper()} {_text(path)}</code></a></li>'
        for found in used.values()
        for method, path, operation in found
    )
    schemas = "".join(
        f'<article><h3 id="schema-{_text(name)}"><code>{_text(name)}</code></h3>'
        f"{_paragraphs(schema.get('description', ''))}{_properties(schema)}</article>"
        for name, schema in sorted(document["components"]["schemas"].items())
    )
    title = f"{_text(info['title'])} {_text(info['version'])}: the API"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f"<header><h1>{title}</h1>{_paragraphs(info.get('description', ''))}"
        '<p>For programs: <a href="/openapi.json">openapi.json</a>.</p></header>'
        f'<nav aria-label="Operations"><ul>{links}</ul></nav><main>{sections}'
        f'<section><h2 id="schemas">Schemas</h2>{schemas}</section></main></body></html>'
    )


def _operation(document: dict[str, Any], base_url: str, method: str, path: str, operation: dict[str, Any]) -> str:
    """One operation: what it does, what it takes, an example, what it answers."""
    content = operation.get("requestBody", {}).get("content", {})
    id, said = operation["operationId"], operation.get("description") or operation.get("summary", "")
    parts = [f'<article><h3 id="{id}"><span class="method">{method}</span> <code>{_text(path)}</code></h3>']
    parts.append(_paragraphs(said))
    if parameters := operation.get("parameters"):
        parts += ["<h4>Parameters</h4>", _table([_row(one["name"], one["schema"], one) for one in parameters])]
    for kind, part in content.items():
        parts += [f"<h4>Body, <code>{_text(kind)}</code></h4>", _properties(_resolve(document, part["schema"]))]
    parts.append(_example(document, base_url, method, path, content))
    answers = "".join(f"<li><code>{code}</code> {_answer(one)}</li>" for code, one in operation["responses"].items())
    parts.append(f"<details><summary>Answers</summary><ul>{answers}</ul></details></article>")
    return "".join(parts)


def _example(document: dict[str, Any], base_url: str, method: str, path: str, content: dict[str, Any]) -> str:
    """Command that asks for the operation, where the document has an example of its body."""
    command = f"curl {base_url}{path}"
    if document.get("security"):
        command += " -H 'Authorization: Bearer TOKEN'"
    if content:
        examples = _resolve(document, next(iter(content.values()))["schema"]).get("examples", [])
        if not examples:
            return ""
        body = json.dumps(examples[0], ensure_ascii=False).replace("'", "'\\''")
        command += f" -H 'Content-Type: application/json' -d '{body}'"
    elif method != "get" or "{" in path:
        return ""
    return f"<h4>Example</h4><pre><code>{_text(command)}</code></pre>"


def _properties(schema: dict[str, Any]) -> str:
    """Table of an object's fields."""
    required = schema.get("required", [])
    fields = schema.get("properties", {}).items()
    return _table([_row(name, part, {"required": name in required, **part}) for name, part in fields])


def _row(name: str, schema: dict[str, Any], facts: dict[str, Any]) -> str:
    """Row of a field or parameter. facts: whether it is `required`, its `description`."""
    default = "required" if facts.get("required") is True else ""
    if schema.get("default") is not None:
        default = f"<code>{_text(json.dumps(schema['default'], ensure_ascii=False))}</code>"
    cells = "".join(f"<td>{cell}</td>" for cell in (_kind(schema), default, _code(facts.get("description", ""))))
    return f'<tr><th scope="row"><code>{_text(name)}</code></th>{cells}</tr>'


def _table(rows: list[str]) -> str:
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Name", "Kind", "Default", "Meaning"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _kind(schema: dict[str, Any]) -> str:
    """Kind of a value in few words, linked where it is a schema of its own."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#schema-{_text(name)}">{_text(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(part) for part in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"<code>{_text(json.dumps(value))}</code>" for value in schema["enum"])
    if "const" in schema:
        return f"<code>{_text(json.dumps(schema['const']))}</code>"
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return _text(schema.get("type", "any"))


def _answer(response: dict[str, Any]) -> str:
    kinds = [_kind(part["schema"]) for part in response.get("content", {}).values() if part.get("schema")]
    return f"{_code(response['description'])} {', '.join(kinds)}"


def _resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A schema itself, where another refers to it."""
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_code(part)}</p>" for part in text.split("\n\n") if part.strip())


def _code(text: str) -> str:
    """Text with what is between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(text))


def _text(text: str) -> str:
    return html.escape(str(text))
