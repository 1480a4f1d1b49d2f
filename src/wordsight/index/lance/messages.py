"""Messages of the store about a user's condition or its own files, translated into what a user can do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from wordsight.errors import InputError, StoreError, WordsightError, did_you_mean
from wordsight.index.filters.limits import EXAMPLE, QUOTED, find_excess, shorten

# where in its own sources an error arose, which Lance appends: ", scanner.rs:839:33"
PLACE = re.compile(r",? ?\S*\.rs:\d+:\d+")
# how a message begins about what a condition makes of some row, such as a division by nothing
OF_A_ROW = "Error applying filter expression to batch: "
# (what Lance's message holds, what it means)
REASONS = (
    (re.compile(r"No field named (?P<name>.+?)\. (?:Valid fields|Did you mean)"), "there is no column {name}"),
    (re.compile(r"sql parser error: (?P<why>.+?)(?: at Line: \d+, Column: \d+)?\)(?:,|$)"), "{why}"),
    (re.compile(r"Error tokenizing statement: .*\((?P<why>.+?)(?: at Line: \d+, Column: \d+)?\)"), "{why}"),
    (re.compile(r"literal \w+\((?P<value>.*?)\) and could not convert to literal of type '(?P<kind>\w+)'"),
     "{value} is not of type {kind}"),
    (re.compile(r"The filter (?P<what>.+) does not return a boolean"), "it is neither true nor false"),
    (re.compile(r"Invalid function '(?P<name>\w+)'"), "there is no function {name}"),
    (re.compile(rf"{OF_A_ROW}(?:Arrow error: )?(?P<why>.+?)(?:{PLACE.pattern}|$)"), "{why}"),
    (re.compile(r"Expression '(?P<what>.+)' is not supported"), "{what} is not supported"),
)  # fmt: skip
PLACEHOLDER = re.compile(r"\?|\$\w+")
KINDS = {"Int64": "integer", "Float64": "number", "Utf8": "text", "Boolean": "boolean"}


def checked(condition: str, columns: Mapping[str, str]) -> str:
    """A condition as Lance reads it.

    What stands in double quotes is a column where there is one of that name, else text, as in SQLite (Lance takes it
    for text always). Brackets around it all keep what follows a condition from being ignored.
    Raises: InputError for an empty one, and one with placeholders, which nothing here would fill in.
    """
    if not condition.strip():
        raise InputError(f'The condition is empty; write one such as "{EXAMPLE}", or leave it out.')

    if excess := find_excess(condition):
        raise unreadable(condition, excess, columns)
    if found := PLACEHOLDER.search(QUOTED.sub("''", condition)):
        raise InputError(
            f"The condition {shorten(condition)!r} holds the placeholder {found[0]!r}; write the value itself, as in "
            f"{EXAMPLE}."
        )

    def quoted(found: re.Match[str]) -> str:
        if not found[0].startswith('"'):
            return found[0]
        name = found[0][1:-1].replace('""', '"')
        if name in columns:
            return f"`{name}`"
        return "'" + name.replace("'", "''") + "'"

    return f"({QUOTED.sub(quoted, condition)}\n)"


def unreadable(condition: str, said: str, columns: Mapping[str, str]) -> InputError:
    """Error for a condition that the store refused with the message `said`."""
    reason, hint = plain(said), ""
    for pattern, words in REASONS:
        if found := pattern.search(said):
            seen = {name: KINDS.get(value, value) for name, value in found.groupdict().items()}
            reason = words.format(**seen)
            if words.startswith("there is no column"):
                hint = did_you_mean(seen["name"].strip('"`'), columns)
            break
    listed = ", ".join(f"{_quoted(name)} ({kind})" for name, kind in columns.items())
    return InputError(
        f"The condition {shorten(condition)!r} cannot be read: {shorten(reason)}.{hint} Columns: {listed}. "
        f"Write it as in SQL: {EXAMPLE}; text in single quotes, odd column names in double quotes."
    )


def plain(said: str) -> str:
    """Lance's message without the places in its sources."""
    return PLACE.sub("", said).removeprefix("Invalid user input: ").strip(" .,")


def _quoted(name: str) -> str:
    if re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        return name
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def store_errors(where: str, doing: str) -> Iterator[None]:
    """Turn what Lance, Arrow and the system raise into a StoreError that names the index.

    doing: "read" or "written".
    """
    try:
        yield
    except WordsightError:
        raise
    except (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BaseException as error:  # a Rust panic is not an Exception
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise store_error(where, doing, error) from error


def store_error(where: str, doing: str, error: BaseException) -> StoreError:
    """StoreError for something that went wrong below."""
    said = plain(str(error)) or type(error).__name__
    lower = said.lower()
    if "no space left" in lower or "disk full" in lower or "os error 28" in lower or "quota" in lower:
        todo = "The disk is full: free some space and run it again. What was indexed before is kept."
    elif "permission denied" in lower or "read-only" in lower:
        todo = "Check the permissions of the folder. What was indexed before is kept."
    elif doing == "read":
        todo = (
            "Files of it are damaged or missing; put the folder back from a copy, or delete it and make the index "
            "again with: wordsight index …"
        )
    else:
        todo = "What was indexed before is kept; run it again."
    return StoreError(f"The index {where} cannot be {doing} ({said}). {todo}")
