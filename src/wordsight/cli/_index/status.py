"""Status of an index: its size, model, sources, columns and tuning."""

from __future__ import annotations

from typing import Any

from wordsight.cli._messages import clean


def status_text(status: dict[str, Any]) -> str:
    """The status in lines."""
    from wordsight.images.names import source_name

    size = ""
    if status["bytes"]:
        size = f", {status['bytes'] / 2**20:,.1f} MiB"
    columns = ", ".join(f"{source_name(name)} ({kind})" for name, kind in status["columns"].items())
    lines = [
        f"{status['images']:,} images in {status['index']}{size}",
        f"model: {status['model']} (fingerprint {status['fingerprint']}, {status['dim']} dimensions)",
        *(f"source: {source_name(name)} ({each['images']:,} images)" for name, each in status["sources"].items()),
        f"columns for --where: {columns}",
    ]
    if status["fusion"]:
        from wordsight.cli.tune import describe
        from wordsight.search.fusion import Fusion

        lines.append(f"tuned: {describe(Fusion.from_note(status['fusion']))} (details: wordsight tune --status)")
    return clean("\n".join(lines))
