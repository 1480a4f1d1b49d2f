"""`wordsight models`: list the models known by name."""

from __future__ import annotations

import json
from typing import Any

import click

from wordsight.cli._options import json_option


def rows(pattern: str = "") -> list[dict[str, Any]]:
    """One row per known model whose name contains `pattern`, or matches it, with * and ?."""
    import fnmatch

    from wordsight.weights import catalog

    wanted = f"*{pattern.lower()}*"
    made = []
    if fnmatch.fnmatchcase("mini", wanted):
        made += _bundled()
    for name, entry in catalog.MODELS.items():
        aliases = [alias for alias, target in catalog.ALIASES.items() if target == name]
        if not any(fnmatch.fnmatchcase(known.lower(), wanted) for known in (name, *aliases)):
            continue
        made.append(
            {
                "name": name,
                "also": aliases,
                "params_million": entry.get("params"),
                "embed_dim": entry["embed_dim"],
                "image_size": entry["image_size"],
                "imagenet_zero_shot_top1": entry.get("top1"),
                "top1_source": entry.get("top1_source"),
                "licence": entry["licence"],
                "source": f"hf-hub:{entry['hub']}" if "hub" in entry else entry["url"],
                "sha256": entry.get("sha256"),
            }
        )
    return made


def _bundled() -> list[dict[str, Any]]:
    """Row of the bundled model, read from its spec alone; none where it is missing."""
    from importlib import resources

    file = resources.files("wordsight").joinpath("data/mini/wordsight.json")
    if not file.is_file():
        return []
    spec = json.loads(file.read_text(encoding="utf-8"))
    return [
        {
            "name": "mini",
            "also": [],
            "params_million": None,
            "embed_dim": spec["embed_dim"],
            "image_size": spec["image"]["image_size"],
            "imagenet_zero_shot_top1": None,
            "top1_source": None,
            "licence": spec.get("licence", "unknown"),
            "source": "bundled",
            "sha256": None,
        }
    ]


@click.command(name="models")
@click.argument("pattern", default="")
@json_option("Print one JSON array.")
def command(pattern: str, as_json: bool) -> None:
    """List the models known by name, or those whose name contains PATTERN (* and ? as in a shell).

    The model `mini` is part of the package. Open other models of the Hugging Face hub as hf-hub:org/repo.
    """
    found = rows(pattern)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    if not found:
        from wordsight.errors import UnknownModelError, did_you_mean
        from wordsight.weights.catalog import names

        raise UnknownModelError(f"No known model matches {pattern!r}.{did_you_mean(pattern, names())}")
    _print_table(found)


def _print_table(found: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    roomy = console.width >= 130
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption="params: both towers; top-1: zero-shot on ImageNet in %, as published (--json names the sources)",
    )
    longest = max(len(row["name"]) for row in found)  # names stay whole
    for heading, width in {"name": longest, "params": 6, "dim": 4, "px": 3, "top-1": 5, "licence": 12}.items():
        right = heading in ("params", "dim", "px", "top-1")
        table.add_column(heading, justify="right" if right else "left", no_wrap=True, min_width=width)
    if roomy:
        table.add_column("from", no_wrap=True)
    for row in found:
        params, top1 = row["params_million"], row["imagenet_zero_shot_top1"]
        cells = [
            row["name"],
            f"{params:.0f} M" if params else "",
            str(row["embed_dim"]),
            str(row["image_size"]),
            f"{top1:.1f}" if top1 else "",
            row["licence"].partition(" (")[0],
        ]
        if roomy:
            source = row["source"]
            if source.startswith("https:"):
                source = source.split("/")[2]
            cells.append(source)
        table.add_row(*cells)
    console.print(table)
