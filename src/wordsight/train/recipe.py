"""Recipes: Python files that define a run, or several.

A recipe defines `recipe()`, which returns its settings, a frozen dataclass (usually a `TrainConfig`). It may define
`run(config, folder, resume)` to fetch data, train, measure and plot by itself; without it the settings are passed to
`wordsight.train.train`. Modules beside the file can be imported by it. Relative paths in a recipe are relative to
the current folder, as on any command line, not to the recipe's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import inspect
import linecache
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from wordsight.errors import InputError, MissingExtraError, WordsightError, did_you_mean
from wordsight.train.config import TrainConfig, settings

EXPECTED = "def recipe() -> TrainConfig: …"


@dataclass(frozen=True)
class Recipe:
    """A loaded recipe. own_run: its `run`, if it has one. Made by `load_recipe`."""

    path: Path
    config: Any
    own_run: Callable[[Any, Path, bool], Any] | None = None

    @property
    def name(self) -> str:
        """The file's name without its extension."""
        return self.path.stem

    def with_settings(self, texts: Sequence[str]) -> Recipe:
        """Recipe with settings such as "optim.lr=1e-3" changed (see `settings.apply`)."""
        if not texts:
            return self
        return dataclasses.replace(self, config=settings.apply(self.config, texts))

    def run(self, folder: str | Path, *, resume: bool = False) -> Any:
        """Run the recipe; the result of its own `run`, or `train`'s `RunResult`."""
        with _importable(self.path.parent):
            if self.own_run is not None:
                with _report_errors(self.path, only_raised_there=True):
                    return self.own_run(self.config, Path(folder), resume)
            from wordsight.train.loop import train

            return train(self.config, folder, resume=resume)


def load_recipe(path: str | Path) -> Recipe:
    """Recipe from running a file and calling its `recipe()`.

    Raises: InputError for a missing file or one without `recipe()`, for a `recipe()` that does not return a frozen
        dataclass, and for any error in the file, with its line; MissingExtraError without torch.
    """
    path = _find(Path(path).expanduser())
    with _importable(path.parent):
        module = _module(path)
        make = getattr(module, "recipe", None)
        if not callable(make):
            raise InputError(f"{path} defines no recipe(); expected {EXPECTED}")
        with _report_errors(path):
            config = make()
    own_run = getattr(module, "run", None)
    if not callable(own_run) or getattr(own_run, "__module__", None) != module.__name__:
        own_run = None
    if own_run is not None:
        try:
            inspect.signature(own_run).bind(config, path, False)
        except TypeError as error:
            raise InputError(f"run() of {path} cannot be called as run(config, folder, resume): {error}.") from error
    if not dataclasses.is_dataclass(config) or isinstance(config, type) or not _is_frozen(config):
        raise InputError(f"recipe() of {path} returned {_short(config)}, expected a TrainConfig or a frozen dataclass.")
    if own_run is None and not isinstance(config, TrainConfig):
        raise InputError(
            f"recipe() of {path} returned {type(config).__name__}, which needs a run(config, folder, resume) in "
            "the recipe; define that, or return a TrainConfig."
        )
    return Recipe(path, config, own_run)


def _find(path: Path) -> Path:
    if path.is_file():
        return path
    if path.is_dir():
        there = ", ".join(sorted(each.name for each in path.glob("*.py"))) or "no .py file"
        raise InputError(f"The recipe {str(path)!r} is a folder; expected a Python file. In it: {there}.")
    beside = path.parent if path.parent.is_dir() else Path()
    hint = did_you_mean(str(path), [str(each) for each in sorted(beside.glob("*.py"))])
    raise InputError(f"There is no recipe {str(path)!r}; expected a Python file with {EXPECTED}{hint}")


def _module(path: Path) -> ModuleType:
    """Run the file as a module under its own name, by which decoding processes find its definitions."""
    name = path.stem
    known = sys.modules.get(name)
    if known is not None and os.path.abspath(getattr(known, "__file__", None) or "") != os.path.abspath(path):
        name = f"recipe_{name}"  # a recipe called json.py must not replace json
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file; expected a name like run.py with {EXPECTED}")
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        with _report_errors(path):
            spec.loader.exec_module(module)
    except BaseException:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        raise
    return module


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Make modules of a folder importable."""
    entry = os.path.abspath(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(entry)


@contextlib.contextmanager
def _report_errors(path: Path, *, only_raised_there: bool = False) -> Iterator[None]:
    """Turn errors in a recipe into one that names its line.

    only_raised_there: our own errors and those of libraries stay as they are, with their traceback.
    """
    try:
        yield
    except MissingExtraError:
        raise
    except Exception as error:
        if only_raised_there and (isinstance(error, WordsightError | OSError) or not _raised_in(path.parent, error)):
            raise
        raise _wrap_error(path, error) from error


def _raised_in(folder: Path, error: Exception) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and os.path.dirname(os.path.abspath(frames[-1].filename)) == os.path.abspath(folder)


def _wrap_error(path: Path, error: Exception) -> WordsightError:
    if isinstance(error, ModuleNotFoundError) and error.name == "torch":
        return MissingExtraError("Training", "torch", "train")
    return InputError(_describe(path, error))


def _describe(path: Path, error: Exception) -> str:
    """Location of an error in the recipe or in a file beside it, the line itself, and the error."""
    if isinstance(error, SyntaxError) and error.filename:
        place, line = f"{error.filename}, line {error.lineno}", (error.text or "").strip()
    else:
        folder = os.path.abspath(path.parent)
        frames = [frame for frame in traceback.extract_tb(error.__traceback__)
                  if os.path.dirname(os.path.abspath(frame.filename)) == folder]  # fmt: skip
        if frames:
            place = f"{os.path.relpath(frames[-1].filename)}, line {frames[-1].lineno}"
            line = linecache.getline(frames[-1].filename, frames[-1].lineno or 0).strip()
        else:
            place, line = str(path), ""
    said = str(error)
    if isinstance(error, SyntaxError):
        said = error.msg
    if not isinstance(error, WordsightError):
        said = f"{type(error).__name__}: {said}"
    if line:
        said += f"\n    {line}"
    return f"{place}: {said}"


def _is_frozen(config: Any) -> bool:
    return bool(config.__dataclass_params__.frozen)


def _short(value: Any) -> str:
    text = repr(value)
    if len(text) > 60:
        return f"a {type(value).__name__}"
    return text
