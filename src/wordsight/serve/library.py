"""Galleries of a server, by name: opened when first asked for, and again when another index is in their place."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

from wordsight.errors import WordsightError, did_you_mean
from wordsight.gallery import Gallery
from wordsight.serve.settings import Settings


class UnknownGalleryError(WordsightError):
    """A gallery that the server does not have."""


@dataclass(frozen=True, eq=False)
class OpenGallery:
    """A gallery that is open. model_source: what `wordsight.load` takes to get its model."""

    name: str
    gallery: Gallery
    model_source: str
    identity: tuple[int, int] | None = None  # of its folder, which may be deleted and made again


class Library:
    """Galleries by name. Safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._open: dict[str, OpenGallery] = {}
        self._locks = {name: threading.Lock() for name in settings.galleries}  # one that opens slowly delays no other

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the galleries, the default one first."""
        return tuple(self.settings.galleries)

    def open(self, name: str | None) -> OpenGallery:
        """Gallery of a name, or the default one. Blocks while an index is opened.

        Raises: UnknownGalleryError; StoreError for one that cannot be opened.
        """
        wanted = name or self.settings.default_gallery
        if wanted is None:
            raise UnknownGalleryError("This server has no gallery; start it with: wordsight serve --gallery FOLDER")
        if wanted not in self.settings.galleries:
            raise UnknownGalleryError(
                f"There is no gallery {wanted!r}; there are: {', '.join(self.names)}.{did_you_mean(wanted, self.names)}"
            )
        location = self.settings.galleries[wanted]
        with self._locks[wanted]:
            identity = _identify_folder(location)
            opened = self._open.get(wanted)
            if opened is not None and opened.identity == identity:
                return opened
            self._forget(wanted)
            gallery = Gallery.open(location, backend=self.settings.backend, precision=self.settings.precision)
            self._open[wanted] = OpenGallery(wanted, gallery, gallery.info.model, identity)
            return self._open[wanted]

    def model_source(self, name: str) -> str:
        """What `wordsight.load` takes to get a gallery's model; blocks and raises as `open`."""
        return self.open(name).model_source

    def close(self) -> None:
        """Close all galleries."""
        for name, lock in self._locks.items():
            with lock:
                self._forget(name)

    def _forget(self, name: str) -> None:
        if opened := self._open.pop(name, None):
            opened.gallery.close()


def _identify_folder(location: str) -> tuple[int, int] | None:
    """Device and inode of an index's folder; None of one that is not in a folder, or not there."""
    try:
        status = os.stat(location)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
