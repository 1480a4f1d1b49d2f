"""Prefixes that training leaves before every name of a state dict: DataParallel's, torch.compile's, Lightning's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

# what torch puts into names wherever a module is wrapped: torch.compile, FSDP, activation checkpointing
_WRAPPERS = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
_MARK = "logit_scale"  # every CLIP has one, at the root


def remove_prefixes(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors without torch's wrappers, and without one prefix that all names share, whatever it is.

    The prefix is what stands before `logit_scale`, so that `text_model.` of a text tower alone is none.
    """
    bare = {_unwrap(name): tensor for name, tensor in tensors.items()}
    if len(bare) < len(tensors):  # two names would become one: these are other things than wrappers
        bare = dict(tensors)
    prefixes = _prefixes(bare)
    if len(prefixes) == 1 and all(name.startswith(prefixes[0]) for name in bare):
        return {name.removeprefix(prefixes[0]): tensor for name, tensor in bare.items()}
    return bare


def explain_prefixes(tensors: Mapping[str, np.ndarray]) -> str:
    """Sentence on prefixes that only some names have, for the error of a file that cannot be read; or ""."""
    prefixes = _prefixes(tensors)
    if not prefixes:
        return ""
    shown = " and ".join(f"{p!r} ({sum(name.startswith(p) for name in tensors)})" for p in prefixes[:3])
    others = Counter(name.split(".", 1)[0] for name in tensors if not name.startswith(tuple(prefixes)))
    beside = f", others with {', '.join(repr(name) for name, _ in others.most_common(3))}" if others else ""
    return (
        f" Of {len(tensors)} names some begin with {shown}{beside}: save the state dict of one model alone, "
        f"without what belongs to its training."
    )


def _unwrap(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def _prefixes(tensors: Mapping[str, np.ndarray]) -> list[str]:
    return [name.removesuffix(_MARK) for name in tensors if name.endswith(f".{_MARK}")]
