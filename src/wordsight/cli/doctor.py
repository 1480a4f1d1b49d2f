"""`wordsight doctor`: show and check every fact of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from wordsight.doctor import Finding

MARKS = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "fail": "[bold red]FAIL[/]"}

EPILOG = """\b
Exit codes: 0 nothing failed (there may be warnings); 1 a check failed;
2 the model cannot be read.
"""


@click.command(epilog=EPILOG)
@click.argument("model", default="mini")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--fast", is_flag=True, help="Leave out what runs the towers: embeddings, drift, what-if.")
@click.pass_context
def command(ctx: click.Context, model: str, as_json: bool, fast: bool) -> None:
    """Show every fact of MODEL with where it came from, and check it.

    MODEL is a name (see `wordsight models`), a file, a folder or hf-hub:org/repo; the bundled model if left out.
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
        from rich.markup import escape

        console = Console()
        console.print(f"[bold]{escape(report.model)}[/]  fingerprint {report.fingerprint}")
        console.print(_table("facts", "came from", report.facts))
        console.print(_table("checks", "against", report.checks))
        console.print(f"Verdict: {MARKS[report.verdict]}")
    ctx.exit(1 if report.verdict == "fail" else 0)


def _table(title: str, origin: str, findings: Sequence[Finding]) -> Table:
    """Return a table of findings; notes stand beneath the values they are about."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("fact", "value", origin, ""):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        note = f"\n[italic]{escape(finding.note)}[/]" if finding.note else ""
        value = f"{escape(finding.value)}{note}".lstrip("\n")
        table.add_row(escape(finding.subject), value, escape(finding.origin), MARKS[finding.verdict])
    return table
