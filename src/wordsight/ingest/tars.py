"""Archives of images with captions beside them, as webdataset and img2dataset write them: key.jpg, key.txt, key.json.

Source: webdataset, `base_plus_ext` and `group_by_keys`: a sample is a run of members of the same folder and name up to
the first dot; https://github.com/webdataset/webdataset. Where an image and a caption (or JSON) of such a sample share
their names up to the last dot, as 22.05.jpg and 22.05.txt do, they are a sample of their own: webdataset would leave
the caption unread.
"""

from __future__ import annotations

import functools
import json
import os
import tarfile
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wordsight.columns import TOO_MANY_COLUMNS, Kinds, make_meta, plain
from wordsight.errors import ImageError
from wordsight.hashes import hash_content, hash_text
from wordsight.images.files import EXTENSIONS
from wordsight.images.skipped import Skipped, describe_error
from wordsight.ingest.items import Content, Item, Unlisted
from wordsight.path_text import name_words, to_text
from wordsight.unique_ids import Numbers

TEXT_EXTENSIONS = (".txt", ".text", ".caption")  # of captions
_SPEAKING = frozenset({*TEXT_EXTENSIONS, ".json"})  # of what is said of an image
# metadata that words are searched in where the user names none: img2dataset's JSON is full of URLs and hashes
_SPOKEN = frozenset(
    {"alt", "alt_text", "caption", "class", "description", "keywords", "label", "tags", "text", "title"}
)
_SIDE_LIMIT = 1 << 20  # bytes of a caption or of metadata


@dataclass(frozen=True)
class Member:
    """A file in an archive: where its bytes lie."""

    start: int
    size: int


@dataclass
class Sample:
    """The members of one key, by what follows the first dot of their names, in lower case: ".jpg", ".seg.png"."""

    key: str
    members: dict[str, Member] = field(default_factory=dict)


def sample_items(
    path: str,
    source: str,
    status: os.stat_result,
    name: str,  # noqa: ARG001 - the archive's own name says nothing of an image
    text_columns: tuple[str, ...] | None = None,
) -> Iterator[Item | Skipped]:
    """Yield the images of a tar with their captions and metadata; where the file is cut off, those before the cut."""
    kinds = Kinds()
    keys = array("Q")
    try:
        with open(path, "rb") as file:
            for sample in samples(path, file):
                if isinstance(sample, Sample):
                    kinds.see(_metadata(sample, file))
                    if image_extensions(sample):
                        keys.append(hash_text(sample.key))
            kinds.settle()
            if kinds.too_many:
                yield Skipped(Path(path), TOO_MANY_COLUMNS)
            numbers = Numbers(keys)
            for sample in samples(path, file):
                if not isinstance(sample, Sample):
                    yield sample
                elif image_extensions(sample):
                    suffix = numbers.suffix(sample.key)
                    yield from _images(sample, suffix, file, path, source, status, kinds, text_columns)
    except OSError as error:
        yield Unlisted(Path(path), describe_error(error))


def samples(path: str, file: Any) -> Iterator[Sample | Unlisted]:
    """Yield the samples of an open archive, one after the other, and at last what is wrong with it, if anything is."""
    for sample in _runs(path, file):
        if isinstance(sample, Sample):
            yield from _by_last_dot(sample)
        else:
            yield sample


def _by_last_dot(sample: Sample) -> list[Sample]:
    """Samples that the last dots in their members' names tell apart; mostly there is one."""
    if all(extension.count(".") == 1 for extension in sample.members):
        return [sample]
    by_name: dict[str, dict[str, Member]] = {}
    for extension, member in sample.members.items():
        name, _, last = extension.rpartition(".")
        by_name.setdefault(name, {})[f".{last}"] = member
    apart = [
        Sample(sample.key + name, members)
        for name, members in by_name.items()
        if name and any(last in EXTENSIONS for last in members) and any(last in _SPEAKING for last in members)
    ]
    taken = {part.key[len(sample.key) :] for part in apart}
    rest = {end: member for end, member in sample.members.items() if end.rpartition(".")[0] not in taken}
    if rest:
        apart.insert(0, Sample(sample.key, rest))
    return apart


def _runs(path: str, file: Any) -> Iterator[Sample | Unlisted]:
    """Yield runs of members whose names are the same up to the first dot."""
    sample: Sample | None = None
    whole = os.fstat(file.fileno()).st_size
    problem = ""
    try:
        for member in _members(file):
            if member.size < 0:
                raise tarfile.ReadError(f"{member.name!r} claims {member.size:,} bytes")
            if member.offset_data + member.size > whole:
                problem = f"is cut off within {member.name!r}; what comes before it was read"
                break
            key, extension = split_name(member.name)
            if not member.isreg() or not extension or os.path.basename(member.name).startswith("."):
                continue
            if sample is None or sample.key != key or extension in sample.members:
                if sample is not None:
                    yield sample
                sample = Sample(key)
            sample.members[extension] = Member(member.offset_data, member.size)
    except (tarfile.TarError, EOFError, ValueError, RecursionError) as error:  # headers without end recurse
        hint = "what comes before it was read" if sample else "unpack a compressed one"
        said = "headers without end" if isinstance(error, RecursionError) else error
        problem = f"is damaged, or not a tar archive ({said}); {hint}"
    if sample is not None:
        yield sample
    if problem:
        yield Unlisted(Path(path), problem)


def split_name(name: str) -> tuple[str, str]:
    """Member's key and extension: "a.b/0001.seg.png" → ("a.b/0001", ".seg.png")."""
    folder, slash, base = name.rpartition("/")
    stem, dot, extension = base.partition(".")
    return folder + slash + stem, (dot + extension).lower()


def _members(file: Any) -> Iterator[tarfile.TarInfo]:
    """Yield the members without keeping them: `tarfile` remembers all it has seen, a kilobyte each."""
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:") as archive:
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]
            yield member
        end = archive.offset
    file.seek(end)
    mark = file.read(tarfile.BLOCKSIZE)  # zeros; `tarfile` takes anything but a member for the end
    if mark.strip(b"\0") or len(mark) < tarfile.BLOCKSIZE:
        raise tarfile.ReadError(f"neither a member nor the archive's end mark is at byte {end:,}")


def _images(
    sample: Sample,
    suffix: str,
    file: Any,
    path: str,
    source: str,
    status: os.stat_result,
    kinds: Kinds,
    text_columns: tuple[str, ...] | None,
) -> Iterator[Item]:
    """Yield the images of one sample: "<path>#<key>", others of it "<path>#<key>.<extension>", and a suffix."""
    images = image_extensions(sample)
    metadata = kinds.typed(_metadata(sample, file))
    captions = [_text(sample.members[extension], file) for extension in TEXT_EXTENSIONS if extension in sample.members]
    spoken = _SPOKEN if text_columns is None else text_columns
    columns = (str(value) for name, value in metadata.items() if name in spoken and value is not None)
    text = "\n".join(dict.fromkeys(filter(None, [*captions, *columns, name_words(f"{sample.key}.")])))
    archive, key = to_text(path), to_text(sample.key)
    for extension in images:
        yield Item(
            id=f"{archive}#{key}" + (extension if extension != images[0] else "") + suffix,
            source=source,
            path=archive,
            read=functools.partial(_read, path, sample.members[extension]),
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            text=text,
            meta=make_meta(metadata),
        )


def image_extensions(sample: Sample) -> list[str]:
    """Extensions of a sample's images, in the order of its members."""
    return [extension for extension in sample.members if f".{extension.rpartition('.')[2]}" in EXTENSIONS]


def _metadata(sample: Sample, file: Any) -> Mapping[str, Any]:
    """Metadata of a sample's JSON; nothing where it is damaged or not an object: the image is worth more."""
    member = sample.members.get(".json")
    if member is None:
        return {}
    try:
        values = json.loads(_text(member, file))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(values, dict):
        return {}
    return {str(name): plain(value) for name, value in values.items()}


def _text(member: Member, file: Any) -> str:
    file.seek(member.start)
    content: bytes = file.read(min(member.size, _SIDE_LIMIT))
    return content.decode("utf-8-sig", "replace").strip()


def _read(path: str, member: Member) -> Content:
    try:
        with open(path, "rb") as file:
            file.seek(member.start)
            content = file.read(member.size)
    except OSError as error:
        raise ImageError(describe_error(error)) from error
    return Content(hash_content(content), lambda: content)
