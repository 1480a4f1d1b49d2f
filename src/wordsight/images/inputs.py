"""Images as Python code holds them: paths, bytes, open files, PIL images, arrays, tensors, and cells of datasets."""

from __future__ import annotations

import inspect
import math
import os
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from wordsight.errors import ImageError, InputError, WordsightWarning
from wordsight.images.files import EXTENSIONS

ImageSource: TypeAlias = str | os.PathLike[str] | bytes | Image.Image | np.ndarray

_EXPECTED = "expected a path, bytes, an open file, a PIL image, a uint8 array or a tensor"
_EXTENSIONS = tuple(sorted(EXTENSIONS))


class PathAsTextWarning(WordsightWarning):
    """The name of an image file was given where text is expected, and is read as words."""


def is_image_like(value: Any) -> bool:
    """Whether a value is one image by its kind alone. A str is not: where text may stand, it is text.

    True for path objects, bytes, open files, PIL images, arrays and tensors of two or more dimensions, and the cells of
    image datasets ({"bytes": …, "path": …}).
    """
    if isinstance(value, os.PathLike | bytes | bytearray | memoryview | Image.Image):
        return True
    return is_open_file(value) or is_array(value) or _is_cell(value)


def is_open_file(value: Any) -> bool:
    """Whether a value is an open file: BytesIO, `open(…, "rb")`, a member of an archive, a response."""
    return callable(getattr(value, "read", None)) and not isinstance(value, os.PathLike | Image.Image)


def is_array(value: Any) -> bool:
    """Whether a value is an array or tensor (of NumPy, torch, JAX, …) of two or more dimensions, and not a table."""
    shaped = getattr(value, "ndim", 0)
    return hasattr(value, "__array__") and isinstance(shaped, int) and shaped >= 2 and not is_frame(value)


def is_frame(value: Any) -> bool:
    """Whether a value is a table in memory: a DataFrame of pandas or polars, an Arrow table, a dataset."""
    return hasattr(value, "columns") or hasattr(value, "column_names")


def as_image(value: Any) -> ImageSource:
    """One image as `images.decode` reads it: open files as their bytes, tensors as uint8 arrays.

    Files are read from their start where they can go back, and left where they stood. Tensors are (C, H, W) as in
    torchvision, else (H, W, C), else (H, W): uint8, or floats from 0 to 1.
    Raises: InputError for other kinds, for files opened as text and for tensors of other values; ImageError for a file
    that cannot be read.
    """
    if isinstance(value, str | os.PathLike | bytes | bytearray | memoryview | Image.Image | np.ndarray):
        return value  # type: ignore[return-value]
    if _is_cell(value):
        if value.get("bytes") is None:
            return as_image(value["path"])
        return as_image(value["bytes"])
    if is_open_file(value):
        return _read(value)
    if is_array(value):
        return _pixels(value)
    seen = type(value).__name__
    if is_frame(value):
        raise InputError(f"Images are given as a table ({seen}), {_EXPECTED}; give its column: df['path'].")
    if isinstance(value, float) and math.isnan(value):
        seen = "NaN, as of an empty cell"
    raise InputError(f"An image is given as {seen}, {_EXPECTED}.")


def warn_of_paths(texts: Iterable[str], instead: str, *, stacklevel: int = 2) -> None:
    """Warn (PathAsTextWarning) of the first text that is the path of an existing image file.

    instead: the call to write, with {} for the path as Python spells it: "model.embed_images({})".
    stacklevel: as of `warnings.warn`: 2 blames the line that calls the function that calls this one.
    """
    for text in texts:
        if isinstance(text, str) and text.lower().endswith(_EXTENSIONS) and os.path.isfile(text):
            warnings.warn(
                f"The text {text!r} is the path of an image, and is read as words; for the image: "
                f"{instead.format(repr(text))}",
                PathAsTextWarning,
                stacklevel=stacklevel + 1,
            )
            return


def _is_cell(value: Any) -> bool:
    """Whether a value is how datasets on the hub hold an image: {"bytes": b"…", "path": "…"}, one of them None."""
    return isinstance(value, Mapping) and any(value.get(key) is not None for key in ("bytes", "path"))


def _read(file: Any) -> bytes:
    """Bytes of an open file, from its start to its end."""
    if inspect.iscoroutinefunction(file.read):  # an upload of Starlette and FastAPI, around a file
        file = getattr(file, "file", file)
    name = getattr(file, "name", None)
    if not isinstance(name, str):
        name = type(file).__name__
    try:
        back = file.tell() if _seekable(file) else None
        if back is not None:
            file.seek(0)  # what has just been written stands at its end
        content = file.read()
        if back is not None:
            file.seek(back)
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise ImageError(f"{name}: cannot be read ({error})") from error
    if not isinstance(content, bytes | bytearray | memoryview):
        raise InputError(f"The file {name} gives {type(content).__name__}, expected bytes; open it with 'rb'.")
    return bytes(content)


def _seekable(file: Any) -> bool:
    seekable = getattr(file, "seekable", None)
    return callable(seekable) and bool(seekable())


def _pixels(tensor: Any) -> np.ndarray:
    """Tensor's image as uint8 (H, W) or (H, W, C)."""
    if callable(getattr(tensor, "detach", None)):  # torch: from any device, without its graph, bfloat16 included
        tensor = tensor.detach().cpu()
        if tensor.is_floating_point():
            tensor = tensor.float()
    pixels = np.asarray(tensor)
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3, 4):
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.dtype.kind == "f" and pixels.size:
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= 0 and high <= 1):  # nor NaN
            raise InputError(
                f"A tensor of an image holds values from {low:.3g} to {high:.3g}, expected floats from 0 to 1 or uint8 "
                "from 0 to 255, before any normalisation: the model normalises by itself."
            )
        pixels = np.rint(255 * pixels.astype(np.float32)).astype(np.uint8)
    return pixels
