"""Run the blocks of a page, in order, in a folder of their own, and keep the output of its commands.

Used by `generate.py` for `<!-- generated: output -->`, which holds the output of the shell block above it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

FENCE = re.compile(
    r"(?P<skip><!-- (?:not run: [^\n]+|check|(?:edit|new): \S+) -->\n)?(?:<!-- exit code (?P<code>\d) -->\n)?"
    r"^```(?P<kind>\w+)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
RUNNABLE = ("wordsight ", "printf ")
# f32, so that figures do not depend on the processor; the lines as wide as a page
SETTINGS = {"WORDSIGHT_PRECISION": "f32", "COLUMNS": "100", "NO_COLOR": "1"}
TIMES = re.compile(r" \([\d.,]+ s(, [\d.,]+ embedded/s)?\)")  # differ from run to run


def runnable_blocks(text: str) -> Iterator[tuple[str, int, str, int]]:
    """Yield (kind, end, body, exit status) of each block of a page that can be run.

    The status is 0, or that of `<!-- exit code 1 -->` above a block.
    """
    for match in FENCE.finditer(text):
        body = match["body"]
        shell = match["kind"] == "sh" and all(line.startswith(RUNNABLE) for line in body.splitlines())
        if not match["skip"] and (shell or match["kind"] == "python"):
            yield match["kind"], match.end(), body, int(match["code"] or 0)


def run_line(line: str) -> tuple[int, bytes, str]:
    """Run a line of a shell block: (exit status, standard output, both outputs as text).

    printf is run by the shell, wordsight in this process; `> FILE` and `| COMMAND` work.
    """
    from wordsight.cli import group

    if not line.startswith("wordsight "):
        done = subprocess.run(line, shell=True, check=True, capture_output=True)
        return 0, done.stdout, done.stdout.decode()
    line, _, reader = line.partition(" | ")
    arguments = shlex.split(line)[1:]
    target = arguments[arguments.index(">") + 1] if ">" in arguments else None
    arguments = arguments[: arguments.index(">")] if target else arguments
    output, errors = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        code = group.main(arguments, prog_name="wordsight", standalone_mode=False)
    written, said = (stream.buffer.getvalue() for stream in (output, errors))
    if target:
        Path(target).write_bytes(written)
    if reader:
        subprocess.run(reader, shell=True, check=True, input=written)
    shown = said if target or reader else written + said
    return code or 0, written, shown.decode()


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """Run in a temporary folder with photos/ (the samples), with caches and an index there."""
    from wordsight.samples import sample_images

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        settings = SETTINGS | {"WORDSIGHT_CACHE": str(folder / "cache"), "WORDSIGHT_INDEX": str(folder / "index")}
        before = {key: os.environ.get(key) for key in settings}
        os.environ.update(settings)
        (folder / "photos").mkdir()
        for image in sample_images():
            shutil.copy(image, folder / "photos")
        try:
            with contextlib.chdir(folder):
                yield folder
        finally:
            for key, value in before.items():
                if value is None:
                    del os.environ[key]
                else:
                    os.environ[key] = value


def outputs(text: str, until: int) -> dict[int, str]:
    """Output of the shell blocks of a page that end before `until`, by their end."""
    printed: dict[int, str] = {}
    names = {"__name__": "page"}
    with workplace() as folder, contextlib.redirect_stdout(io.StringIO()):
        for kind, end, body, expected in runnable_blocks(text[:until]):
            if kind == "python":
                exec(compile(body, "page", "exec"), names)
                continue
            lines = body.splitlines()
            shown = []
            for line in lines:
                code, _, said = run_line(line)
                if code != expected:
                    raise SystemExit(f"{line} ended with {code}, expected {expected}:\n{said}")
                said = TIMES.sub("", said.replace(f"{folder}{os.sep}", "")).rstrip("\n")
                shown += [f"$ {line}", said] if len(lines) > 1 else [said]
            printed[end] = "\n".join(part for part in shown if part.strip())
    return printed
