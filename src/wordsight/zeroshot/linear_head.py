"""Linear head: classes learnt from labelled images, as one matrix on a model's embeddings; kept in one file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from wordsight.arguments import check_path
from wordsight.durable import write_whole
from wordsight.errors import InputError
from wordsight.json_records import parse_json, show
from wordsight.zeroshot.logistic import softmax

Floats = NDArray[np.float32]
Fact: TypeAlias = str | int | float | bool | None

_METADATA = "wordsight"
_FORMAT = "linear-head-1"
_MOST_BYTES = 2**30  # 100,000 classes of 2,048 numbers take 0.8 GB
_MOST_VALUES = 2_000_000  # in the metadata: class names and facts
_EXPECTED = "expected a linear head that `wordsight eval fewshot --save` or an estimator's `save` wrote"


@dataclass(frozen=True, eq=False)
class LinearHead:
    """Linear classifier of K classes: logits of embeddings are `image_ND @ coefficient_KD.T + intercept_K`.

    kind: the method that learnt it, such as "probe", "gda", "clap". fingerprint: of the model whose embeddings it reads
    (`Model.fingerprint`, the same in every precision), or "" where that is not known. facts: what else is worth keeping
    of how it was learnt, such as shots, C, accuracy: plain values by name.

    Raises: InputError for parts that contradict each other, numbers that are not finite, and names that are not unique.
    """

    kind: str
    classnames: tuple[str, ...]
    coefficient_KD: NDArray[Any]  # float32, as the intercepts, whatever is given
    intercept_K: NDArray[Any]
    fingerprint: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the parts, and keep the numbers as float32 that nobody changes."""
        for name, value in (("kind", self.kind), ("fingerprint", self.fingerprint)):
            if not isinstance(value, str):
                raise InputError(f"The {name} of a linear head is {show(value)}, expected a text.")
        object.__setattr__(self, "classnames", _check_names(self.classnames))
        object.__setattr__(self, "coefficient_KD", _check_numbers("coefficients", self.coefficient_KD, 2))
        object.__setattr__(self, "intercept_K", _check_numbers("intercepts", self.intercept_K, 1))
        object.__setattr__(self, "facts", _check_facts(self.facts))
        classes = len(self.classnames)
        if self.coefficient_KD.shape[0] != classes or self.intercept_K.shape[0] != classes:
            raise InputError(
                f"A linear head of {classes} classes has coefficients of shape {self.coefficient_KD.shape} and "
                f"{self.intercept_K.shape[0]} intercepts; expected a row and an intercept for each class."
            )

    def __repr__(self) -> str:
        """Kind, number of classes and of inputs."""
        classes, dim = self.coefficient_KD.shape
        return f"<LinearHead {self.kind}, {classes} classes, {dim} inputs>"

    @property
    def dim(self) -> int:
        """Number of values in the embeddings that it reads, D."""
        return int(self.coefficient_KD.shape[1])

    def logits_of_embeddings(self, image_ND: NDArray[Any]) -> Floats:
        """Logits (N, K) of embeddings (N, D), which are taken as they are: a head reads what it was fitted on.

        Raises: InputError for embeddings of another length, and for logits that float32 cannot hold.
        """
        image_ND = np.atleast_2d(np.asarray(image_ND, np.float32))
        if image_ND.shape[-1] != self.dim:
            raise InputError(
                f"The image embeddings have {image_ND.shape[-1]} numbers each, but the linear head was fitted on "
                f"embeddings of {self.dim}; use those of the model that it was fitted with."
            )
        with np.errstate(over="ignore", invalid="ignore"):  # told below
            logits_NK = np.asarray(image_ND @ self.coefficient_KD.T + self.intercept_K, np.float32)
        if not np.isfinite(logits_NK).all():
            raise InputError(
                "Logits of the linear head are not finite: its numbers (up to "
                f"{np.abs(self.coefficient_KD).max():.2g}) or those of the embeddings (up to "
                f"{np.abs(image_ND).max():.2g}) are too large or missing; fit it again, on finite embeddings."
            )
        return logits_NK

    def proba_of_embeddings(self, image_ND: NDArray[Any]) -> Floats:
        """Probabilities of the classes (N, K), rows summing to 1, of image embeddings (N, D): softmax of the logits."""
        return np.asarray(softmax(self.logits_of_embeddings(image_ND)), np.float32)

    def place(self, classname: str) -> int:
        """Number of a class, by its name. Raises: InputError for another name, with those that are closest."""
        from wordsight.arguments import check_choice

        check_choice("The class", classname, self.classnames)
        return self.classnames.index(classname)

    def check_model(self, fingerprint: str, name: str) -> None:
        """Raise InputError unless the head was fitted on embeddings of the model of this fingerprint.

        name: how the message calls that model, or what holds its embeddings.
        """
        if self.fingerprint == fingerprint:
            return
        fitted = str(self.facts.get("model") or "")
        if not self.fingerprint:
            raise InputError(
                f"The linear head does not say which model's embeddings it was fitted on, so it cannot be used with "
                f"{name}; fit it again with a model (model=…), and save it."
            )
        remedy = "use the model that it was fitted with"
        if fitted:
            remedy = f"use {fitted}"
        raise InputError(
            f"The linear head was fitted on embeddings of {fitted or 'another model'} ({self.fingerprint[:12]}), not "
            f"of {name} ({fingerprint[:12]}), and their numbers mean different things; {remedy}, or fit it again."
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the head into one safetensors file, whole and synced; nothing is pickled. Raises: OSError."""
        check_path("path", path, "the file to write")
        description = {
            "format": _FORMAT,
            "kind": self.kind,
            "classnames": list(self.classnames),
            "fingerprint": self.fingerprint,
            "facts": dict(self.facts),
        }
        tensors = {"coefficient": self.coefficient_KD, "intercept": self.intercept_K}
        content = save(tensors, {_METADATA: json.dumps(description, ensure_ascii=False, allow_nan=False)})
        write_whole(Path(path), content, sync=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LinearHead:
        """Head that `save` wrote. Raises: InputError for a file that is missing, foreign or damaged."""
        check_path("path", path, "the file of a linear head")
        try:
            return _read(Path(path))
        except OSError as error:
            raise InputError(
                f"The linear head {str(path)!r} cannot be read ({error.strerror or error}); {_EXPECTED}."
            ) from error
        except (SafetensorError, ValueError, KeyError, TypeError, InputError) as error:
            seen = str(error).rstrip(".")
            raise InputError(f"{str(path)!r} cannot be used as a linear head: {seen}; {_EXPECTED}.") from error


def _read(path: Path) -> LinearHead:
    """Head from a file of which nothing is believed; the class checks the values."""
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise ValueError(f"it has {size:,} bytes, more than the {_MOST_BYTES:,} that a head needs")
    with safe_open(path, "np") as file:
        text = (file.metadata() or {}).get(_METADATA)
        if text is None:
            raise ValueError(f"it is a safetensors file without the metadata {_METADATA!r}, such as a model's weights")
        names = sorted(file.keys())
        if names != ["coefficient", "intercept"]:
            raise ValueError(f"it holds the tensors {show(names)}, not 'coefficient' and 'intercept'")
        for name in names:
            if (dtype := file.get_slice(name).get_dtype()) != "F32":
                raise ValueError(f"its {name} is of type {dtype}, not F32")
        coefficient_KD, intercept_K = file.get_tensor("coefficient"), file.get_tensor("intercept")
    description = parse_json(text, most=_MOST_VALUES)
    if not isinstance(description, dict) or description.get("format") != _FORMAT:
        seen = description
        if isinstance(description, dict):
            seen = description.get("format")
        raise ValueError(f"its format is {show(seen)}, not {_FORMAT!r}; a newer wordsight may read it")
    classnames = description["classnames"]
    if not isinstance(classnames, list):
        raise ValueError(f"its class names are {show(classnames)}, not a list")
    return LinearHead(
        description["kind"],
        tuple(classnames),
        coefficient_KD,
        intercept_K,
        description["fingerprint"],
        description["facts"],
    )


def _check_names(names: Sequence[str]) -> tuple[str, ...]:
    names = tuple(names)
    if len(names) < 2:
        raise InputError(f"A linear head has the classes {show(names)}, expected two or more.")
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"A class of a linear head is named {show(name)}, expected a text that is not empty.")
    if len(set(names)) != len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise InputError(f"The class {show(twice)} of a linear head is there more than once; name each class once.")
    return names


def _check_numbers(meaning: str, values: Any, dims: int) -> Floats:
    with np.errstate(over="ignore"):  # what float32 cannot hold is told below
        # safetensors writes the memory as it lies: of a transposed array, as scikit-learn's are, that is another matrix
        numbers: Floats = np.array(values, np.float32, order="C")
    if numbers.ndim != dims or not numbers.size:
        raise InputError(f"The {meaning} of a linear head have the shape {numbers.shape}, expected {dims} dimensions.")
    if not np.isfinite(numbers).all():
        bad = int((~np.isfinite(numbers)).sum())
        raise InputError(f"{bad} of the {meaning} of a linear head are not finite; fit it again, on finite embeddings.")
    numbers.flags.writeable = False
    return numbers


def _check_facts(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    if not isinstance(facts, Mapping):
        raise InputError(f"The facts of a linear head are {show(facts)}, expected names with values.")
    for name, value in facts.items():
        if not isinstance(name, str) or not isinstance(value, str | int | float | bool | None):
            raise InputError(f"The fact {show(name)} of a linear head is {show(value)}, expected a text or a number.")
        if isinstance(value, float) and not np.isfinite(value):
            raise InputError(f"The fact {show(name)} of a linear head is {value}, expected a finite number.")
    return dict(facts)
