"""Images of a set that are read when they are asked for, so that opening it holds none of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload


class LazyImages(Sequence[Any]):
    """Images by place; parts of it are lazy too.

    read: image at a place of the source: bytes, a path or pixels (H, W, 3). places: those of the source that are
    images of the set, in its order.
    """

    def __init__(self, read: Callable[[int], Any], places: Sequence[int]) -> None:
        self._read, self._places = read, places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> LazyImages: ...
    def __getitem__(self, index: int | slice) -> Any:
        """Image at a place, or the images of a slice, still unread."""
        if isinstance(index, slice):
            return LazyImages(self._read, self._places[index])
        return self._read(self._places[index])

    def take(self, places: Sequence[int]) -> LazyImages:
        """Some of the images, still unread."""
        return LazyImages(self._read, [self._places[place] for place in places])


def take_images(images: Sequence[Any], places: Sequence[int]) -> Sequence[Any]:
    """Some of a set's images; those that are unread stay so."""
    if isinstance(images, LazyImages):
        return images.take(places)
    return [images[place] for place in places]
