"""int8 image towers: made by post-training static quantisation (NNCF), kept beside a wordsight folder's tensors.

Files: `image.int8.xml` and `image.int8.bin` (OpenVINO's own format) and `int8.json`, which says of what tensors they
were made and what they cost. Text towers stay as they are: texts are few, short and cached, and drift more.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.checkpoint import Checkpoint
from wordsight.durable import write_whole
from wordsight.encoder.openvino.graphs import image_model
from wordsight.encoder.openvino.openvino_import import ov, without_telemetry
from wordsight.encoder.openvino.ops import PROJECTION
from wordsight.errors import InputError, MissingExtraError
from wordsight.hashes import compute_sha256
from wordsight.json_records import parse_json
from wordsight.towers import architecture

GRAPH, WEIGHTS, FACTS = "image.int8.xml", "image.int8.bin", "int8.json"


def import_nncf() -> Any:
    """Module nncf, imported without its telemetry and its chatter.

    Raises: MissingExtraError where it is not installed.
    """
    with without_telemetry():
        try:
            import nncf
        except ModuleNotFoundError as error:
            if error.name != "nncf":
                raise
            raise MissingExtraError("Quantisation", "nncf", "quantize") from error
    nncf.set_log_level(logging.ERROR)
    return nncf


def quantize_image_tower(checkpoint: Checkpoint, batches_BHWC: Iterable[np.ndarray]) -> Any:
    """Image tower as an OpenVINO model with int8 matrix products and convolutions.

    A final projection (`visual.proj`) stays in float: it takes no time, and its error would go straight to cosines.
    batches_BHWC: calibration pixels, uint8 (B,S,S,3), which give the ranges of activations.
    Raises: MissingExtraError without NNCF; InputError for no pixels.
    """
    nncf = import_nncf()
    rows = [batch[i : i + 1] for batch in batches_BHWC for i in range(len(batch))]
    if not rows:
        raise InputError("There are no images to calibrate with; give a folder with some hundred like those to come.")
    kind = nncf.ModelType.TRANSFORMER if architecture(checkpoint.spec).transformer else None
    with contextlib.redirect_stdout(io.StringIO()):  # NNCF draws its progress there
        return nncf.quantize(
            image_model(checkpoint),
            nncf.Dataset(rows),
            subset_size=len(rows),
            model_type=kind,
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(names=[PROJECTION], validate=False),
        )


def save_int8(model: Any, folder: Path, facts: dict[str, Any]) -> None:
    """Write an int8 image tower and its facts into a wordsight folder; the facts last, as they make it valid.

    Files are made under other names and renamed: another process may have the old ones mapped.
    """
    (folder / FACTS).unlink(missing_ok=True)
    # OpenVINO names the second file after the first, so both are made in a folder of their own
    with tempfile.TemporaryDirectory(prefix=".int8-", dir=folder) as parts:
        ov.save_model(model, Path(parts) / GRAPH, compress_to_fp16=False)
        for name in (WEIGHTS, GRAPH):
            os.replace(Path(parts) / name, folder / name)
    save_facts(folder, facts)


def save_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Write what an int8 image tower was made of and what it costs, whole or not at all."""
    facts = {**facts, "sha256": {name: compute_sha256(folder / name) for name in (GRAPH, WEIGHTS)}}
    write_whole(folder / FACTS, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")


def _read_sha256(path: Path) -> str:
    try:
        return compute_sha256(path)
    except OSError as error:
        return f"unknown ({error.strerror})"


def check_int8(checkpoint: Checkpoint) -> None:
    """Raise InputError unless an int8 image tower lies beside the checkpoint and was made of its tensors."""
    how = "Make one with: wordsight quantize MODEL --calibrate FOLDER_OF_IMAGES -o OUT, then load OUT."
    if checkpoint.folder is None or not (checkpoint.folder / FACTS).is_file():
        raise InputError(f"precision is 'int8', but {checkpoint.spec.name!r} has no int8 image tower. {how}")
    try:
        facts = parse_json((checkpoint.folder / FACTS).read_bytes())
        made_of, sums = facts["fingerprint"], dict(facts.get("sha256") or {})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{checkpoint.folder / FACTS} cannot be read ({error!r}). {how}") from error
    if made_of != checkpoint.fingerprint:
        raise InputError(
            f"The int8 image tower in {checkpoint.folder} was made of other tensors (fingerprint {made_of}, "
            f"the model's is {checkpoint.fingerprint}). {how}"
        )
    for name, expected in sums.items():  # absent from towers that older versions made
        if name in (GRAPH, WEIGHTS) and _read_sha256(checkpoint.folder / name) != expected:
            raise InputError(f"{checkpoint.folder / name} is damaged: its SHA-256 is not as {FACTS} says. {how}")


def read_int8(core: Any, checkpoint: Checkpoint) -> Any:
    """The int8 image tower that lies beside a checkpoint, uncompiled.

    Raises: InputError if its files are damaged.
    """
    assert checkpoint.folder is not None
    try:
        model = core.read_model(checkpoint.folder / GRAPH)
        size, dim = checkpoint.spec.image.image_size, checkpoint.spec.embed_dim
        shapes = [str(port.partial_shape) for port in (*model.inputs, *model.outputs)]
        if shapes != [f"[?,{size},{size},3]", f"[?,{dim}]"]:
            raise RuntimeError(f"its input and output have the shapes {' and '.join(shapes)}")
        return model
    except RuntimeError as error:
        raise InputError(
            f"{checkpoint.folder / GRAPH} cannot be read; make it again with wordsight quantize. ({error})"
        ) from error
