"""File names, tables, checkpoints and servers may hold anything: none steers the terminal or shows a secret."""

import csv
import http.server
import io
import json
import sys
import threading
import warnings
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner
from colour_model import ColourModel, image, write_images
from indexing import colour_model
from indexing import write_images as write_numbered_images

import wordsight.cli
from wordsight.cli import group
from wordsight.cli._index.check import check_index
from wordsight.cli._messages import clean, plain_warnings, report_skips
from wordsight.cli._search.query import title
from wordsight.doctor.report import Finding, Report
from wordsight.errors import InputError
from wordsight.images.skipped import Skipped
from wordsight.index.base import Damage, FileCheck

STEER = "\x1b]0;PWN\x07\x9b2J\u202e"
ESCAPED = r"\x1b]0;PWN\x07\x9b2J\u202e"


def test_control_characters_are_escaped_and_line_breaks_kept():
    assert clean(f"{STEER}\n\tä 日本\u200d") == f"{ESCAPED}\n\tä 日本\u200d"
    assert clean("bad\udcff") == r"bad\udcff"


def test_no_error_steers_the_terminal(monkeypatch, capsys):
    def body():
        raise InputError(f"columns: {STEER}; see https://user:PASSWORD@host/?sig=SECRET")

    command = click.Command("doctor", callback=body)
    monkeypatch.setattr(wordsight.cli._LazyGroup, "get_command", lambda self, ctx, name: command)
    monkeypatch.setattr(sys, "argv", ["wordsight", "doctor"])
    with pytest.raises(SystemExit):
        wordsight.cli.main()
    assert capsys.readouterr().err == f"wordsight: columns: {ESCAPED}; see https://…@host/?sig=…\n"


def test_no_warning_and_no_skip_steers_the_terminal(capsys):
    with plain_warnings():
        warnings.warn(STEER, UserWarning, stacklevel=1)
    report_skips([Skipped("a.png", f"named in {STEER}.csv")], 2)
    assert capsys.readouterr().err == (
        f"wordsight: {ESCAPED}\nwordsight: 1 of 2 images skipped:\n  a.png: named in {ESCAPED}.csv\n"
    )


def test_doctor_escapes_what_a_checkpoint_holds(monkeypatch):
    finding = Finding(STEER, STEER, f"[red]{STEER}", note=STEER)
    report = Report(STEER, "fingerprint", (finding,), (finding,))
    monkeypatch.setattr("wordsight.weights.read.read_checkpoint", lambda *args, **options: None)
    monkeypatch.setattr("wordsight.doctor.examine", lambda checkpoint, fast: report)
    shown = CliRunner().invoke(group, ["doctor", "any"]).output
    assert "[red]" in shown
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)


def test_a_class_name_does_not_steer_the_terminal(tmp_path, monkeypatch):
    monkeypatch.setattr("wordsight.model.load", lambda *args, **options: ColourModel())
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path, ["red.png"])
    result = CliRunner().invoke(group, ["classify", "red.png", "--classes", "red\x1b[31m", "blue"])
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output


@pytest.mark.parametrize("name", ["=cmd()-red.png", "+1-red.png", "-2-red.png", "@SUM(1)-red.png"])
def test_no_path_in_csv_is_a_formula(tmp_path, monkeypatch, name):
    """ "./" before a relative path leaves it the same path."""
    monkeypatch.setattr("wordsight.model.load", lambda *args, **options: ColourModel())
    monkeypatch.chdir(tmp_path)
    image("red").save(tmp_path / name)
    result = CliRunner().invoke(group, ["classify", "--classes", "red", "blue", "--csv", "--", name])
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert row["path"] == f"./{name}"


@pytest.fixture
def server():
    """A web server that answers every request with 500 and the request's own headers."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(500)
            self.end_headers()
            self.wfile.write(str(dict(self.headers)).encode())

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_no_summary_of_an_index_holds_a_secret(tmp_path, monkeypatch, server):
    pytest.importorskip("lance")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORDSIGHT_INDEX", str(tmp_path / "mine"))
    monkeypatch.setattr("wordsight.gallery.load", lambda name, *args, **options: colour_model())
    write_numbered_images(tmp_path, [0])
    (tmp_path / "t.csv").write_text(f"image\n000.png\nhttp://user:PASSWORD@{server}/x.png?sig=SIGNATURE\n")
    for form in ((), ("--json",)):
        result = CliRunner().invoke(group, ["index", "t.csv", "--image-column", "image", "--urls", *form])
        assert result.exit_code == 1, result.output
        shown = json.loads(result.stdout)["skipped"][0]["item"] if form else result.stderr
        assert f"http://…@{server}/x.png?sig=…" in shown
        assert "PASSWORD" not in result.output
        assert "SIGNATURE" not in result.output


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_no_answer_of_a_store_shows_the_key_that_was_sent(monkeypatch, server, capsys):
    pytest.importorskip("qdrant_client")
    monkeypatch.setenv("QDRANT_API_KEY", "QSECRETKEY")
    location = f"qdrant:http://user:PASSWORD@{server}/c"
    monkeypatch.setattr(sys, "argv", ["wordsight", "search", "red", "--in", location])
    with pytest.raises(SystemExit):
        wordsight.cli.main()
    shown = capsys.readouterr().err
    assert "500" in shown
    assert "QSECRETKEY" not in shown
    assert "PASSWORD" not in shown


@pytest.mark.parametrize("ids", [[f"{STEER}.png"], None, []])
def test_no_check_of_an_index_steers_the_terminal(capsys, ids):
    check = FileCheck((Damage(f"{STEER}.lance", ids),), compared=3)
    gallery = SimpleNamespace(location=f"/{STEER}", index=SimpleNamespace(check_files=lambda: check))
    assert check_index(gallery, as_json=False) == 1
    shown = capsys.readouterr().out
    assert f"/{ESCAPED}: 3 files compared; 1 damaged or missing:" in shown
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)


def test_no_title_of_a_contact_sheet_holds_a_secret():
    assert title([("image", "http://u:p@host/a.jpg?token=SECRET", 1.0)]) == "a.jpg?token=…"
