"""`wordsight eval`: measure models on labelled images; each subcommand is a module, imported only when called."""

from __future__ import annotations

import importlib
from typing import Any

import click

from wordsight.errors import did_you_mean

# subcommand → its line in `wordsight eval --help`, in order of use: literal, so that `--help` imports none
SUBCOMMANDS: dict[str, str] = {
    "zeroshot": "Measure how well models name classes without training.",
    "compare": "Compare models by their predictions: is a difference real?",
    "pick": "Find the model and precision to use: accuracy, speed, memory.",
    "fewshot": "Measure what a few labelled images add to zero-shot.",
    "suite": "Measure models on many datasets, by zero-shot and few shots.",
    "prompts": "Compare prompts on labelled images.",
    "wordings": "Show how the answer for one image depends on the wording.",
    "retrieval": "Measure how well captions and images find each other.",
    "pairs": "Measure whether nearly equal captions are told apart.",
    "similarity": "Measure how well images find the others of their class.",
    "limits": "Show what not to trust in a model, on images drawn for it.",
    "labels": "Find labels that are likely wrong.",
    "contamination": "Find test images with a copy among training images.",
    "rerun": "Repeat a recorded evaluation; say whether it comes out equal.",
}


class _LazyEval(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; warnings are single lines on standard error."""
        from wordsight.cli._messages import plain_warnings

        with plain_warnings():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of `SUBCOMMANDS`."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand; None for an unknown one."""
        if cmd_name not in SUBCOMMANDS:
            return None
        command: click.Command = importlib.import_module(f"wordsight.cli.eval.{cmd_name}").command
        if ctx.resilient_parsing:  # the shell asks for completions
            from wordsight.cli.completion import complete_values

            return complete_values(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Reject an unknown subcommand, and suggest what was likely meant."""
        if args and args[0] not in SUBCOMMANDS and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}.{did_you_mean(args[0], SUBCOMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands from `SUBCOMMANDS`, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUBCOMMANDS.items()))


EPILOG = """\b
Examples:
  wordsight eval zeroshot photos/                                  how well does it work?
  wordsight eval zeroshot photos/ --model mini --model ViT-B-32/openai
  wordsight eval compare eval/                                     is the difference real?
  wordsight eval fewshot photos/ --save photos.safetensors         would labelled images help?
  wordsight eval limits --report limits.html                       what not to trust

Subcommands that fit classifiers, draw charts or write predictions need: pip install 'wordsight[eval]'. Help of one:
wordsight eval zeroshot --help.
"""


@click.group(cls=_LazyEval, epilog=EPILOG)
def command(**_: Any) -> None:
    """Measure how well models work on labelled images, whether a difference is real, and what would work better."""
