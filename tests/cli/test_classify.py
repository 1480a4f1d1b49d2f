"""`wordsight classify` as a script sees it, with a model that knows colours."""

import csv
import io
import json
import warnings

import numpy as np
import pytest
from click.testing import CliRunner
from colour_model import DIM, ColourModel, image, write_images

from wordsight.cli import group
from wordsight.cli._options import spread
from wordsight.errors import InputError
from wordsight.zeroshot.linear_head import LinearHead


def stream_pages(self, items, read):
    """Stand-in for `Model.stream_read` without a network: the mean colour of the pixels."""
    for item in items:
        pixels = read(item)
        yield item, self._image(pixels).astype("float32") if hasattr(pixels, "shape") else pixels


def write_pdf(path, colours):
    """Write a PDF with one page of each colour."""
    first, *others = [image(colour, (64, 64)) for colour in colours]
    first.save(path, save_all=True, append_images=others)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("wordsight.model.load", lambda *args, **options: ColourModel())
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "in", ["red-1.png", "blue-1.png", "sub/green-1.png"])

    def run(line, **options):
        arguments = line if isinstance(line, list) else line.split()
        return CliRunner().invoke(group, ["classify", *arguments], catch_exceptions=True, **options)

    return run


@pytest.mark.parametrize(
    ("given", "spread_out"),
    [
        (["p", "--classes", "cat", "red coat", "--top", "5"],
         ["p", "--classes", "cat", "--classes", "red coat", "--top", "5"]),
        (["--classes", "a", "b", "--", "p"], ["--classes", "a", "--classes", "b", "--", "p"]),
        (["--classes", "a", "b", "-", "p"], ["--classes", "a", "--classes", "b", "-", "p"]),
        (["--classes=a", "p"], ["--classes=a", "p"]),
        (["p", "--classes", "a", "--none", "--classes", "b"], ["p", "--classes", "a", "--none", "--classes", "b"]),
        (["p", "--classes", "--none"], ["p", "--classes", "--none"]),
        (["p", "--classes"], ["p", "--classes"]),
        (["--", "--classes", "a", "b"], ["--", "--classes", "a", "b"]),
    ],
)  # fmt: skip
def test_one_option_takes_all_values_up_to_the_next(given, spread_out):
    assert spread("--classes", given) == spread_out


def test_a_line_per_image_best_answer_first(run):
    result = run("in --classes red blue green --top 1")
    assert result.exit_code == 0, result.output
    assert [line.split()[1:] for line in result.stdout.splitlines()] == [
        ["blue", "in/blue-1.png"], ["red", "in/red-1.png"], ["green", "in/sub/green-1.png"]]  # fmt: skip
    assert result.stderr == "wordsight: 3 images: red 1, blue 1, green 1, none of these 0\n"


def test_json_is_one_object_a_line(run):
    result = run(["in", "--classes", "red", "a blue thing", "--top", "2", "--none", "--json"])
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["label"] for row in rows] == ["a blue thing", "red", "none of these"]
    assert rows[0]["path"] == "in/blue-1.png"
    assert len(rows[0]["top"]) == 2
    assert rows[2]["none_probability"] > 0.5 > rows[0]["none_probability"]


def test_csv_has_a_column_for_each_class(run):
    result = run(["in", "--classes", "red", "blue", "label", "--csv"])
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert list(rows[0]) == ["path", "label", "probability", "red", "blue", "label (class)", "none of these"]
    for row in rows:
        numbers = {name: float(row[name]) for name in list(row)[3:]}
        assert sum(numbers.values()) == pytest.approx(1, abs=1e-4)
        assert row["label"] == max(numbers, key=numbers.get)
        assert float(row["probability"]) == max(numbers.values())


def test_none_of_these_is_an_answer_unless_it_is_switched_off(run):
    labels = [json.loads(line)["label"] for line in run("in --classes red blue --json").stdout.splitlines()]
    assert labels == ["blue", "red", "none of these"]
    labels = [json.loads(line)["label"] for line in run("in --classes red blue --json --no-none").stdout.splitlines()]
    assert labels[2] in ("red", "blue")


def test_one_class_may_stand_against_none(run):
    result = run("in --classes red --json")
    assert [json.loads(line)["label"] for line in result.stdout.splitlines()] == [
        "none of these", "red", "none of these"]  # fmt: skip


def test_independent_classes_may_all_be_true_or_none(run, tmp_path):
    write_images(tmp_path / "in", ["yellow-1.png"])  # red and green
    result = run("in --classes red green --multi --json")
    labels = {json.loads(line)["path"]: json.loads(line)["labels"] for line in result.stdout.splitlines()}
    assert sorted(labels["in/yellow-1.png"]) == ["green", "red"]
    assert labels["in/red-1.png"] == ["red"]
    assert labels["in/blue-1.png"] == ["none of these"]
    result = run("in --classes red green --multi --sort-into out --link")
    assert sorted(p.parent.name for p in (tmp_path / "out").rglob("yellow-1.png")) == ["green", "red"]


def test_independent_classes_have_a_column_for_none_too(run):
    result = run("in --classes red green --multi --csv")
    rows = {row["path"]: row for row in csv.DictReader(io.StringIO(result.stdout))}
    blue = rows["in/blue-1.png"]
    assert list(blue) == ["path", "label", "probability", "red", "green", "none of these"]
    assert (blue["label"], blue["probability"]) == ("none of these", blue["none of these"])
    assert float(rows["in/red-1.png"]["none of these"]) < 0.5
    assert result.stderr == "wordsight: 3 images: red 1, green 1, none of these 1\n"


def test_together_gives_the_same_kind_of_answers(run):
    result = run("in --classes red blue --together --json")
    assert [json.loads(line)["label"] for line in result.stdout.splitlines()] == ["blue", "red", "none of these"]


def test_names_may_end_with_nul_or_come_from_a_file(run, tmp_path):
    write_images(tmp_path / "odd", ["red-\n1.png"])
    result = run("--classes red blue --json - -0", input="odd/red-\n1.png\0in/blue-1.png\0")
    assert [json.loads(line)["label"] for line in result.stdout.splitlines()] == ["red", "blue"]
    (tmp_path / "list.txt").write_text("in/red-1.png\n", encoding="utf-8")
    assert json.loads(run("--from-file list.txt --classes red blue --json").stdout)["label"] == "red"


def test_pages_of_a_pdf_are_sorted_one_by_one(run, tmp_path, monkeypatch):
    pytest.importorskip("pypdfium2")
    monkeypatch.setattr(ColourModel, "stream_read", stream_pages, raising=False)
    write_pdf(tmp_path / "manual.pdf", ["red", "blue"])
    result = run("manual.pdf in/red-1.png --classes red blue --json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["path"], row.get("page"), row["label"]) for row in rows] == [
        ("manual.pdf", 1, "red"), ("manual.pdf", 2, "blue"), ("in/red-1.png", None, "red")]  # fmt: skip
    result = run("manual.pdf --classes red blue --sort-into out")
    with pytest.raises(InputError, match="is a page, which --sort-into cannot place"):
        raise result.exception


def test_a_contact_sheet_has_a_section_for_each_class(run, tmp_path):
    result = run("in --classes red blue <b> --html sheet.html")
    page = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    assert result.exit_code == 0
    assert page.index("red · 1 image<") < page.index("blue · 1 image<") < page.index("none of these · 1 image<")
    assert page.count("data:image/jpeg;base64,") == 3
    assert "<b>" not in page


def test_classes_come_from_a_file_too(run, tmp_path):
    (tmp_path / "classes.txt").write_text("# colours\nwarm = red\n\ncold = blue, green\n", encoding="utf-8")
    result = run("in --classes-file classes.txt --json")
    assert [json.loads(line)["label"] for line in result.stdout.splitlines()] == ["cold", "warm", "cold"]


@pytest.fixture
def probe(tmp_path, run):
    """File of a head that tells warm images from cold ones by how red and how blue they are."""
    coefficient = np.zeros((2, DIM))
    coefficient[0, 0] = coefficient[1, 2] = 20
    head = LinearHead("probe", ("warm", "cold"), coefficient, [0, 1], "colour", {"model": "colours"})
    head.save(tmp_path / "probe.safetensors")
    return head


def test_a_probe_brings_its_classes(run, probe, tmp_path):
    result = run("in --probe probe.safetensors --json --html sheet.html")
    assert result.exit_code == 0, result.output
    rows = {row["path"]: row for row in map(json.loads, result.stdout.splitlines())}
    assert {path: row["label"] for path, row in rows.items()} == {
        "in/red-1.png": "warm", "in/blue-1.png": "cold", "in/sub/green-1.png": "cold"}  # fmt: skip
    assert "none_probability" not in rows["in/red-1.png"]
    assert result.stderr == "wordsight: 3 images: warm 1, cold 2\n"
    page = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    assert "3 images sorted by the probe probe.safetensors" in page
    result = run("in --probe probe.safetensors --csv")
    assert result.stdout.splitlines()[0] == "path,label,probability,warm,cold"


def test_images_are_sorted_into_folders_by_a_probe(run, probe, tmp_path):
    run("in --probe probe.safetensors --no-none --sort-into out --link")
    assert sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png")) == [
        "cold/blue-1.png", "cold/green-1.png", "warm/red-1.png"]  # fmt: skip


def test_a_probe_of_another_model_is_refused(run, probe, monkeypatch):
    monkeypatch.setattr(ColourModel, "fingerprint", "another")
    with pytest.raises(InputError, match=r"fitted on embeddings of colours \(colour\), not of colour \(another\)"):
        raise run("in --probe probe.safetensors").exception


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_class_is_not_dropped(run, empty):
    error = run(["in", "--classes", empty, "cat"]).exception
    assert isinstance(error, InputError)
    assert f"A class is named {empty!r}; each class needs a name" in str(error)


def test_the_list_of_images_may_come_on_standard_input(run):
    result = run("--classes red blue --top 1 -", input="in/red-1.png\nin/gone.png\n")
    assert result.exit_code == 1
    assert "red" in result.stdout
    assert "1 of 2 images skipped" in result.stderr
    assert "in/gone.png: " in result.stderr


def test_skipped_images_are_counted_listed_and_change_the_exit_code(run, tmp_path):
    (tmp_path / "in" / "broken.jpg").write_bytes(b"\xff\xd8 not an image")
    result = run("in --classes red blue green --json")
    assert result.exit_code == 1
    assert "1 of 4 images skipped" in result.stderr
    assert any("skipped" in json.loads(line) for line in result.stdout.splitlines())
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "empty.png").touch()
    assert run("bad --classes red blue").exit_code == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("in", "No classes are given"),
        ("--classes red in", r"No images are given.*'in' was read as a class"),
        ("in --classes red RED", "more than once"),
        ("in --classes red --probe p.safetensors", "--classes and --probe cannot be combined: a probe brings its"),
        ("in --classes-file f --probe p.safetensors", "--classes-file and --probe cannot be combined"),
        ("in --templates plain --probe p.safetensors", "--templates and --probe cannot be combined"),
        ("in --none --probe p.safetensors", "--none and --probe cannot be combined: .* cannot say that an image shows"),
        ("in --multi --probe p.safetensors", "--multi and --probe cannot be combined: a probe says which one"),
        ("in --together --probe p.safetensors", "--together and --probe cannot be combined"),
        ("--probe p.safetensors", "No images are given"),
        ("in --probe p.safetensors", "linear head 'p.safetensors' cannot be read"),
        ("in --probe in/red-1.png", "'in/red-1.png' cannot be used as a linear head"),
        ("--sort-into out --probe p.safetensors --undo", "--undo takes only --sort-into DIR"),
        ("in --classes red --classes-file f.txt", "--classes and --classes-file cannot be combined"),
        ("in --classes-file missing.txt", "'missing.txt' cannot be read"),
        ("in --classes red --templates imagenet80", "Did you mean: imagenet-80"),
        ("in --classes red --templates photo{}s{", None),
        ("nowhere --classes red", "'nowhere' does not exist"),
        ("in --classes red --move", "--move needs a destination; add --sort-into DIR"),
        ("in --classes red --sort-into in/sorted", "which is being sorted"),
        ("in --classes red --no-none", "'red' is the only class"),
        ("in --classes red,blue", "read as one class.*for 2 classes: --classes red blue"),
        ("in --classes red blue --csv --json", "--json and --csv cannot be combined"),
        ("in --classes red blue --multi --together", "--multi and --together cannot be combined"),
        ("in --classes red blue --multi --sort-into out --move", "it can move into one folder only; use --copy"),
        ("in --classes red blue --html sheet.png", "its name must end in .html"),
        ("in --classes red blue --html gone/s.html", "the folder 'gone' does not exist"),
        ("in --classes red blue -0", 'add "-" or --from-file'),
        ("--from-file gone.txt --classes red blue", "The list 'gone.txt' cannot be read"),
        ("in --classes red blue --sidecars", "add --sort-into DIR --move"),
        ("in --classes red blue --undo", "--undo needs the folder that was sorted into; add --sort-into DIR"),
        ("in --sort-into out --undo", "--undo takes only --sort-into DIR"),
    ],
)
def test_mistakes_are_named_before_any_model_is_loaded(run, monkeypatch, line, message):
    if message is None:
        assert run(line).exit_code == 0
        return
    monkeypatch.setattr("wordsight.model.load", lambda *args, **options: pytest.fail("a model was loaded"))
    result = run(line)
    assert isinstance(result.exception, InputError)  # which `main` turns into one line and exit status 2
    with pytest.raises(InputError, match=message):
        raise result.exception


def test_a_comma_in_a_class_among_others_is_told(run):
    result = run("in --classes red,blue green")
    assert result.exit_code == 0
    assert "'red,blue' is read as one class with a comma in its name" in result.stderr


def test_an_option_without_value_is_a_usage_error(run):
    assert run("in --classes").exit_code == 2


def test_images_are_sorted_into_folders(run, tmp_path):
    result = run("in --classes red blue --none --sort-into out --move")
    assert result.exit_code == 0, result.output
    found = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.png"))
    assert found == ["blue/blue-1.png", "none/green-1.png", "red/red-1.png"]
    assert not list((tmp_path / "in").rglob("*.png"))
    assert len((tmp_path / "out" / "wordsight-sort.csv").read_text().splitlines()) == 4
    assert result.stderr.endswith("wordsight: to undo: wordsight classify --sort-into out --undo\n")


def test_a_move_is_undone(run, tmp_path):
    before = sorted((tmp_path / "in").rglob("*"))
    run("in --classes red blue --sort-into out --move")
    result = run("--sort-into out --undo")
    assert result.exit_code == 0, result.output
    assert result.stdout == "3 files moved back, 0 copies and links removed.\n"
    assert sorted((tmp_path / "in").rglob("*")) == before
    assert not (tmp_path / "out").exists()


def test_undoing_leaves_a_folder_that_holds_other_files(run, tmp_path):
    run("in --classes red blue --sort-into out --move")
    (tmp_path / "out" / "notes.txt").touch()
    run("--sort-into out --undo")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_moving_leaves_no_link_that_leads_nowhere_and_tells_of_sidecars(run, tmp_path):
    (tmp_path / "in" / "sub" / "best.png").symlink_to("../red-1.png")
    (tmp_path / "in" / "a-first.png").symlink_to("sub/best.png")
    (tmp_path / "in" / "red-1.xmp").write_text("edits")
    result = run("in --classes red blue --sort-into out --move")
    assert result.exit_code == 0, result.output
    assert "1 files that belong to moved images stay where they were" in result.stderr
    links = [path for path in (tmp_path / "out").rglob("*") if path.is_symlink()]
    assert len(links) == 2
    assert all(path.exists() for path in links)
    run("--sort-into out --undo")
    assert (tmp_path / "in" / "a-first.png").resolve() == tmp_path / "in" / "red-1.png"
    run("in --classes red blue --sort-into out --move --sidecars")
    assert (tmp_path / "out" / "red" / "red-1.xmp").read_text() == "edits"


def test_a_class_named_none_keeps_a_folder_of_its_own(run, tmp_path):
    run("in --classes red none --none --sort-into out --link")
    assert {p.name for p in (tmp_path / "out").iterdir() if p.is_dir()} <= {"red", "none", "none-2"}
    assert (tmp_path / "out" / "red" / "red-1.png").is_symlink()


def test_odd_file_names_are_printed_on_one_line(run, tmp_path):
    write_images(tmp_path / "odd", ["red-\n1.png"])
    result = run("odd --classes red blue --top 1")
    assert result.stdout.splitlines() == [result.stdout.rstrip("\n")]


def test_an_image_that_cannot_be_placed_is_skipped(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "red").write_text("a file where the folder should be")
    result = run("in --classes red blue green --sort-into out --json")
    assert result.exit_code == 1
    assert "could not be put into the folder of 'red'" in result.stderr
    assert sum("skipped" in json.loads(line) for line in result.stdout.splitlines()) == 1


@pytest.mark.filterwarnings("default")
def test_a_warning_is_one_plain_line(run, monkeypatch):
    def embed(self, texts):
        warnings.warn("The text is too long.", UserWarning, stacklevel=2)
        return kept(self, texts)

    kept = ColourModel.embed_texts
    monkeypatch.setattr(ColourModel, "embed_texts", embed)
    assert "wordsight: The text is too long.\n" in run("in --classes red blue").stderr
