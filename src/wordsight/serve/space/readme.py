"""README.md of a Space, whose head tells Hugging Face how to run it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

from wordsight.errors import InputError
from wordsight.serve.space.requirements import gradio_version

# that a Space's card may have: https://huggingface.co/docs/hub/spaces-config-reference
COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
_LONGEST = 60  # characters of a short description

_TEXT = """---
{head}
---

# {title}

Find images by words, by example, or both: a page, an API at `/docs`, and calibrated answers that
admit "nothing matches", by [wordsight](https://github.com/wordsight/wordsight), on a CPU.
Nothing here can be changed by visitors.

{galleries}

Run it anywhere: `pip install -r requirements.txt && python app.py`, then open http://localhost:7860.
"""


def write_readme(title: str, galleries: Mapping[str, int], *, emoji: str = "🔎", license: str | None = None) -> str:
    """Text of the README. galleries: name → number of images. license: of the images, as Hugging Face spells it.

    Raises: InputError for a title that is empty or of several lines; MissingExtraError without Gradio.
    """
    if not title.strip() or not title.isprintable():
        raise InputError(f"The title is {title!r}, expected some words on one line.")
    images = sum(galleries.values())
    head: dict[str, str | bool] = {
        "title": title,
        "emoji": emoji,
        "colorFrom": "blue",
        "colorTo": "indigo",
        "sdk": "gradio",
        "sdk_version": gradio_version(),
        "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
        "app_file": "app.py",
        "pinned": False,
        "short_description": f"Search {images:,} images by words or by example"[:_LONGEST],
    }
    if license:
        head["license"] = license
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in head.items()]  # JSON is YAML
    listed = "\n".join(f"- {name}: {count:,} images" for name, count in galleries.items())
    return _TEXT.format(head="\n".join(lines), title=title, galleries=listed)
