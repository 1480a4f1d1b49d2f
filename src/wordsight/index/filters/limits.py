"""Limits of conditions: what would keep a store busy for minutes, fill the memory or end the process is refused."""

from __future__ import annotations

import re

from wordsight.errors import did_you_mean

MOST_CHARACTERS = 500_000  # a list of some ten thousand values
MOST_OPERATORS = 200  # and, or, not, case, signs: each goes one level deeper into the readers of stores
MOST_NESTED = 50  # brackets within brackets
EXAMPLE = "gender = 'Women' and price < 50"  # as messages show it
SHOWN = 200  # characters of a condition that a message shows
# None of these makes much more text, or longer lists, than it is given, as `repeat` and `range` do.
_NAMES = """abs arrow_cast btrim cast ceil char_length coalesce concat contains current_date date_part date_trunc
ends_with extract floor greatest ifnull isnan least left length lower ltrim mod now nullif nvl random regexp_like
regexp_match right round rtrim sign sqrt starts_with strpos substr substring to_date to_timestamp trim try_cast upper"""
FUNCTIONS = frozenset(_NAMES.split())
_WORDS = "all and any between by case else escape from ilike in is like not or select then union when where"
_KEYWORDS = frozenset(_WORDS.split())  # may stand before a bracket and are not functions
QUOTED = re.compile(r"""'(?:[^']|'')*'|`[^`]*`|"(?:[^"]|"")*\"""")
_OPERATOR = re.compile(r"\b(?:and|or|not|case)\b|[-+*/%|&^~]", re.IGNORECASE)
_CALL = re.compile(r"\b([a-z_]\w*)\s*\(", re.IGNORECASE)


def find_excess(condition: str) -> str:
    """Reason why a condition is refused: too long, too deep, or a function that is not allowed; "" of a good one."""
    if len(condition) > MOST_CHARACTERS:
        return f"it has {len(condition):,} characters; at most {MOST_CHARACTERS:,} are read"
    bare = QUOTED.sub("''", condition)
    if (operators := len(_OPERATOR.findall(bare))) > MOST_OPERATORS:
        limit = f"it has {operators:,} operators, at most {MOST_OPERATORS} are read"
        return f"{limit}; name many values with: column in (…)"
    if (nested := _nesting(bare)) > MOST_NESTED:
        return f"its brackets are {nested:,} deep; at most {MOST_NESTED} are read"
    for name in (found[1].lower() for found in _CALL.finditer(bare)):
        if name not in FUNCTIONS and name not in _KEYWORDS:
            return f"there is no function {name}.{did_you_mean(name, FUNCTIONS)}".rstrip(".?")
    return ""


def shorten(condition: str) -> str:
    """A condition as messages show it."""
    if len(condition) <= SHOWN:
        return condition
    return f"{condition[:SHOWN]}… ({len(condition):,} characters)"


def _nesting(bare: str) -> int:
    deepest = depth = 0
    for sign in re.findall(r"[()]", bare):
        depth += {"(": 1, ")": -1}[sign]
        deepest = max(deepest, depth)
    return deepest
