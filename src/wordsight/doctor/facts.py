"""Every fact of a spec with its origin, judged: by the tensors' shapes, by the other facts, by known releases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wordsight.checkpoint import Checkpoint
from wordsight.doctor.consistency import find_inconsistencies
from wordsight.doctor.report import Finding, gravest
from wordsight.spec import VitTower


def judge_facts(checkpoint: Checkpoint) -> tuple[Finding, ...]:
    """One finding for each fact of the spec, and for tensors; rules that find nothing leave it "ok"."""
    against: dict[str, list[Finding]] = {}
    for finding in find_inconsistencies(checkpoint):
        against.setdefault(finding.subject, []).append(finding)
    rows = [*_spec_rows(checkpoint), _dtype_row(checkpoint), *_shape_rows(checkpoint)]
    judged = [_judge(row, against.pop(row.subject, [])) for row in rows]
    return (*judged, *(_judge(found[0], found[1:]) for found in against.values()))


def _judge(row: Finding, against: list[Finding]) -> Finding:
    """Row with the gravest verdict of the findings against it and all their notes."""
    every = [row, *against]
    note = "; ".join(finding.note for finding in every if finding.note)
    return Finding(row.subject, row.value, row.origin, gravest(f.verdict for f in every), note)


def _spec_rows(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Yield a row for each leaf of the spec, with the provenance of the leaf or of what holds it."""
    spec = checkpoint.spec
    unrecorded = "not recorded" if checkpoint.folder is None else "wordsight.json"

    def rows(plain: Any, place: str) -> Iterator[Finding]:
        if isinstance(plain, dict):
            for key, value in plain.items():
                yield from rows(value, f"{place}.{key}".removeprefix("."))
            return
        origin = spec.provenance.get(place) or spec.provenance.get(place.rpartition(".")[0]) or unrecorded
        yield Finding(place, _to_text(plain), origin)

    yield from rows(spec.facts(), "")
    yield Finding("scale", f"{spec.scale:.4g}", "exp(logit_scale)")
    yield Finding("licence", spec.licence, spec.provenance.get("licence", unrecorded))
    yield Finding("source", spec.source, spec.provenance.get("source", unrecorded))


def _to_text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.8g}"
    if isinstance(value, tuple | list) and value and isinstance(value[0], int | float):
        return ", ".join(map(_to_text, value))
    return str(value)


def _dtype_row(checkpoint: Checkpoint) -> Finding:
    """Say which dtypes the tensors are stored in, and how many numbers there are."""
    counts: dict[str, int] = {}
    for tensor in checkpoint.tensors.values():
        counts[tensor.dtype.name] = counts.get(tensor.dtype.name, 0) + tensor.size
    value = ", ".join(f"{name} ({size / 1e6:.1f} M)" for name, size in sorted(counts.items(), key=lambda x: -x[1]))
    return Finding("tensors.dtype", value, "the tensors")


def _shape_rows(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Yield the projections with their shapes: x @ projection, so rows are the tower's width, columns embed_dim."""
    spec, tensors = checkpoint.spec, checkpoint.tensors
    expected = {"text_projection": (spec.text.width, spec.embed_dim)}
    if isinstance(spec.image, VitTower) and spec.image.pooling == "cls":
        expected["visual.proj"] = (spec.image.width, spec.embed_dim)
    for name, shape in expected.items():
        origin = spec.provenance.get(name, "as stored; applied as x @ projection")
        if name not in tensors:
            yield Finding(name, "missing", origin, "fail", f"expected {shape}")
        elif tensors[name].shape != shape:
            turned = " (it is transposed)" if tensors[name].shape == shape[::-1] else ""
            yield Finding(name, str(tensors[name].shape), origin, "fail", f"expected {shape}{turned}")
        else:
            square = "square: only the what-if check can tell a transposed one" if shape[0] == shape[1] else ""
            yield Finding(name, f"{shape[0]} × {shape[1]}", origin, "ok", square)
