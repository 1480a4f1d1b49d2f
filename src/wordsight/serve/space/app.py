"""The application of a Space: its galleries, open to everyone, read-only."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from wordsight.errors import WordsightError
from wordsight.gallery import Gallery
from wordsight.serve.run import run
from wordsight.serve.settings import PORT, Settings
from wordsight.serve.space.gallery_copy import restore_times

FRAMES = ("https://huggingface.co",)  # which shows the Space in a frame


def serve_space(folder: Path, galleries: Mapping[str, str]) -> None:
    """Serve the galleries of a Space's folder (name → place in it) until told to stop.

    The folder becomes the current one, to which all paths in the Space are relative.
    """
    os.chdir(folder)
    for place in galleries.values():
        with contextlib.suppress(WordsightError, OSError), Gallery.open(place) as gallery:
            restore_times(gallery.index)
    run(read_settings(os.environ, galleries))


def read_settings(environment: Mapping[str, str], galleries: Mapping[str, str]) -> Settings:
    """Settings of a Space, from what Hugging Face tells it: $SPACE_HOST is its own name on the web."""
    host = environment.get("SPACE_HOST")
    return Settings(
        galleries=galleries,
        host="0.0.0.0",
        port=int(environment.get("GRADIO_SERVER_PORT", PORT)),
        public=True,
        allowed_hosts=(host,) if host else (),
        allowed_frames=FRAMES,
    )
