"""The page's frame: a Gradio application that holds one component of ours, `<ws-app>`, with a tab for each task.

Nothing in it calls Python: the components ask the server's API, so that Gradio's endpoints for files, uploads, URLs and
functions are not needed, and `guard` closes them. The tabs are ours too: Gradio's own have no addresses, no arrow keys,
and name no panel for screen readers.
"""

from __future__ import annotations

import os
from html import escape
from typing import Any

from fastapi import FastAPI

from wordsight.serve.page.assets import asset_url

TITLE = "wordsight"
FONTS = ("system-ui", "sans-serif")
# of the document, and of the component, which Gradio's styles do not reach
STYLES = ("style.css", "find/find.css", "forms/forms.css", "sort/sort.css", "compare/compare.css", "add/add.css",
          "duplicates/duplicates.css")  # fmt: skip


class NoGradioError(ImportError):
    """Gradio is not installed."""


def mount_shell(app: FastAPI) -> None:
    """Mount the page at /. Raises: NoGradioError."""
    gradio = _import_gradio()
    theme = gradio.themes.Base(
        primary_hue="teal", neutral_hue="slate", font=FONTS, font_mono=("ui-monospace", "monospace")
    )
    gradio.mount_gradio_app(
        app,
        _build(gradio),
        path="/",
        theme=theme,
        head=_head(),
        footer_links=[],
        show_error=False,
        run_history=False,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
    )


def _import_gradio() -> Any:
    """Gradio, its statistics off before it is imported."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        import gradio
    except ModuleNotFoundError as error:
        raise NoGradioError(str(error)) from None
    return gradio


def _build(gradio: Any) -> Any:
    with gradio.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as blocks:
        gradio.Markdown("<ws-app></ws-app>", sanitize_html=False)
    return blocks


def _head() -> str:
    """Our styles and the module that defines all components."""
    return (
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        + "".join(f'<link rel="stylesheet" href="{escape(asset_url(name))}">' for name in STYLES)
        + f'<script type="module" src="{escape(asset_url("page.js"))}"></script>'
    )
