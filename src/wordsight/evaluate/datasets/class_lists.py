"""Files beside a set: the names of its classes and its templates, a line for each."""

from __future__ import annotations

import os

from wordsight.errors import InputError

CLASSNAMES = "classnames.txt"  # as in CLIP_benchmark's layout
TEMPLATES = "zeroshot_classification_templates.txt"
TYPE = "dataset_type.txt"


def find_lists_above(folder: str) -> str:
    """Folder of the lists of one split: its own, or the one above that has them."""
    above = os.path.dirname(folder)
    for name in (CLASSNAMES, TEMPLATES, TYPE):
        if os.path.isfile(os.path.join(above, name)) and not os.path.isfile(os.path.join(folder, name)):
            return above
    return folder


def read_class_list_beside(folder: str) -> tuple[str, ...] | None:
    """Class names of a folder's classnames.txt, or None without one. Raises: as `read_class_list`."""
    path = os.path.join(folder, CLASSNAMES)
    if not os.path.isfile(path):
        return None
    return read_class_list(path)


def read_templates_beside(folder: str) -> tuple[str, ...]:
    """Templates of a folder's zeroshot_classification_templates.txt, if any. Raises: as `read_template_list`."""
    path = os.path.join(folder, TEMPLATES)
    if not os.path.isfile(path):
        return ()
    return read_template_list(path)


def read_class_list(path: str) -> tuple[str, ...]:
    """Class names of a file, one a line, in the order of their numbers.

    Raises: InputError for a file that is empty, has an empty line between names or is not UTF-8.
    """
    lines = _read_lines(path)
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise InputError(f"The class list {path!r} is empty; expected the name of a class in each line.")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise InputError(
                f"Line {number} of the class list {path!r} is empty, so that the names after it would belong to other "
                "numbers; write the name of that class."
            )
    return tuple(line.strip() for line in lines)


def read_template_list(path: str) -> tuple[str, ...]:
    """Templates of a file, one a line, with "{c}" or "{}" where the name goes; as templates with "{}".

    Raises: InputError for a template without a place for the name.
    """
    templates = []
    for number, line in enumerate(_read_lines(path), 1):
        template = line.strip().replace("{c}", "{}")
        if not template:
            continue
        if "{}" not in template:
            raise InputError(
                f"Line {number} of {path!r} is the template {template!r}, which lacks '{{}}' or '{{c}}' where the name "
                "of the class goes."
            )
        templates.append(template)
    if not templates:
        raise InputError(f"The file of templates {path!r} is empty; expected lines such as 'a photo of a {{c}}.'.")
    return tuple(templates)


def _read_lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(f"The file {path!r} cannot be read: {reason}.") from error
