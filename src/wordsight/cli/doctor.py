"""`wordsight doctor`: show the facts of a model and check each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from wordsight.cli._options import json_option

if TYPE_CHECKING:
    from rich.table import Table

    from wordsight.doctor import Finding

MARKS = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "fail": "[bold red]FAIL[/]"}

EPILOG = """\b
Exit codes: 0 no check failed (there may be warnings); 1 a check failed; 2 the model cannot be read.
"""


@click.command(epilog=EPILOG)
@click.argument("model", default="mini")
@json_option()
@click.option("--fast", is_flag=True, help="Skip the checks that run the model: embeddings, drift, what-if.")
@click.pass_context
def command(ctx: click.Context, model: str, as_json: bool, fast: bool) -> None:
    """Show the facts of MODEL with their origin, and check each.

    MODEL is a name (see `wordsight models`), a file, a folder or hf-hub:org/repo (default: the bundled model).
    """
    from wordsight.cli._progress import download_progress
    from wordsight.doctor import examine
    from wordsight.weights.read import read_checkpoint

    with download_progress() as progress:
        checkpoint = read_checkpoint(model, progress=progress)
    report = examine(checkpoint, fast=fast)
    if as_json:
        click.echo(report.to_json())
    else:
        from rich.console import Console

        console = Console()
        console.print(f"[bold]{_escape(report.model)}[/]  fingerprint {report.fingerprint}")
        console.print(_table("facts", "origin", report.facts))
        console.print(_table("checks", "against", report.checks))
        console.print(f"Verdict: {MARKS[report.verdict]}")
    ctx.exit(1 if report.verdict == "fail" else 0)


def _table(title: str, origin: str, findings: Sequence[Finding]) -> Table:
    """Table of findings, with notes below the values they are about."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("fact", "value", origin, ""):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        value = _escape(finding.value)
        if finding.note:
            value += f"\n[italic]{_escape(finding.note)}[/]"
        table.add_row(_escape(finding.subject), value.lstrip("\n"), _escape(finding.origin), MARKS[finding.verdict])
    return table


def _escape(text: str) -> str:
    """Text that rich prints as it is: names in a checkpoint may hold markup, or what steers a terminal."""
    from rich.markup import escape

    from wordsight.cli._messages import clean

    return escape(clean(text))
