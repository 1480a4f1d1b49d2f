"""Write a model as a folder or file in any layout."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

from wordsight.checkpoint import Checkpoint
from wordsight.errors import InputError
from wordsight.weights import file_names
from wordsight.weights.layouts.assemble import Layout, Parts, to_parts
from wordsight.weights.safetensors_file import write_safetensors
from wordsight.weights.torch_file import write_torch_file


def write_checkpoint(checkpoint: Checkpoint, destination: str | Path, layout: Layout) -> None:
    """Write a model in a layout: a new folder, or for "openai" a new `.pt` file; reading it back gives the same.

    Everything is written beside the destination first and renamed when whole, so nothing half-made is left.

    Raises: InputError for a destination that exists or a disk that is full; CheckpointError where the layout cannot
        hold the model.
    """
    destination = Path(destination).expanduser()
    parts = to_parts(checkpoint, layout)
    if destination.exists() and not (destination.is_dir() and layout != "openai" and not any(destination.iterdir())):
        raise InputError(f"{destination} exists already; give another destination, or remove it first.")
    temporary: Path | None = None
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        _check_room(parts, destination)
        temporary = Path(tempfile.mkdtemp(prefix=f".{destination.name}-", dir=destination.parent))
        temporary.chmod(0o755)
        if layout == "openai":
            write_torch_file(parts.tensors, temporary / "model.pt")
            os.replace(temporary / "model.pt", destination)
        else:
            for name, content in parts.files.items():
                (temporary / name).write_bytes(content)
            write_safetensors(parts.tensors, temporary / file_names.WRITTEN[layout])
            if destination.is_dir():
                destination.rmdir()  # empty, as was checked; some systems rename onto nothing only
            os.replace(temporary, destination)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(f"The disk of {destination} is full; nothing was left there. Free some space.") from error
        raise InputError(
            f"{destination} cannot be written ({error.strerror or error}); choose another place."
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _check_room(parts: Parts, destination: Path) -> None:
    needed = sum(t.nbytes for t in parts.tensors.values()) + sum(map(len, parts.files.values()))
    free = shutil.disk_usage(destination.parent).free
    if free < needed:
        raise InputError(
            f"{destination} needs {needed / 2**20:.0f} MiB, but its disk has {free / 2**20:.0f} MiB left; make room."
        )
