"""`wordsight eval rerun`: repeat a recorded evaluation, and say whether it comes out the same."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from wordsight.cli._messages import clean, say
from wordsight.cli.eval._options import one_json_option
from wordsight.errors import InputError

EQUAL, NOT_EQUAL = 0, 1
# What a record may run: subcommands that write what they measured. It may come from someone else.
_REPEATABLE = ("zeroshot", "fewshot", "suite", "retrieval", "pairs", "similarity", "labels", "contamination")
_WRITING = ("--out", "--report", "--sheet", "--save")
_NETWORK = ("://", "hf-hub:", "hf:")
_SHARES = ("\\\\", "//")  # how paths to another machine begin on Windows, which signs in there to open them
_SHARED = ("weights", "locks", "openvino")  # parts of the cache that a rerun takes as they are

EPILOG = """\b
Examples:
  wordsight eval rerun eval/photos/mini/predictions.parquet
  wordsight eval rerun eval/photos/mini/result.json --json
  wordsight eval rerun eval/captions/mini/retrieval.json

The recorded command runs as it was given, so relative paths in it are looked up from the current folder. Images are
embedded again: cached features are neither read nor written. A record that someone else wrote can name any folder of
yours, but it can write no file, and uses servers and hubs only with --allow-network.

\b
Exit codes: 0 equal: the same classes with bit-identical scores, or the same figures; 1 not equal;
2 the command or an input is wrong.
"""


@click.command(epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--allow-network", is_flag=True, help="Allow a recorded command that names a server or a hub.")
@one_json_option
@click.pass_context
def command(ctx: click.Context, /, file: Path, as_json: bool, allow_network: bool) -> None:
    """Repeat a recorded evaluation, and say whether it comes out the same.

    FILE is what `wordsight eval` wrote: predictions, the result.json beside them, or the JSON file of a task without
    predictions.
    """
    import json

    from wordsight.evaluate import rerun

    def run(recorded: Sequence[str], out: Path) -> None:
        _check(recorded, allow_network)
        _run(recorded, out)

    result = rerun.rerun(file, run)
    if as_json:
        click.echo(json.dumps(result.to_dict(), ensure_ascii=False))
    else:
        click.echo(clean(rerun.describe(result)))
    ctx.exit(EQUAL if result.equal else NOT_EQUAL)


def _check(recorded: Sequence[str], allow_network: bool) -> None:
    """Raise InputError for a recorded command that does more than measure: it may come from someone else."""
    shown = " ".join(map(str, recorded))
    if not all(isinstance(text, str) for text in recorded) or len(recorded) < 2 or recorded[0] != "eval":
        raise InputError(f"The recorded command is {shown!r:.300}, expected one of `wordsight eval`.")
    if recorded[1] not in _REPEATABLE:
        raise InputError(f"The recorded command is 'eval {recorded[1]}'; only {', '.join(_REPEATABLE)} are repeated.")
    for text in recorded[2:]:
        if text.partition("=")[0] in _WRITING:
            raise InputError(f"The recorded command has {text.partition('=')[0]}, which writes a file; such a record "
                             "was not made by wordsight, and is not run.")  # fmt: skip
        if not allow_network and _uses_network(text):
            raise InputError(f"The recorded command uses the network: {text!r}. It would be sent images, or load files "
                             "from there; if you trust the record, add --allow-network.")  # fmt: skip


def _uses_network(argument: str) -> bool:
    value = argument.partition("=")[2] if argument.startswith("--") else argument
    return any(mark in argument for mark in _NETWORK) or value.startswith(_SHARES)


def _run(recorded: Sequence[str], out: Path) -> None:
    """Run a command of the program in this process, its output left out, with a cache of its own.

    --out is put first: behind an option without its value, or behind "--", it would not be read as one.
    """
    import shlex

    from wordsight.cli import group

    arguments = [*recorded[:2], "--out", str(out), *recorded[2:]]
    say(f"running: wordsight {shlex.join(arguments)}")
    with _own_cache(), contextlib.redirect_stdout(io.StringIO()):
        group.main(arguments, prog_name="wordsight", standalone_mode=False)


@contextlib.contextmanager
def _own_cache() -> Iterator[None]:
    """A cache without features and class embeddings, removed at the end: nothing measured is taken from an earlier run.

    Downloaded weights and compiled graphs are those of the usual cache, where the system can link to them.
    """
    from wordsight.locations import cache_dir

    before = os.environ.get("WORDSIGHT_CACHE")
    with tempfile.TemporaryDirectory(prefix="wordsight-cache-") as folder:
        for part in _SHARED:
            if cache_dir(part).is_dir():
                with contextlib.suppress(OSError):  # Windows without the right to link
                    os.symlink(cache_dir(part).resolve(), Path(folder) / part, target_is_directory=True)
        os.environ["WORDSIGHT_CACHE"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["WORDSIGHT_CACHE"]
            else:
                os.environ["WORDSIGHT_CACHE"] = before
