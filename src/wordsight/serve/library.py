"""Galleries of a server, by name."""

from __future__ import annotations

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


class Library:
    """Galleries by name, opened when first asked for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._open: dict[str, OpenGallery] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the galleries, the default one first."""
        return tuple(self.settings.galleries)

    async def start(self) -> None:
        """Begin; galleries are opened when first asked for."""

    def open(self, name: str | None) -> OpenGallery:
        """Gallery of a name, or the default one; opened by the caller's thread where it is not.

        Raises: UnknownGalleryError; StoreError for one that cannot be opened.
        """
        wanted = name or self.settings.default_gallery
        if wanted is None:
            raise UnknownGalleryError("This server has no gallery; start it with: wordsight serve --gallery INDEX")
        if wanted not in self.settings.galleries:
            raise UnknownGalleryError(
                f"There is no gallery {wanted!r}; there are: {', '.join(self.names)}.{did_you_mean(wanted, self.names)}"
            )
        if wanted not in self._open:
            gallery = Gallery.open(self.settings.galleries[wanted])
            self._open[wanted] = OpenGallery(wanted, gallery, gallery.info.model)
        return self._open[wanted]

    def model_source(self, name: str) -> str:
        """What `wordsight.load` takes to get a gallery's model."""
        return self.open(name).model_source

    async def stop(self) -> None:
        """Close all galleries."""
        for one in self._open.values():
            one.gallery.close()
        self._open.clear()
