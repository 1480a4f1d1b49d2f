"""Every error that a user's input can cause; each message says what was seen, what was expected, what to do."""

from collections.abc import Iterable


class WordsightError(Exception):
    """Base of all errors that wordsight raises for what a user gave it."""


class CheckpointError(WordsightError):
    """A file or folder that is not a readable checkpoint: truncated, wrong architecture, missing or extra keys, NaN."""


class UnsafePickleError(CheckpointError):
    """A pickle that names something other than tensors and plain containers; nothing of it was run."""


class UnknownModelError(WordsightError):
    """A model name that is neither a path nor in the catalogue."""


class OfflineError(WordsightError):
    """A download that was asked for and could not be done."""


class InputError(WordsightError):
    """A value given by the user that cannot be worked with: class lists, templates, precisions, paths."""


class ImageError(WordsightError):
    """An image that cannot be read."""


class WordsightWarning(UserWarning):
    """Base of all warnings: something was done, but not quite as asked; filter them by this class."""


class StoreError(WordsightError):
    """An index that cannot be read or written: not there, damaged, of another model, in use, or the disk is full."""


class NoIndexError(StoreError):
    """A location where there is no index."""


class TrainError(WordsightError):
    """A run that cannot start or continue: its data, its checkpoint, its processes, or non-finite numbers."""


class MissingExtraError(WordsightError):
    """A feature whose optional dependency is not installed."""

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'wordsight[{extra}]'"
        )


def did_you_mean(seen: str, known: Iterable[str], n: int = 3) -> str:
    """Hint ' Did you mean: a, b?' with the closest of `known`, or an empty string; callers check that it is text."""
    import difflib

    assert isinstance(seen, str), seen

    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(seen.lower(), by_lower, n=n, cutoff=0.5)
    if not close:
        return ""
    return f" Did you mean: {', '.join(by_lower[name] for name in close)}?"
