"""Patterns of the paths that a user leaves out, with the meaning they have in a .gitignore file.

Source: gitignore(5), and git's `wildmatch`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from wordsight.errors import InputError
from wordsight.images.files import in_system_folder


@dataclass(frozen=True)
class Pattern:
    """One rule: paths that `regex` matches whole are left out, or kept where it `keeps`; of folders only, or all."""

    regex: re.Pattern[str]
    keeps: bool
    folders_only: bool


def excluder(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Predicate of excluded paths below a source ("sub/a.jpg", folders "sub/"): the last pattern that matches decides.

    Where none does, SYSTEM_FOLDERS are left out: "!node_modules/" keeps one. What lies in a folder that is left out is
    never asked for, as in git.
    Raises: InputError for what is not a pattern.
    """
    rules = [rule for pattern in patterns if (rule := parse(pattern)) is not None]

    def excluded(path: str) -> bool:
        is_folder = path.endswith("/")
        bare = path.rstrip("/")
        for rule in reversed(rules):
            if (is_folder or not rule.folders_only) and rule.regex.fullmatch(bare):
                return not rule.keeps
        return in_system_folder(path)

    return excluded


def parse(pattern: str) -> Pattern | None:
    """Line of a .gitignore file as a rule, None of an empty line or comment."""
    body = re.sub(r"(?<!\\) +$", "", pattern)
    if not body or body.startswith("#"):
        return None
    keeps = body.startswith("!")
    body = body[keeps:]
    folders_only = body.endswith("/")
    body = body.removesuffix("/")
    translated = _translated(body.removeprefix("/"))
    if not translated:
        raise InputError(
            f"The pattern {pattern!r} cannot be read; expected one as in a .gitignore file, such as '*.gif'."
        )
    if "/" not in body:  # at any depth
        translated = f"(?:.*/)?{translated}"
    return Pattern(re.compile(translated, re.DOTALL), keeps, folders_only)


def _translated(body: str) -> str:
    """Regular expression of a pattern, or "" where it is none."""
    out, at = "", 0
    while at < len(body):
        rest = body[at:]
        starts = at == 0 or body[at - 1] == "/"
        if starts and rest.startswith("**/"):
            out, at = f"{out}(?:.*/)?", at + 3
        elif starts and rest == "**":
            out, at = f"{out}.+", at + 2
        elif rest[0] == "*":
            out, at = f"{out}[^/]*", at + 1
        elif rest[0] == "?":
            out, at = f"{out}[^/]", at + 1
        elif rest[0] == "[":
            found = re.match(r"\[((?>[!^]?))((?:\]|\\.|[^\]\\])(?:\\.|[^\]\\])*)\]", rest, re.DOTALL)
            if found is None or "[:" in found[2]:
                return ""
            out, at = out + _translate_brackets(found[2], other=bool(found[1])), at + found.end()
        elif rest[0] == "\\":
            if len(rest) < 2:
                return ""
            out, at = out + re.escape(rest[1]), at + 2
        else:
            out, at = out + re.escape(rest[0]), at + 1
    return out


def _translate_brackets(chars: str, *, other: bool) -> str:
    """Expression for one character of those between brackets, "a-z_", or for any other; never a slash."""
    some = ""
    for low, high, single in re.findall(r"\\?(.)-\\?(.)|\\?(.)", chars, re.DOTALL):
        if single or low > high:  # a backward range holds its first character only
            some += re.escape(single or low)
        else:
            some += f"{re.escape(low)}-{re.escape(high)}"
    return f"(?!/)[{'^' if other else ''}{some}]"
