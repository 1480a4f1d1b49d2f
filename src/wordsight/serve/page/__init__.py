"""The page: tabs by Gradio, contents by components of our own in `page/static`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wordsight.errors import MissingExtraError

if TYPE_CHECKING:
    from fastapi import FastAPI


def mount_page(app: FastAPI) -> None:
    """Add the page to an application: Gradio at /, our modules at /ui. Raises: MissingExtraError without Gradio."""
    from wordsight.serve.page.assets import mount_assets
    from wordsight.serve.page.shell import NoGradioError, mount_shell

    mount_assets(app)
    try:
        mount_shell(app)
    except NoGradioError:
        raise MissingExtraError("The page (without it: --api-only)", "gradio", "page") from None
