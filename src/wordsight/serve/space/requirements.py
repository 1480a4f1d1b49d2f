"""Packages that a Space installs: those that this one needs for a page, and Gradio as it is installed here."""

from __future__ import annotations

import importlib.metadata

from packaging.requirements import Requirement

from wordsight.errors import MissingExtraError

_EXTRA = "page"


def gradio_version() -> str:
    """Version of Gradio that is installed. Raises: MissingExtraError where it is not."""
    try:
        return importlib.metadata.version("gradio")
    except importlib.metadata.PackageNotFoundError:
        raise MissingExtraError("wordsight space", "gradio", _EXTRA) from None


def list_requirements() -> list[str]:
    """Lines of a requirements.txt, in order of name, without this package, whose code the Space holds."""
    lines = {f"gradio=={gradio_version()}"}
    for line in importlib.metadata.requires("wordsight") or ():
        needed = Requirement(line)
        wanted = needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in ("", _EXTRA))
        if wanted and needed.name not in ("wordsight", "gradio"):
            needed.marker = None
            lines.add(str(needed))
    return sorted(lines)
