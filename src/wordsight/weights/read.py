"""Open a model by its name, or from a file or folder in any layout."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from wordsight.arguments import check_path, check_type
from wordsight.checkpoint import Checkpoint
from wordsight.errors import CheckpointError, InputError, UnknownModelError, did_you_mean
from wordsight.weights import catalog, file_names, hub
from wordsight.weights.read_files import (
    explain_failure,
    make_absence_error,
    read_file,
    read_folder,
    read_path,
    reject_unneeded_like,
)

Progress = Callable[[int, int], None]

_SHOWN = 200  # characters of a name in a message


def read_checkpoint(
    name_or_path: str | Path, *, like: str | None = None, progress: Progress | None = None
) -> Checkpoint:
    """Open a model: "mini", a catalogue name, `hf-hub:org/repo`, `local-dir:path`, a file or a folder.

    like: a catalogue name whose facts (activation, preprocessing) hold for an open_clip file that has none beside it;
        rejected for a model that has its configuration.
    progress: called with (bytes done, bytes in total) while a model that was asked for by name is downloaded.

    Raises: UnknownModelError (with what was likely meant), OfflineError (with what to do), CheckpointError,
        UnsafePickleError; InputError for an unneeded `like`.
    """
    check_path("The model", name_or_path, "a name, a file or a folder")
    asked = str(name_or_path)
    if not asked:
        raise InputError("The model is named ''; expected a name such as 'mini', a file or a folder.")
    if like is not None:
        check_type("like", like, str, "a name of `wordsight models`")
    if like is not None and catalog.find(like) is None:
        raise UnknownModelError(f"There is no model {like!r}.{did_you_mean(like, catalog.names())}")
    if isinstance(name_or_path, str):
        if asked == "mini":
            reject_unneeded_like(like, asked)
            return _read_bundled()
        if asked.startswith("hf-hub:"):
            repo = asked.removeprefix("hf-hub:")
            folder = hub.fetch_repo(repo)
            with explain_failure(folder):
                return read_folder(folder, repo, f"https://huggingface.co/{repo}", like)
        if asked.startswith("local-dir:"):
            return read_path(Path(asked.removeprefix("local-dir:")).expanduser(), like)
    path = Path(os.path.expanduser(name_or_path))
    if os.path.exists(path):  # False for a name that is too long
        return read_path(path, like)
    if isinstance(name_or_path, str) and (name := catalog.find(asked)):
        reject_unneeded_like(like, asked)
        return _read_catalogued(name, progress)
    shown = asked
    if len(asked) > _SHOWN:
        shown = f"{asked[:_SHOWN]}…"
    if (
        isinstance(name_or_path, os.PathLike)
        or path.suffix in file_names.CHECKPOINT_SUFFIXES
        or asked.startswith((".", "/", "~"))
    ):
        raise make_absence_error(shown)
    raise UnknownModelError(
        f"The model {shown!r} is neither a file, a folder nor a known name.{did_you_mean(shown, catalog.names())} "
        "`wordsight models` lists the names; any other model of the hub is hf-hub:org/repo."
    )


def _read_bundled() -> Checkpoint:
    from importlib import resources

    folder = Path(str(resources.files("wordsight"))) / "data" / "mini"
    if not (folder / file_names.SPEC).is_file():
        raise CheckpointError(
            "This installation has no bundled model: the folder data/mini of the package is missing. "
            "Install wordsight from its wheel, or make the model with `wordsight train recipes/mini.py`."
        )
    with explain_failure(folder):
        return read_folder(folder, "mini", "bundled", None)


def _read_catalogued(name: str, progress: Progress | None) -> Checkpoint:
    entry = catalog.MODELS[name]
    if repo := entry.get("hub"):
        folder = hub.fetch_repo(repo)
        configured = any((folder / file).is_file() for file in (file_names.OPEN_CLIP_CONFIG, file_names.HF_CONFIG))
        with explain_failure(folder):
            read = read_folder(folder, name, f"https://huggingface.co/{repo}", None if configured else name)
        read = catalog.add_facts(read, name)
    else:
        file = hub.fetch_url(entry["url"], sha256=entry.get("sha256", ""), progress=progress)
        with explain_failure(file):
            read = read_file(file, name, entry["url"], None if name.endswith("/openai") else name)
    return catalog.apply_name(read, name)
