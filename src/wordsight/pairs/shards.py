"""Shards: tar archives of images with captions beside them, as webdataset and img2dataset write them."""

from __future__ import annotations

import glob
import io
import itertools
import json
import os
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from wordsight import durable
from wordsight.errors import InputError
from wordsight.images.skipped import describe_error
from wordsight.ingest.tars import TEXT_EXTENSIONS, Member, Sample, image_extensions, samples
from wordsight.pairs.references import FileRange, Reference
from wordsight.pairs.tally import Tally

_BRACES = re.compile(r"\{([^{}]*)\}")
_MOST_SHARDS = 1_000_000
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


class Shard:
    """One archive, of which only the headers are read here."""

    def __init__(self, path: str) -> None:
        self.path = path

    def references(self, draw: tuple[int, ...]) -> Iterator[Reference]:
        """Samples in order; a sample that is not a pair and damage of the archive with the problem."""
        try:
            with open(self.path, "rb") as file:
                for number, sample in enumerate(samples(self.path, file)):
                    if isinstance(sample, Sample):
                        yield self._reference(sample, (*draw, number))
                    else:
                        yield Reference(self.path, draw, None, problem=sample.reason)
        except OSError as error:
            yield Reference(self.path, draw, None, problem=describe_error(error))

    def _reference(self, sample: Sample, draw: tuple[int, ...]) -> Reference:
        """First image of a sample with its captions; with its JSON where there is no file of text."""
        key = f"{self.path}#{sample.key}"
        images = image_extensions(sample)
        texts = tuple(self._locate(sample.members[end]) for end in TEXT_EXTENSIONS if end in sample.members)
        fields = None
        if ".json" in sample.members:
            fields = self._locate(sample.members[".json"])
        if not images:
            return Reference(key, draw, None, problem="holds no image")
        return Reference(key, draw, self._locate(sample.members[images[0]]), texts, fields)

    def _locate(self, member: Member) -> FileRange:
        return FileRange(self.path, member.start, member.size)


def count_samples(shards: Iterable[Shard], tally: Tally) -> int:
    """Number of samples that hold an image, by their headers alone; the others are counted in `tally`."""
    good = 0
    for shard in shards:
        for reference in shard.references(()):
            if reference.problem:
                tally.add(reference.key, reference.problem)
            else:
                good += 1
    return good


def expand_shards(source: str, setting: str = "pairs") -> list[str]:
    """Archives that "a.tar", "shards/{00000..00099}.tar" or a glob stand for, in order.

    setting: name of the setting that has `source`, for messages.
    Raises: InputError for names that stand for no file.
    """
    paths = [path for pattern in _expand_braces(source, setting) for path in (sorted(glob.glob(pattern)) or [pattern])]
    if not paths:
        raise InputError(f"{setting} names {source!r}, which stands for no file: its numbers go down.")
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        others = ""
        if len(paths) > 1:
            others = f" ({len(missing):,} of {len(paths):,} are missing)"
        raise InputError(f"{setting} names {source!r}, but {missing[0]!r} does not exist{others}.")
    return paths


def write_shards(
    pairs: Iterable[tuple[str | Path | bytes, str | Sequence[str]]], folder: str | Path, *, per_shard: int = 1000
) -> list[Path]:
    """Write pairs as shards "00000.tar" and so on, which webdataset reads too; return their paths.

    pairs: (image, caption): an image's file or encoded bytes, stored as they are, and its caption, beside it as
        .txt, or several captions, as {"caption": […]} in .json.
    A shard is there whole or not at all.
    Raises: InputError for bytes that are not an image, and where no pair is given.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    numbered = enumerate(pairs)
    while some := list(itertools.islice(numbered, per_shard)):
        path = folder / f"{len(paths):05d}.tar"
        with (
            durable.written_whole(path) as partial,
            tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as archive,
        ):
            for number, (image, caption) in some:
                for extension, content in _members(image, caption):
                    member = tarfile.TarInfo(f"{number:09d}{extension}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
        paths.append(path)
    if not paths:
        raise InputError("No pair was given to write into shards; expected (image, caption) at least once.")
    return paths


def _members(source: str | Path | bytes, caption: str | Sequence[str]) -> list[tuple[str, bytes]]:
    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    try:
        with Image.open(io.BytesIO(content)) as image:
            extension = {"JPEG": ".jpg", "MPO": ".jpg"}.get(image.format or "", f".{image.format}".lower())
    except OSError as error:
        name = str(source)
        if isinstance(source, bytes):
            name = f"{len(content)} bytes"
        raise InputError(f"{name} is not an image that Pillow can read ({error}); leave it out.") from error
    if isinstance(caption, str):
        return [(extension, content), (".txt", caption.encode())]
    return [(extension, content), (".json", json.dumps({"caption": list(caption)}, ensure_ascii=False).encode())]


def _expand_braces(source: str, setting: str) -> list[str]:
    """Names that "{00000..00099}" and "{a,b}" stand for, all combinations of them."""
    found = _BRACES.search(source)
    if found is None:
        return [source]
    if span := _RANGE.fullmatch(found[1]):
        first, last = int(span[1]), int(span[2])
        if last - first >= _MOST_SHARDS:
            raise InputError(
                f"{setting} has {{{found[1]}}}, which stands for {last - first + 1:,} shards, expected "
                f"{_MOST_SHARDS:,} at most; name what is there, with a glob say."
            )
        parts = [f"{number:0{len(span[1])}d}" for number in range(first, last + 1)]
    else:
        parts = found[1].split(",")
    return [
        whole
        for part in parts
        for whole in _expand_braces(source[: found.start()] + part + source[found.end() :], setting)
    ]
