"""`wordsight completion`: commands, options, models, templates, columns and files that a shell offers on Tab."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import click
from click.shell_completion import CompletionItem, get_completion_class

from wordsight.cli._messages import plural

Offer: TypeAlias = "Callable[[click.Context, str], list[CompletionItem]]"

VARIABLE = "_WORDSIGHT_COMPLETE"  # the name that click derives from the command's
SHELLS = ("bash", "zsh", "fish")
# as in `encoder`, whose import takes as long as all else here (a test keeps them equal)
BACKENDS = ("auto", "openvino", "torch", "reference")
PRECISIONS = ("auto", "f32", "bf16", "int8")
# as in `evaluate`, for the same reason
METHODS = (
    "probe", "nearest-mean", "gda", "gda-fixed", "prior-probe", "zero-shot-start", "clap", "lp++", "tip-adapter",
    "tip-adapter-f", "tip-adapter:published", "tip-adapter-f:published",
)  # fmt: skip
LIMIT_TESTS = (
    "colour", "binding", "counting", "left-right", "above-below", "size", "inside", "jumbled", "negation", "words",
    "typed-label", "digits", "clock", "dice", "suits", "polygons", "blur", "noise", "rotation", "greyscale",
    "resolution",
)  # fmt: skip
LABEL_METHODS = ("prior-probe", "probe", "zero-shot")
_PLAIN = re.compile(r"[\w./+@-]+")  # names that no shell needs quoted
_WORD = re.compile(r"\w*$")
_COLUMN = re.compile(r"[^\W\d]\w*")
_CONFIGURATIONS = ("wordsight.json", "open_clip_config.json", "config.json")
_CHECKPOINTS = (".pt", ".pth", ".safetensors", ".ckpt", ".bin")

EPILOG = """\b
Install the script once, then open a new shell:
  bash: wordsight completion bash > ~/.local/share/bash-completion/completions/wordsight
  zsh:  wordsight completion zsh > ~/.zfunc/_wordsight       (a folder in $fpath, before compinit)
  fish: wordsight completion fish > ~/.config/fish/completions/wordsight.fish

Or, for the current shell only: eval "$(wordsight completion bash)"
"""


@click.command(epilog=EPILOG)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a shell completion script, for commands, options and values."""
    kind = get_completion_class(shell)
    assert kind is not None, shell
    click.echo(kind(ctx.find_root().command, {}, "wordsight", VARIABLE).source())


def complete_values(command: click.Command) -> click.Command:
    """Add completion of values to a command's parameters, by their names (`OFFERS`)."""
    for param in command.params:
        names = list(param.opts)
        if not isinstance(param, click.Option):
            names.append(param.name or "")
        for offer in [OFFERS[name] for name in names if name in OFFERS][:1]:
            param.shell_complete = functools.partial(_quietly, offer)  # type: ignore[method-assign]
    return command


def _quietly(offer: Offer, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Completions, none where that fails: a message would appear in the middle of a person's typing."""
    with contextlib.suppress(Exception):
        return offer(ctx, incomplete)
    return []


def offer_models(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Names of models, and checkpoints in the folder that is being typed; without any, the shell's own files."""
    names = offer_names(ctx, incomplete)
    local = [CompletionItem(path, help="local") for path in _checkpoints(incomplete)]
    return [*names, *local] or offer_files(ctx, incomplete)


def offer_names(_: click.Context, incomplete: str) -> list[CompletionItem]:
    """Models known by name, case-insensitive."""
    from wordsight.weights.catalog import ALIASES, MODELS, names

    items = []
    for name in names():
        if name.lower().startswith(incomplete.lower()):
            entry = MODELS.get(ALIASES.get(name, name), {})
            facts = []
            if name == "mini":
                facts.append("bundled")
            if "params" in entry:
                facts.append(f"{entry['params']:.0f} M parameters")
            if "top1" in entry:
                facts.append(f"ImageNet {entry['top1']:.1f} %")
            items.append(CompletionItem(name, help=", ".join(facts) or None))
    return items


def offer_templates(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Built-in sets of templates; without any that fits, files."""
    from wordsight.zeroshot.templates import TEMPLATE_SETS

    found = sorted(name for name in TEMPLATE_SETS if name.startswith(incomplete))
    return [CompletionItem(name, help=_counted(len(TEMPLATE_SETS[name]))) for name in found] or offer_files(
        ctx, incomplete
    )


def offer_columns(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Columns of the index, for the last word of a condition; none of a remote index."""
    columns = _columns(_location(ctx))
    word = _WORD.search(incomplete)
    assert word is not None, incomplete
    start, begun = incomplete[: word.start()], word.group()
    return [
        CompletionItem(start + name, help=kind)
        for name, kind in columns.items()
        if name.startswith(begun) and _COLUMN.fullmatch(name)
    ]


def offer_files(_: click.Context, incomplete: str) -> list[CompletionItem]:
    """Paths, which the shell completes itself."""
    return [CompletionItem(incomplete, type="file")]


def offer_folders(_: click.Context, incomplete: str) -> list[CompletionItem]:
    """Folders, which the shell completes itself."""
    return [CompletionItem(incomplete, type="dir")]


def offer_words(*words: str) -> Offer:
    """Function that offers some fixed words."""
    return lambda _, incomplete: [CompletionItem(word) for word in words if word.startswith(incomplete)]


# option or argument → function that offers its values, in every command that has it
OFFERS: dict[str, Offer] = {
    **dict.fromkeys(("--model", "--models", "model", "source"), offer_models),
    **dict.fromkeys(("--like", "pattern"), offer_names),
    **dict.fromkeys(("--in", "--into"), offer_folders),
    **dict.fromkeys(("dataset", "datasets", "tables", "--train", "--images"), offer_files),
    **dict.fromkeys(("paths", "sources", "--image", "--not-image", "--learn", "--calibrate", "--forget"), offer_files),
    "--where": offer_columns,
    "--templates": offer_templates,
    "--backend": offer_words(*BACKENDS),
    "--precision": offer_words(*PRECISIONS),
    "--methods": offer_words(*METHODS),
    "--shots": offer_words("1", "2", "4", "8", "16", "all"),
    "--split": offer_words("test", "train", "validation"),
    "--tests": offer_words("none", *LIMIT_TESTS),
    "--method": offer_words(*LABEL_METHODS),
}


def _checkpoints(incomplete: str) -> Iterator[str]:
    """Checkpoints, folders and files, whose path begins with what was typed."""
    folder, begun = os.path.split(incomplete)
    with contextlib.suppress(OSError):
        for entry in sorted(os.scandir(os.path.expanduser(folder) or "."), key=lambda entry: entry.name):
            if not entry.name.startswith(begun) or (entry.name.startswith(".") and not begun):
                continue
            path = os.path.join(folder, entry.name)
            if _is_checkpoint(entry) and _PLAIN.fullmatch(path):
                yield path


def _is_checkpoint(entry: os.DirEntry[str]) -> bool:
    if entry.is_dir():
        return any((Path(entry.path) / name).is_file() for name in _CONFIGURATIONS)
    return entry.name.endswith(_CHECKPOINTS)


def _location(ctx: click.Context) -> str:
    """Index that the command line names so far, or the personal index."""
    from wordsight.locations import default_index

    named = (ctx.params.get(p.name or "") for p in ctx.command.params if {"--in", "--into"} & set(p.opts))
    return str(next((location for location in named if location), None) or default_index())


def _columns(location: str) -> dict[str, str]:
    """Column → kind of an index in a folder, opened without Lance where it has a snapshot."""
    if not os.path.isdir(location):
        return {}
    from wordsight.index import open_index

    index = open_index(location)
    try:
        return index.columns()
    finally:
        index.close()


def _counted(n: int) -> str:
    return f"{n} {plural(n, 'template')}"
