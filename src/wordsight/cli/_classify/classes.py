"""Classes of `wordsight classify`: words, or those that a linear head learnt from labelled images."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from wordsight.cli._messages import say
from wordsight.errors import InputError
from wordsight.images.names import source_name

if TYPE_CHECKING:
    from wordsight.model import Model
    from wordsight.zeroshot.image_classifier import ImageClassifier
    from wordsight.zeroshot.linear_head import LinearHead

# options about words, which a head does without, and why
_NO_NONE = "a probe learnt its classes from images of them alone, and cannot say that an image shows none"
_NO_WORDS = "a probe brings its classes with it"
_ONE_CLASS = "a probe says which one of its classes an image shows"
_ABOUT_WORDS = {
    "classes": ("--classes", _NO_WORDS),
    "classes_file": ("--classes-file", _NO_WORDS),
    "templates": ("--templates", _NO_WORDS),
    "none": ("--none", _NO_NONE),
    "multi": ("--multi", _ONE_CLASS),
    "together": ("--together", "a probe has learnt already what images of a class have in common"),
}


class Classes(Protocol):
    """The classes that images are sorted into; known before the model is loaded."""

    @property
    def names(self) -> tuple[str, ...]:
        """Class names, without "none of these"."""

    @property
    def none(self) -> bool:
        """Whether "none of these" is an answer."""

    @property
    def title(self) -> str:
        """By what images are sorted."""

    def build(self, model: Model) -> ImageClassifier:
        """Classifier of these classes. Raises: InputError for a model that does not suit them."""


@dataclass(frozen=True)
class WordClasses:
    """Classes by words. multi: each is judged by itself."""

    wordings: Mapping[str, tuple[str, ...]]
    templates: str
    none: bool
    multi: bool
    title: str = "words"

    @property
    def names(self) -> tuple[str, ...]:
        """Class names."""
        return tuple(self.wordings)

    def build(self, model: Model) -> ImageClassifier:
        """Classifier with its texts embedded, so that warnings come before the first answer."""
        from wordsight.zeroshot.classifier import Classifier

        none = self.none and not self.multi
        classifier = Classifier(model, self.wordings, templates=self.templates, none=none)
        if self.none:
            _ = classifier.judge  # embeds the bank, which may warn too
        return classifier


@dataclass(frozen=True)
class HeadClasses:
    """Classes of a linear head."""

    head: LinearHead
    title: str
    none: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Class names."""
        return self.head.classnames

    def build(self, model: Model) -> ImageClassifier:
        """Classifier of the head."""
        from wordsight.zeroshot.head_classifier import HeadClassifier

        return HeadClassifier(model, self.head)


def read_classes(paths: Sequence[str], options: dict[str, Any], given: Collection[str]) -> Classes:
    """Classes from --classes, --classes-file or --probe. given: names of the options on the command line."""
    if options["probe"] is not None:
        return _read_head(paths, options, given)
    from wordsight.zeroshot.templates import resolve_templates

    wordings = _read_wordings(paths, options)
    resolve_templates(options["templates"])
    none = options["none"] or options["multi"]
    return WordClasses(wordings, options["templates"], none=none, multi=options["multi"])


def _read_head(paths: Sequence[str], options: dict[str, Any], given: Collection[str]) -> HeadClasses:
    for name, (option, reason) in _ABOUT_WORDS.items():
        if name in given and options[name]:
            raise InputError(f"{option} and --probe cannot be combined: {reason}; omit one of the two.")
    if not paths and not options["from_file"]:
        raise InputError("No images are given; name files, folders or patterns before the options.")
    from wordsight.zeroshot.linear_head import LinearHead

    return HeadClasses(LinearHead.load(options["probe"]), f"the probe {source_name(options['probe'].name)}")


def _read_wordings(paths: Sequence[str], options: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Class → wordings, from --classes or --classes-file."""
    from wordsight.zeroshot.class_embeddings import parse_classes

    classes, file = options["classes"], options["classes_file"]
    if classes and file:
        raise InputError("--classes and --classes-file cannot be combined; use one of them.")
    if not classes and file is None:
        raise InputError("No classes are given; add --classes cat dog …, --classes-file FILE, or --probe FILE.")
    if not paths and not options["from_file"]:
        raise InputError(f"No images are given; name files, folders or patterns before the options.{_hint(classes)}")
    if file is None:
        _check_named(classes)
        wordings = parse_classes(classes)
    else:
        try:
            wordings = parse_classes(file.read_text(encoding="utf-8-sig").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"The class file {str(file)!r} cannot be read ({error}); expected UTF-8 text.") from error
    _check_commas(wordings)
    if len(wordings) == 1 and not options["none"] and not options["multi"]:
        only = next(iter(wordings))
        raise InputError(f"{only!r} is the only class, so every image would get it; add a class, or drop --no-none.")
    return wordings


def _check_named(classes: Sequence[str]) -> None:
    """Raise InputError for an empty class on the command line; of a file's lines, empty ones are skipped."""
    for name in classes:
        if not name.strip():
            raise InputError(f"A class is named {name!r}; each class needs a name: --classes cat dog.")


def _hint(classes: Sequence[str]) -> str:
    """Hint at a path among the classes."""
    paths = [name for name in classes if name == "-" or Path(name).exists()]
    if not paths:
        return ""
    return f" ({paths[-1]!r} was read as a class; put paths before --classes, or after '--')"


def _check_commas(wordings: dict[str, tuple[str, ...]]) -> None:
    """Reject "dog,cat" as the only class, which is meant as two; among others, tell how it is read."""
    for name, words in wordings.items():
        parts = [part.strip() for part in name.split(",") if part.strip()]
        if words != (name,) or len(parts) < 2:
            continue
        quoted = " ".join(f'"{part}"' if " " in part else part for part in parts)
        message = (
            f"{name!r} is read as one class with a comma in its name; for {len(parts)} classes: --classes {quoted}"
        )
        if len(wordings) == 1:
            raise InputError(f'{message}. If one is meant: "NAME={name}"')
        say(message)
