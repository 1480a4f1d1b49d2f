"""Folders of sentence-transformers: `modules.json` says in which subfolder the CLIP lies (`0_CLIPModel`)."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from wordsight.errors import CheckpointError
from wordsight.json_records import parse_json
from wordsight.weights.file_names import MODULES

_MODELS = ("CLIPModel", "Transformer")
_NOTHING = ("Normalize",)  # embeddings have unit length anyway


def model_path(content: bytes, where: str) -> str:
    """Relative path of the model among a `modules.json`'s modules; "" is the folder itself.

    Raises: CheckpointError for modules that change the model's embeddings (named), and for a path that leads outside.
    """
    try:
        modules = [(str(module["type"]).rsplit(".", 1)[-1], str(module["path"])) for module in parse_json(content)]
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{where}: {MODULES} lists no modules ({error!r}); fetch it again.") from error
    models = [path for kind, path in modules if kind in _MODELS]
    others = [f"{kind} ({path or 'the folder itself'})" for kind, path in modules if kind not in _MODELS + _NOTHING]
    if others or len(models) != 1:
        seen = ", ".join(others) or f"{len(models)} models"
        raise CheckpointError(
            f"{where}: {MODULES} of sentence-transformers has {seen}, expected one CLIPModel and nothing that changes "
            "its embeddings. To use the CLIP alone, name the folder that holds it."
        )
    path = PurePosixPath(models[0])
    if path.is_absolute() or ".." in path.parts or "\\" in models[0] or ":" in models[0]:
        raise CheckpointError(f"{where}: {MODULES} names the module {models[0]!r}, expected a folder inside.")
    return models[0]


def find_nested(folder: Path, weights: tuple[str, ...]) -> str:
    """Name of the first subfolder that holds a configuration and one of `weights`, or ""."""
    for inner in sorted(folder.iterdir()):
        if (inner / "config.json").is_file() and any((inner / name).is_file() for name in weights):
            return inner.name
    return ""
