"""The command line as a script sees it: exit codes, one-line errors, silence when nobody reads on."""

import subprocess
import sys

import click
import pytest

import wordsight.cli
from wordsight import __version__
from wordsight.errors import InputError


def run(*arguments, **options):
    """Run `wordsight` as a process of its own."""
    code = "from wordsight.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, **options)


@pytest.fixture
def call(monkeypatch, capsys):
    """Call `wordsight doctor` with a body of the test's choosing; returns (exit code, stderr)."""

    def call(body):
        command = click.Command("doctor", callback=body)
        monkeypatch.setattr(wordsight.cli._LazyGroup, "get_command", lambda self, ctx, name: command)
        monkeypatch.setattr(sys, "argv", ["wordsight", "doctor"])
        with pytest.raises(SystemExit) as stop:
            wordsight.cli.main()
        return stop.value.code, capsys.readouterr().err

    return call


def test_version_and_success():
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"wordsight, version {__version__}\n")


def test_an_unknown_command_answers_did_you_mean():
    done = run("clasify")
    assert done.returncode == 2
    assert "No such command 'clasify'. Did you mean: classify?" in done.stderr


def test_an_unknown_option_is_a_usage_error():
    done = run("--colour")
    assert done.returncode == 2
    assert "No such option" in done.stderr


def test_a_users_error_is_one_line_and_exit_2(call):
    def body():
        raise InputError("the class list is empty; give at least two classes.")

    code, stderr = call(body)
    assert code == 2
    assert stderr == "wordsight: the class list is empty; give at least two classes.\n"


def test_a_fault_of_files_and_disks_is_one_line_and_exit_2(call):
    def body():
        raise PermissionError(13, "Permission denied", "out.npy")

    assert call(body) == (2, "wordsight: 'out.npy': Permission denied\n")


def test_interrupt_is_exit_130_without_a_traceback(call):
    def body():
        raise KeyboardInterrupt

    assert call(body) == (130, "Interrupted.\n")


def test_a_fault_of_ours_is_not_hidden(monkeypatch):
    def body():
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(
        wordsight.cli._LazyGroup, "get_command", lambda self, ctx, name: click.Command("doctor", callback=body)
    )
    monkeypatch.setattr(sys, "argv", ["wordsight", "doctor"])
    with pytest.raises(ZeroDivisionError):
        wordsight.cli.main()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_a_closed_pipe_ends_quietly():
    code = """import sys
sys.argv = ["wordsight", "doctor"]
import click, wordsight.cli
def body():
    for number in range(100_000):
        click.echo(f"line {number}")
wordsight.cli._LazyGroup.get_command = lambda self, ctx, name: click.Command("doctor", callback=body)
wordsight.cli.main()
"""
    done = subprocess.run(
        ["/bin/sh", "-c", f"'{sys.executable}' -c '{code}' | head -n 1"], capture_output=True, text=True
    )
    assert done.stdout == "line 0\n"
    assert done.stderr == ""


def test_every_command_has_a_line_in_help():
    shown = " ".join(run("--help").stdout.split())  # long lines are wrapped
    for name, line in wordsight.cli.COMMANDS.items():
        assert f"{name} " in shown
        assert line in shown
