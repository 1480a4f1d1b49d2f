"""Which precision "auto" means: what the environment says, else what the backend finds fast."""

from __future__ import annotations

import os

from wordsight.errors import InputError, did_you_mean

ENVIRONMENT = "WORDSIGHT_PRECISION"
_FLOATING = ("auto", "f32", "bf16")  # int8 is a property of the folder, and is asked for by name


def read_environment_precision() -> str:
    """Precision that `$WORDSIGHT_PRECISION` sets for "auto": "f32", "bf16", or "auto" where it is not set.

    Raises: InputError for another value.
    """
    said = os.environ.get(ENVIRONMENT) or "auto"
    if said not in _FLOATING:
        hint = did_you_mean(said, _FLOATING)
        raise InputError(f"{ENVIRONMENT} is {said!r} in the environment, expected one of {', '.join(_FLOATING)}.{hint}")
    return said
