"""Images of shards with a .cls or .npy beside each: where their bytes lie, and what they are labelled."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from wordsight.images.skipped import describe_error
from wordsight.ingest.tars import Member, Sample, image_extensions, samples

_IMAGES = (".webp", ".png", ".jpg", ".jpeg")  # in the order in which CLIP_benchmark prefers them
_MARKS_LIMIT = 1 << 20  # bytes of a .cls or .npy


@dataclass
class LabelledShards:
    """Images of the shards read so far: where their bytes lie, and what stands in their .cls or .npy."""

    shards: list[str] = field(default_factory=list)
    ranges: list[tuple[int, int, int]] = field(default_factory=list)  # shard, start, size
    keys: list[str] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)

    def read(self, place: int) -> bytes:
        """Bytes of an image."""
        shard, start, size = self.ranges[place]
        with open(self.shards[shard], "rb") as file:
            file.seek(start)
            return file.read(size)


def read_shards(shards: Sequence[str], extension: str) -> LabelledShards:
    """Images of shards with their labels, by headers and labels alone. extension: of these, ".cls" or ".npy"."""
    found = LabelledShards()
    for path in shards:
        found.shards.append(path)
        try:
            with open(path, "rb") as file:
                for sample in samples(path, file):
                    if isinstance(sample, Sample):
                        _add(found, sample, file, extension)
                    else:
                        found.problems[f"the shard {os.path.basename(path)} {sample.reason}"] += 1
        except OSError as error:
            found.problems[f"the shard {os.path.basename(path)}: {describe_error(error)}"] += 1
    return found


def _add(found: LabelledShards, sample: Sample, file: IO[bytes], extension: str) -> None:
    """Take note of a sample, or of why it is left out."""
    image = next((sample.members[end] for end in _order(sample)), None)
    member = sample.members.get(extension)
    if image is None:
        found.problems["a sample holds no image"] += 1
        return
    if member is None:
        found.problems[f"a sample holds no {extension}"] += 1
        return
    content = _read_member(member, file)
    try:
        label = _parse_marks(content) if extension == ".npy" else int(content)
    except ValueError:
        wanted = "one number for each class" if extension == ".npy" else "the number of a class"
        found.problems[f"a {extension} does not hold {wanted}"] += 1
        return
    found.labels.append(label)
    found.keys.append(sample.key)
    found.ranges.append((len(found.shards) - 1, image.start, image.size))


def _order(sample: Sample) -> Iterator[str]:
    """Extensions of a sample's images, the preferred first."""
    yield from (end for end in _IMAGES if end in sample.members)
    yield from image_extensions(sample)


def _read_member(member: Member, file: IO[bytes]) -> bytes:
    file.seek(member.start)
    return file.read(min(member.size, _MARKS_LIMIT))


def _parse_marks(content: bytes) -> NDArray[np.bool_]:
    """Marks (K,) of a .npy. Raises: ValueError for anything else; pickles are not read."""
    try:
        marks = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, EOFError, MemoryError) as error:  # MemoryError: a header that promises more than there is
        raise ValueError(str(error)) from error
    if marks.ndim != 1 or marks.dtype.kind not in "biuf":
        raise ValueError("not a row of numbers")
    return np.asarray(marks > 0)
