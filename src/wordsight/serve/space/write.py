"""Writing a Space: the folder with everything that Hugging Face needs to run it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import wordsight
from wordsight.errors import InputError
from wordsight.gallery import Gallery
from wordsight.images.skipped import Skipped
from wordsight.serve.space.gallery_copy import Copied, Images, Progress, copy_gallery, index_place
from wordsight.serve.space.places import IMAGES, plain_name, unlike_others
from wordsight.serve.space.readme import write_readme
from wordsight.serve.space.requirements import list_requirements
from wordsight.weights.write import write_checkpoint

APP = "app.py"
_MARK = "wordsight.serve.space.app"
# what is written; the rest of the folder, such as .git, is left as it is
_FOLDERS = ("wordsight", "indexes", IMAGES, "models")
_FRESH = {".git", ".gitattributes", ".gitignore", "README.md"}  # of a Space that was just made and cloned

_APP = '''"""The galleries of this Space, on its page and API."""

from pathlib import Path

from {mark} import serve_space

serve_space(Path(__file__).parent, {galleries!r})
'''
_ATTRIBUTES = """indexes/** filter=lfs diff=lfs merge=lfs -text
images/** filter=lfs diff=lfs merge=lfs -text
models/** filter=lfs diff=lfs merge=lfs -text
*.safetensors filter=lfs diff=lfs merge=lfs -text
"""


@dataclass(frozen=True, kw_only=True)
class SpaceOptions:
    """How a Space is made.

    title, emoji, license: of its README. images: "thumbnails" of 512 pixels without EXIF, or "copy": the files as they
    are. copy_models: put models into the Space; else those other than "mini" are downloaded by name when it starts.
    """

    title: str = "Image search"
    emoji: str = "🔎"
    license: str | None = None
    images: Images = "thumbnails"
    copy_models: bool = False


@dataclass(frozen=True, eq=False)
class Space:
    """A Space that was written: number of images by gallery, bytes of its folder, and the images left out."""

    folder: Path
    galleries: Mapping[str, int]
    bytes: int
    skipped: tuple[Skipped, ...]


def write_space(
    folder: Path,
    galleries: Mapping[str, str],
    options: SpaceOptions | None = None,
    progress: Progress | None = None,
) -> Space:
    """Write a Space of galleries (name → location of an index) into a folder: new, empty, cloned, or written before.

    Raises: InputError for a folder that holds something else, no gallery, and models that lie in files unless they are
    copied; StoreError; MissingExtraError without Gradio.
    """
    options = options or SpaceOptions()
    if not galleries:
        raise InputError("A Space needs a gallery; name an index, or images to index: --gallery INDEX")
    requirements = "\n".join(list_requirements()) + "\n"
    write_readme(options.title, {}, emoji=options.emoji, license=options.license)  # what is wrong is told at once
    _clear(folder)
    copied, plain = {}, dict[str, str]()
    for name, location in galleries.items():
        plain[name] = unlike_others(plain_name(name), plain.values())
        with Gallery.open(location) as gallery:
            copied[name] = _copy(gallery, plain[name], folder, options, progress)
    places = {name: index_place(short) for name, short in plain.items()}
    counts = {name: one.images for name, one in copied.items()}
    (folder / APP).write_text(_APP.format(mark=_MARK, galleries=places), encoding="utf-8")
    (folder / "requirements.txt").write_text(requirements, encoding="utf-8")
    readme = write_readme(options.title, counts, emoji=options.emoji, license=options.license)
    (folder / "README.md").write_text(readme, encoding="utf-8")
    (folder / ".gitattributes").write_text(_ATTRIBUTES, encoding="utf-8")
    copy_package(folder / "wordsight")
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and ".git" not in file.parts)
    return Space(folder, counts, size, tuple(skip for one in copied.values() for skip in one.skipped))


def _copy(gallery: Gallery, name: str, folder: Path, options: SpaceOptions, progress: Progress | None) -> Copied:
    model = gallery.info.model
    if model != "mini" and options.copy_models:
        model = f"models/{gallery.info.fingerprint}"
        if not (folder / model).exists():
            write_checkpoint(gallery.model.checkpoint, folder / model, "wordsight")
    elif Path(model).expanduser().exists() and model != "mini":
        raise InputError(
            f"The model of the gallery {name!r} lies in {model!r}, which the Space will not have; copy it with "
            "--copy-model."
        )
    return copy_gallery(gallery.index, name, folder, images=options.images, model=model, progress=progress)


def copy_package(target: Path) -> None:
    """Copy this package's code and the bundled model, so that the Space runs this very version."""
    package = Path(wordsight.__file__).parent
    shutil.copytree(package, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))


def _clear(folder: Path) -> None:
    """Make the folder, and remove what an earlier call wrote there. Raises: InputError for one of other contents."""
    folder.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder for the Space.")
    names = {path.name for path in folder.iterdir()}
    app = folder / APP
    ours = app.is_file() and _MARK in app.read_text(encoding="utf-8", errors="replace")
    if not ours and names - _FRESH:
        raise InputError(
            f"{folder} holds other files ({', '.join(sorted(names - _FRESH)[:5])}); name a new or empty folder, or a "
            "Space that was just cloned or written by this command."
        )
    for name in _FOLDERS:
        if (folder / name).exists():
            shutil.rmtree(folder / name)
