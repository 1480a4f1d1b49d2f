"""`wordsight index` as a person and a script see it."""

import json
import re

import click
import pytest
from click.testing import CliRunner
from indexing import colour_model, write_images
from PIL import Image

from wordsight.cli import group
from wordsight.cli._index.bar import progress_bar
from wordsight.errors import InputError, StoreError
from wordsight.gallery import Gallery
from wordsight.update.run import Progress

pytest.importorskip("lance")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Call the command in a folder with images in `in`; the user's own index lies in `mine`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORDSIGHT_INDEX", str(tmp_path / "mine"))
    monkeypatch.setattr("wordsight.gallery.load", lambda name, *args, **options: colour_model())
    write_images(tmp_path / "in", range(5))

    def run(line, **options):
        return CliRunner().invoke(group, ["index", *line.split()], catch_exceptions=True, **options)

    return run


def test_the_first_run_says_what_was_done_and_what_comes_next(run, tmp_path):
    result = run("in")
    assert result.exit_code == 0, result.output
    first, second = result.stdout.splitlines()
    assert re.fullmatch(rf"5 images in {tmp_path}/mine: 5 added \(\d+\.\d s, \d+ embedded/s\)\.", first)
    assert second == 'Search them with: wordsight search "a red car"'
    assert result.stderr == ""


def test_without_a_source_everything_is_brought_up_to_date(run, tmp_path):
    run("in --into there")
    write_images(tmp_path / "in", [9])
    (tmp_path / "in" / "000.png").unlink()
    result = run("--into there")
    assert result.stdout.startswith("5 images in there: 1 added, 1 removed, 4 unchanged (")
    assert result.stdout.endswith('wordsight search "a red car" --in there\n')


def test_json_is_one_object(run):
    answer = json.loads(run("in --json").stdout)
    assert answer.pop("seconds") > 0
    assert answer.pop("index").endswith("mine")
    assert answer == {
        "images": 5, "added": 5, "changed": 0, "reused": 0, "described": 0, "removed": 0, "unchanged": 0,
        "embedded": 5, "skipped": [], "incomplete": [], "kept_sources": [], "moved_sources": {},
    }  # fmt: skip


def test_what_was_skipped_is_grouped_by_reason_and_changes_the_exit_code(run, tmp_path):
    for n in range(30):
        (tmp_path / "in" / f"empty-{n:02}.jpg").touch()
    (tmp_path / "in" / "odd\nname.jpg").write_bytes(b"no image")
    result = run("in")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0] == "wordsight: 31 skipped:"
    assert lines[1] == "  the file is empty (30):"
    assert lines[2] == f"    {tmp_path}/in/empty-00.jpg"
    assert lines[22] == "    … and 10 more"
    assert lines[23].startswith("  is not an image that Pillow can read")
    assert len(lines) == 24
    assert [skip["reason"] for skip in json.loads(run("in --json").stdout)["skipped"]].count("the file is empty") == 30
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "empty.png").touch()
    result = run("bad --into elsewhere")
    assert result.exit_code == 3
    assert f"  {tmp_path}/bad/empty.png: the file is empty" in result.stderr


def test_files_are_left_out_by_patterns_and_that_is_remembered(run, tmp_path):
    write_images(tmp_path / "in" / "thumbs", [7, 8])
    result = run("in --exclude thumbs/ --exclude 003.png")
    assert result.stdout.startswith("4 images")
    assert run("in").stdout.startswith("4 images")
    result = run("in --exclude thumbs/")
    assert result.stdout.startswith("5 images")
    assert "'in' now uses different options (before: exclude=('thumbs/', '003.png'))" in result.stderr


def test_names_cannot_steer_the_terminal(run, tmp_path):
    folder = tmp_path / "red\x1b[31m"
    (tmp_path / "in").rename(folder)
    (tmp_path / "t.csv").write_text(f"image,co\x1b[31mst\n{folder}/000.png,3\n")
    assert run(f"{folder.name} t.csv").exit_code == 0
    for file in folder.iterdir():
        file.unlink()
    result = run(folder.name)
    assert "red\\x1b[31m no longer holds any images" in result.stderr
    status = run("--status")
    assert "co\\x1b[31mst (integer)" in status.stdout
    assert "\x1b" not in result.output + status.output


def test_a_table_is_read_by_its_columns(run, tmp_path):
    rows = ["photo,title,other", "in/000.png,a coat,x.png", "in/001.png,a hat,y.png"]
    (tmp_path / "shop.tsv").write_text("\n".join(rows).replace(",", "\t"))
    assert run("shop.tsv --image-column photo --text-column title").stdout.startswith("2 images")
    status = run("--status")
    assert "title (text)" in status.stdout


def test_the_status_tells_the_model_and_the_sources(run, tmp_path):
    run("in")
    result = run("--status")
    lines = result.stdout.splitlines()
    assert re.fullmatch(rf"5 images in {tmp_path}/mine, \d+\.\d MiB", lines[0])
    assert re.fullmatch(r"model: random \(fingerprint [0-9a-f]{32}, 8 dimensions\)", lines[1])
    assert lines[2] == f"source: {tmp_path}/in (5 images)"
    assert lines[3].startswith("columns for --where: path (text), page (integer)")
    answer = json.loads(run("--status --json").stdout)
    assert answer["sources"][f"{tmp_path}/in"]["images"] == 5
    assert answer["bytes"] > 1000
    with Gallery.open(tmp_path / "mine") as gallery:
        gallery.index.set_note("fusion", {"way": "score", "alpha": 0.3})
    assert "tuned: 0.30 × visual similarity + 0.70 × text" in run("--status").stdout


def test_a_source_is_forgotten_on_request_only(run, tmp_path):
    run("in")
    for file in (tmp_path / "in").iterdir():
        file.unlink()
    result = run("")
    assert "no longer holds any images; those in the index are kept" in result.stderr
    assert run("--forget in").stdout.startswith("5 images removed.\n0 images in")


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        ("nowhere", InputError, "'nowhere' does not exist"),
        ("--status", StoreError, "There is no index"),
        ("", StoreError, "There is no index"),
        ("in --status", InputError, "--status cannot be combined with sources or their options; run separately"),
        ("in --forget in", InputError, "--forget cannot be combined with sources or their options; run separately"),
        ("--urls", InputError, "without the source that they are for"),
    ],
)
def test_mistakes_are_named_before_any_model_is_loaded(run, monkeypatch, line, kind, message):
    monkeypatch.setattr("wordsight.gallery.load", lambda *args, **options: pytest.fail("a model was loaded"))
    result = run(line)
    assert isinstance(result.exception, kind)  # which `main` turns into one line and exit status 2
    assert message in str(result.exception)


def test_another_model_is_refused(run, monkeypatch):
    run("in")
    other = colour_model(logit_scale=1.0)
    monkeypatch.setattr("wordsight.gallery.load", lambda *args, **options: other)
    result = run("in --model other")
    assert isinstance(result.exception, StoreError)
    assert other.fingerprint in str(result.exception)


@pytest.mark.parametrize("name", ["index", "search", "duplicates", "export", "import", "tune"])
def test_the_index_has_one_name_in_every_command_and_an_alias(name):
    command = group.get_command(click.Context(group), name)
    (option,) = [param for param in command.params if "--in" in param.opts]
    assert option.opts == ["--in", "--into"]
    assert "--in, --into INDEX" in CliRunner().invoke(group, [name, "--help"]).output


def test_into_and_in_mean_the_same(run):
    assert run("in --into there").exit_code == 0
    assert run("--status --in there").stdout.startswith("5 images in there")


def test_a_pattern_is_indexed_followed_and_forgotten(run, tmp_path):
    assert run("in/00[0-2].png").stdout.startswith("3 images in")
    (tmp_path / "in" / "001.png").unlink()
    assert "1 removed, 2 unchanged" in run("").stdout
    result = run("in/*.gif")
    assert isinstance(result.exception, InputError)
    assert "The pattern 'in/*.gif' matches no image" in str(result.exception)
    write_images(tmp_path / "more", range(10, 12))
    run("in more")
    assert run(f"--forget {tmp_path}/mor*").stdout.startswith("2 images removed.")
    assert run("--forget in/00[0-2].png").exit_code == 0
    assert list(json.loads(run("--status --json").stdout)["sources"]) == [str(tmp_path / "in")]


def test_a_source_that_was_moved_is_said_to_be_taken_over(run, tmp_path):
    run("in")
    (tmp_path / "in").rename(tmp_path / "pics")
    result = run("pics")
    assert result.exit_code == 0
    assert ": 5 unchanged (" in result.stdout
    assert result.stderr == (
        f"wordsight: {tmp_path}/in is gone, and its images are in {tmp_path}/pics, which is tracked in its place.\n"
    )
    assert json.loads(run("--status --json").stdout)["images"] == 5


def test_what_is_in_but_incomplete_is_listed(run, tmp_path):
    Image.new("RGB", (64, 64), "red").save(tmp_path / "in" / "cut.jpg", quality=90)
    (tmp_path / "in" / "cut.jpg").write_bytes((tmp_path / "in" / "cut.jpg").read_bytes()[:-2])
    result = run("in")
    assert (result.exit_code, result.stdout.startswith("6 images in")) == (1, True)
    assert result.stderr == (
        "wordsight: 1 incomplete, but in the index:\n"
        f"  {tmp_path}/in/cut.jpg: the JPEG lacks its end; it was read as far as it goes\n"
    )
    assert run("in").exit_code == 0


def test_a_first_call_that_fails_leaves_no_index(run, tmp_path):
    (tmp_path / "t.csv").write_text("name,price\nx,1\n")
    assert isinstance(run("t.csv --in there").exception, InputError)
    assert not (tmp_path / "there").exists()
    run("in --in there")
    assert isinstance(run("t.csv --in there").exception, InputError)
    assert run("--status --in there").stdout.startswith("5 images")


def test_an_empty_folder_is_said_to_hold_nothing_and_fills_later(run, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "notes.txt").touch()
    result = run("new")
    assert result.exit_code == 3
    assert re.fullmatch(r"0 images in .*/mine: nothing found \(\d\.\d s\)\.\n", result.stdout)
    assert result.stderr.startswith("wordsight: found nothing to index; expected images (.jpg, .png")
    write_images(tmp_path / "new", [1])
    assert run("").stdout.startswith("1 images in")


def test_a_thousand_images_of_one_content_are_embedded_once(run, tmp_path):
    content = (tmp_path / "in" / "000.png").read_bytes()
    (tmp_path / "same").mkdir()
    for number in range(1000):
        (tmp_path / "same" / f"{number}.png").write_bytes(content)
    assert "1,000 images in" in (said := run("same").stdout)
    assert ": 1 added, 999 reused (" in said
    assert ": 1,000 unchanged (" in run("same").stdout


def test_no_message_is_flooded_by_what_a_cell_holds(run, tmp_path):
    long = "data:image/png;base64," + "A" * 30_000
    (tmp_path / "t.csv").write_text(f'image,title\nin/000.png,cat\n"{long}",berry\n{"x" * 9000}.png,none\n')
    result = run("t.csv")
    assert len(result.output) < 1500
    assert len(str(run(long).exception)) < 800


def test_ctrl_c_is_answered_on_a_line_of_its_own(run, monkeypatch):
    def interrupted(gallery, sources, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("wordsight.gallery.Gallery.add", interrupted)
    monkeypatch.setattr("wordsight.cli._messages.line_start", lambda: "\n")  # on a terminal, which shows ^C
    assert run("in").stderr == "\nwordsight: 0 images were indexed; rerun to continue.\nInterrupted.\n"


def test_an_interrupt_says_how_to_go_on(run, monkeypatch):
    def interrupted(gallery, sources, *, progress, **options):
        progress(Progress(7, None, 7, 5, 0, 1.0))
        raise KeyboardInterrupt

    monkeypatch.setattr("wordsight.gallery.Gallery.add", interrupted)
    result = run("in")
    assert result.exit_code == 130
    assert "5 images were indexed; rerun to continue." in result.stderr


def test_the_bar_is_drawn_on_a_terminal_only(monkeypatch, capsys):
    with progress_bar() as draw:
        draw(Progress(1, 2, 1, 1, 0, 1.0))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress_bar() as draw:
        draw(Progress(1, None, 1, 1, 0, 1.0))
        draw(Progress(1500, 3000, 750, 1, 0, 10.0))
    assert "1,500/3,000 files  75 images/s" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)


def test_repair_embeds_what_check_found_damaged_again(run, tmp_path):
    assert run("in").exit_code == 0
    first = run("--check")
    assert first.exit_code == 0
    assert re.fullmatch(rf"{tmp_path}/mine: \d+ files compared, as they were written\.\n", first.stdout)
    (path,) = (tmp_path / "mine" / "items.lance" / "data").iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    before = run("--check")
    assert before.exit_code == 1
    assert f"items.lance/data/{path.name} is damaged: 5 images:" in before.stdout
    assert f"wordsight index --repair --in {tmp_path}/mine" in before.stdout

    repaired = run("--repair")
    assert repaired.exit_code == 0, repaired.output
    assert "5 images" in repaired.stdout
    assert "5 added" in repaired.stdout

    after = run("--check --json")
    assert after.exit_code == 0
    assert json.loads(after.stdout)["damaged"] == []


def test_check_says_how_many_files_have_no_checksum(run, tmp_path):
    run("in")
    path = tmp_path / "mine" / "checksums.json"
    path.unlink()
    result = run("--check")
    assert result.exit_code == 0
    first, last = result.stdout.splitlines()
    assert re.fullmatch(r".*: 0 files compared, \d+ without a checksum \(written by an older version\)\.", first)
    assert last.endswith(f"wordsight index --repair --in {tmp_path}/mine")
    assert run("--repair").exit_code == 0
    assert " files compared, as they were written." in run("--check").stdout
    path.write_bytes(b"damaged")
    result = run("--check")
    assert (result.exit_code, "checksums.json is damaged: 0 images" in result.stdout) == (1, True)
    assert json.loads(run("--check --json").stdout)["without_checksum"] > 5


def test_repair_of_a_damaged_manifest_indexes_again_what_was_lost(run, tmp_path):
    run("in")
    run("--forget in")
    write_images(tmp_path / "in", [9])
    run("in")
    newest = min((tmp_path / "mine" / "items.lance" / "_versions").glob("*.manifest"))
    newest.write_bytes(newest.read_bytes()[:30])
    checked = run("--check")
    assert checked.exit_code == 1
    assert f"{newest.name} is damaged; the images that it concerns cannot be told." in checked.stdout
    assert run("--repair").exit_code == 0
    assert run("--check").exit_code == 0
    assert json.loads(run("--status --json").stdout)["images"] == 6
    for path in (tmp_path / "mine" / "items.lance" / "_versions").glob("*.manifest"):
        path.write_bytes(b"")
    assert "No version of it can be read: delete" in run("--check").stdout
