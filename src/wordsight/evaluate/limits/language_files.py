"""Names in many languages, and the images that they are of, as npm packages and folders hold them.

Names: `annotations/<language>/annotations.json` (npm cldr-annotations-full: emoji) and `langs/<language>.json` (npm
i18n-iso-countries: countries). Images: `emoji.json` with `img/<vendor>/64` (npm emoji-datasource-*), files named by
code points ("1f600.png", "emoji_u1f600.png") or by country codes ("fr.png"), or a labelled set of flags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wordsight.errors import InputError
from wordsight.images.files import EXTENSIONS
from wordsight.json_records import parse_json

Names = Mapping[str, tuple[str, ...]]  # key → wordings

_PRESENTATION = "\ufe0f"  # says that a character is shown in colour; CLDR's keys lack it
_FLAG_LETTERS = 0x1F1E6  # regional indicator "A"; two of them are the flag of a country
_CONCRETE = ("Animals & Nature", "Food & Drink", "Activities", "Travel & Places", "Objects")
_CODE_POINTS = re.compile(r"(?:emoji_)?u?([0-9a-f]{2,6}(?:[-_][0-9a-f]{2,6})*)", re.IGNORECASE)
_EXPECTED_NAMES = (
    "annotations/<language>/annotations.json as in npm cldr-annotations-full, or langs/<language>.json as in npm "
    "i18n-iso-countries"
)
_EXPECTED_IMAGES = (
    "emoji.json and img/ as in npm emoji-datasource-google, or images named by code points (1f600.png) or country "
    "codes (fr.png)"
)


@dataclass(frozen=True)
class LanguageNames:
    """Names by language: kind "emoji", whose keys are the characters, or "country", whose keys are two letters."""

    kind: str
    by_language: Mapping[str, Names]


def read_names(folder: Path) -> LanguageNames:
    """Names of the languages of a folder. Raises: InputError for a folder without them, or a file that is damaged."""
    for root in (folder, folder / "package"):
        for place in (root / "annotations", root):
            files = sorted(place.glob("*/annotations.json"))
            if files:
                return LanguageNames("emoji", {path.parent.name: _read_annotations(path) for path in files})
        for place in (root / "langs", root):
            files = [path for path in sorted(place.glob("*.json")) if "countries" in _read_quietly(path)]
            if files:
                return LanguageNames("country", {path.stem: _read_countries(path) for path in files})
    raise InputError(f"{str(folder)!r} holds no names of languages; expected {_EXPECTED_NAMES}.")


def read_images(folder: Path, kind: str, english: Names) -> dict[str, Path]:
    """Image of each key. `english`: names by which a labelled set of flags is understood.

    Raises: InputError for a folder without such images.
    """
    images: dict[str, Path] = {}
    for root in (folder, folder / "package"):
        if (root / "emoji.json").is_file():
            images = dict(_read_emoji_source(root, kind))
            break
    if not images and folder.is_dir():
        images = dict(_read_named_files(folder, kind))
    if not images and kind == "country" and folder.is_dir():
        images = _read_flags(folder, english)
    if not images:
        raise InputError(f"{str(folder)!r} holds no images of {_PLURALS[kind]}; expected {_EXPECTED_IMAGES}.")
    return images


_PLURALS = {"emoji": "emoji", "country": "flags"}


def _read_annotations(path: Path) -> Names:
    content = _read_json(path)
    try:
        entries = content["annotations"].get("annotations", {})  # some languages have none yet
        return {
            key.replace(_PRESENTATION, ""): (entry["tts"][0],) for key, entry in entries.items() if entry.get("tts")
        }
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise _damaged(path, "CLDR's annotations") from error


def _read_countries(path: Path) -> Names:
    names = {}
    for code, words in _read_json(path)["countries"].items():
        wordings = (words,) if isinstance(words, str) else tuple(words)
        if not wordings or not all(isinstance(wording, str) and wording.strip() for wording in wordings):
            raise _damaged(path, "names of countries")
        names[code.upper()] = wordings
    return names


def _read_emoji_source(root: Path, kind: str) -> Iterator[tuple[str, Path]]:
    """Images of npm emoji-datasource-*: of emoji those that show a thing, as people, faces and symbols have no name
    that everybody would give them."""
    folders = sorted(path for path in root.glob("img/*/64") if path.is_dir())
    if not folders:
        raise InputError(f"{str(root)!r} has emoji.json but no folder img/<vendor>/64 with its images.")
    for entry in _read_json(root / "emoji.json"):
        try:
            characters = "".join(chr(int(code, 16)) for code in entry["unified"].split("-"))
            path, category = folders[0] / entry["image"], entry.get("category")
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(root / "emoji.json", "emoji-datasource's list") from error
        key = _make_key(characters, kind)
        if key and path.is_file() and (kind == "country" or category in _CONCRETE):
            yield key, path


def _read_named_files(folder: Path, kind: str) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in EXTENSIONS:
            continue
        if kind == "country" and re.fullmatch(r"[A-Za-z]{2}", path.stem):
            yield path.stem.upper(), path
        elif match := _CODE_POINTS.fullmatch(path.stem):
            codes = [int(code, 16) for code in re.split("[-_]", match[1])]
            if max(codes) <= 0x10FFFF and (key := _make_key("".join(map(chr, codes)), kind)):
                yield key, path


def _read_flags(folder: Path, english: Names) -> dict[str, Path]:
    """Images of a labelled set whose classes are called like countries in English, or "flag of …"."""
    from wordsight.evaluate.datasets.opening import open_set

    data = open_set(str(folder))
    by_name = {wording.casefold(): code for code, wordings in english.items() for wording in wordings}
    images = {}
    for image, label in zip(data.images, data.labels, strict=True):
        name = re.sub(r"^(the )?flag of (the )?", "", data.classnames[label], flags=re.IGNORECASE).casefold()
        code = by_name.get(name) or by_name.get(f"the {name}")
        if code and isinstance(image, str | Path):
            images[code] = Path(image)
    return images


def _make_key(characters: str, kind: str) -> str:
    """Key of an emoji: its characters, or the code of the country whose flag it is; "" of none."""
    if kind == "emoji":
        return characters.replace(_PRESENTATION, "")
    letters = [ord(character) - _FLAG_LETTERS for character in characters]
    if len(letters) != 2 or not all(0 <= letter < 26 for letter in letters):
        return ""
    return "".join(chr(ord("A") + letter) for letter in letters)


def _read_json(path: Path) -> Any:
    try:
        return parse_json(path.read_bytes(), most=10_000_000)
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read as JSON ({error}); unpack the package again.") from error


def _read_quietly(path: Path) -> Any:
    """Content of a file that may be of another kind, which is then empty."""
    content = _read_json(path)
    return content if isinstance(content, dict) else {}


def _damaged(path: Path, kind: str) -> InputError:
    return InputError(f"{str(path)!r} does not have the form of {kind}; unpack the package again.")
