"""`wordsight search` as a person and a script see it, with a model that knows colours."""

import http.server
import io
import json
import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest
from click.testing import CliRunner
from colour_model import ColourModel, image
from memory_index import MemoryIndex, index_info

from wordsight.cli import group
from wordsight.cli._search import cells, output
from wordsight.cli._search.query import join_words, read_terms, title
from wordsight.cli._search.table import table
from wordsight.cli.search import command
from wordsight.errors import ImageError, InputError, StoreError
from wordsight.index import Row
from wordsight.output.text_width import text_width
from wordsight.search.hits import Hit
from wordsight.zeroshot.linear_head import LinearHead

COLOURS = ("red", "green", "blue")


def jpeg(image):
    file = io.BytesIO()
    image.save(file, "JPEG")
    return file.getvalue()


def row(model, path, image, **more):
    return Row(more.pop("id", str(path)), "s", str(path), more.pop("content_hash", str(path)),
               model.embed_images([image])[0], width=image.width, height=image.height, **more)  # fmt: skip


@pytest.fixture
def shop(tmp_path):
    """Eighteen shirts of three colours with sizes and prices, and a page of a document."""
    model, index = ColourModel(), MemoryIndex(index_info(256, "colour", "colour"))
    rows = []
    for number in range(18):
        colour = COLOURS[number % 3]
        path = tmp_path / "shop" / f"{colour}-{number}.png"
        path.parent.mkdir(exist_ok=True)
        shirt = image(colour, (8 + number, 8))
        shirt.save(path)
        rows.append(row(model, path, shirt, meta={"price": 10 * number, "title": f"shirt {number}"}, text="shirt"))
    page = image("red", (20, 30))
    (tmp_path / "plan.pdf").touch()
    rows.append(row(model, tmp_path / "plan.pdf", page, id="plan.pdf#page=3", page=3, thumbnail=jpeg(page)))
    index.add(rows)
    return index


@pytest.fixture
def run(shop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WORDSIGHT_INDEX", str(tmp_path / "mine"))
    monkeypatch.setattr("wordsight.gallery.load", lambda *args, **options: ColourModel())
    monkeypatch.setattr("wordsight.gallery.open_index", lambda location: shop)
    # the weights suit real models: of this one, what is above unrelated pairs is likely
    monkeypatch.setattr("wordsight.search.relevance.TEXT_WEIGHTS", (-4.5, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0))

    def run(*arguments, **options):
        return CliRunner().invoke(group, ["search", *arguments], catch_exceptions=True, **options)

    return run


def test_a_table_best_first_with_the_columns_that_images_came_with(run):
    result = run("red", "--by", "vector", "-k", "7")
    assert result.exit_code == 0, result.output
    head, *lines = result.stdout.splitlines()
    assert head.split() == ["path", "page", "title", "price"]
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4", "5", "6", "7"]
    assert all(re.search(r"\d+%  (shop/red-\d+\.png|plan\.pdf)", line) for line in lines)
    probabilities = [int(re.search(r"(\d+)%", line)[1]) for line in lines]
    assert probabilities == sorted(probabilities, reverse=True)
    assert result.stderr == "wordsight: 7 of 7 likely matches.\n"


def test_a_line_stands_where_results_are_no_longer_likely(run):
    """Seven are red; of the others the nearest are shown all the same, below a line, unless --likely is given."""
    lines = run("red", "--by", "vector", "-k", "9").stdout.splitlines()
    assert [i for i, line in enumerate(lines) if "── probably not ──" in line] == [8]
    assert len(run("red", "--by", "vector", "-k", "9", "--likely", "-f").stdout.splitlines()) == 7
    told = [
        json.loads(line)["likely"] for line in run("red", "--by", "vector", "-k", "9", "--json").stdout.splitlines()
    ]
    assert told == [True] * 7 + [False] * 2


def test_how_many_likely_ones_there_are_is_said_and_where_the_others_stand(run):
    assert "3 of 7 likely matches; --page 2 shows more." in run("red", "--by", "vector", "-k", "3").stderr
    assert run("red", "--by", "vector", "-k", "3", "--page", "3").stderr.count("--page") == 0


def test_columns_are_shown_as_they_are_asked_for(run):
    head = run("red", "--by", "vector", "--show", "price").stdout.splitlines()[0]
    assert head.split() == ["path", "page", "price"]
    assert "No result has a column 'prise'" in str(run("red", "--show", "prise").exception)


def test_near_copies_are_one_result_unless_each_is_wanted(run, shop):
    again = next(iter(shop.rows.values()))
    shop.add([Row("again.png", "s", "again.png", again.content_hash, again.vector)])
    assert "(+1 copy)" in run("red", "--by", "vector").stdout
    assert "(+1 copy)" not in run("red", "--by", "vector", "--copies").stdout


def test_a_file_that_is_gone_is_marked_and_left_out_of_plain_paths(run, tmp_path):
    (tmp_path / "shop" / "red-0.png").unlink()
    assert "red-0.png (file is gone)" in run("red", "--by", "vector").stdout
    plain = run("red", "--by", "vector", "-f")
    assert "red-0.png" not in plain.stdout
    assert re.search(r"1 left out, whose files are gone: \S+red-0\.png", plain.stderr)


def test_json_is_one_object_a_result(run, tmp_path):
    rows = [json.loads(line) for line in run("red", "--by", "vector", "--json").stdout.splitlines()]
    assert [one["rank"] for one in rows] == list(range(1, len(rows) + 1))
    page = next(one for one in rows if one["page"])
    assert page["path"] == str(tmp_path / "plan.pdf")
    assert page["id"] == "plan.pdf#page=3"
    first = next(one for one in rows if not one["page"])
    assert set(first["meta"]) == {"price", "title"}
    assert {"probability", "score", "bm25", "width", "height", "taken"} < set(first)


def test_plain_paths_are_for_pipes_each_file_once(run, shop, tmp_path):
    shop.add([row(ColourModel(), tmp_path / "plan.pdf", image("red"), id="plan.pdf#page=4", page=4)])
    paths = run("red", "--by", "vector", "--copies", "-k", "8", "-f").stdout.splitlines()
    assert len(paths) == 7
    assert set(paths) == {str(tmp_path / "plan.pdf"), *(str(tmp_path / f"shop/red-{n}.png") for n in range(0, 18, 3))}
    with_nul = run("red", "--by", "vector", "--copies", "-k", "8", "-f", "-0").stdout_bytes
    assert with_nul.decode().split("\0") == [*paths, ""]


@pytest.mark.skipif(os.name != "posix", reason="names that are not valid UTF-8 are POSIX's")
def test_a_name_of_odd_bytes_is_printed_byte_for_byte_for_pipes_and_escaped_for_people(run, shop, tmp_path):
    from wordsight.path_text import to_text

    odd = os.fsdecode(b"\xff\n.png")
    image("red").save(tmp_path / odd)
    shop.add([row(ColourModel(), to_text(os.path.join(tmp_path, odd)), image("red"))])
    assert os.fsencode(tmp_path) + b"/\xff\n.png\0" in run("red", "--by", "vector", "--copies", "-f", "-0").stdout_bytes
    assert r"\xff\n.png" in run("red", "--by", "vector", "--copies").stdout


def test_that_nothing_is_likely_is_an_answer_and_the_nearest_are_shown(run):
    result = run("purple", "elephants", "--by", "vector", "-k", "4")
    assert result.exit_code == 1
    assert result.stderr == "wordsight: no likely match for 'purple elephants'; showing the nearest.\n"
    _, line, *lines = result.stdout.splitlines()
    assert "── probably not ──" in line
    assert len(lines) == 4
    left = run("purple", "elephants", "--by", "vector", "--likely")
    assert (left.exit_code, left.stdout) == (1, "")
    assert "no likely match for 'purple elephants'." in left.stderr


def test_an_empty_index_is_named_and_how_to_fill_it(run, shop):
    shop.remove(list(shop.rows))
    result = run("red", "--in", "my shop")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is empty; add images with: wordsight index FOLDER --in 'my shop'" in result.stderr


def test_a_condition_that_no_image_satisfies_is_named(run):
    result = run("red", "--where", "price > 1000")
    assert result.exit_code == 1
    assert "no image satisfies the condition price > 1000 (text is case-sensitive)." in result.stderr


def test_a_value_close_to_one_that_no_image_has_is_suggested(run):
    for page in ("1", "2"):
        result = run("red", "--where", "title = 'Shirt 3'", "--page", page)
        assert result.exit_code == 1
        assert result.stderr == (
            "wordsight: no image satisfies the condition title = 'Shirt 3' (text is case-sensitive). "
            "No row seen has title = 'Shirt 3'. Did you mean: shirt 3, shirt 13, shirt 9?\n"
        )


def test_a_condition_chooses_among_images(run):
    result = run("red", "--where", "price < 100 and width < 14", "--by", "vector", "-k", "2", "--json")
    assert {json.loads(line)["meta"]["price"] for line in result.stdout.splitlines()} == {0, 30}


def test_pages_of_results_follow_each_other(run):
    everything = run("red", "--by", "vector", "-k", "6", "-f").stdout.splitlines()
    three = "red", "--by", "vector", "-k", "3"
    pages = [run(*three, "--page", number, "-f").stdout.splitlines() for number in ("1", "2")]
    assert pages[0] + pages[1] == everything
    second = run(*three, "--page", "2").stdout.splitlines()
    assert second[1].split()[0] == "4", second
    beyond = run("red", "--page", "40")
    assert beyond.exit_code == 1
    assert "no results on page 40; try an earlier page or a larger -k" in beyond.stderr


def test_a_image_is_searched_by_and_combined_join_words(run, tmp_path):
    image("blue").save(tmp_path / "query.png")
    paths = run("--image", "query.png", "-k", "3", "-f").stdout.splitlines()
    assert paths
    assert all("blue" in path for path in paths)
    mixed = run("red", "--image", "query.png", "--not", "green", "-k", "9", "-f").stdout.splitlines()
    assert {re.search(r"red|blue|green|plan", path)[0] for path in mixed} <= {"red", "blue", "plan"}


@pytest.fixture
def server(tmp_path):
    """A web server of a folder with one image."""
    folder = tmp_path / "web"
    folder.mkdir()
    image("green").save(folder / "green.png")
    (folder / "text.png").write_text("no image")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=folder)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_image_may_be_given_by_its_url(run, server):
    paths = run("--image", f"{server}/green.png", "-k", "3", "-f").stdout.splitlines()
    assert paths
    assert all("green" in path for path in paths)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone.png", r"http://\S+/gone.png: the URL answers 404"),
        ("text.png", r"http://\S+/text.png: \d+ bytes: is not an image that"),
    ],
)
def test_a_url_without_an_image_says_so(run, server, name, reason):
    error = run("--image", f"{server}/{name}").exception
    assert isinstance(error, ImageError)
    assert re.search(reason, str(error))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "The query is empty; give some words"),
        (["--weight", "2", "red"], "--weight 2 does not follow a term of the query"),
        (["red", "--weight", "2", "--weight", "3"], "--weight 3 does not follow a term of the query"),
        (["red", "--weight", "-1"], "--weight is -1, expected more than 0; to exclude something, use --not"),
        (["red", "-f", "--json"], "-f and --json cannot be combined"),
        (["red", "-0"], "-0 ends plain paths with NUL; add -f"),
        (["--not", "red"], "negative parts only"),
        (["--image", "gone.png"], "gone.png: no such file"),
    ],
)
def test_what_cannot_be_asked_is_refused(run, arguments, message):
    error = run(*arguments).exception
    assert isinstance(error, InputError | ImageError)
    assert message in str(error)


def test_where_there_is_no_index_the_command_that_makes_one_is_named(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.setenv("WORDSIGHT_INDEX", str(tmp_path / "none"))
    error = CliRunner().invoke(group, ["search", "red"]).exception
    assert isinstance(error, StoreError)
    assert "wordsight index" in str(error)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (["red", "winter", "coat"], [("text", "red winter coat", 1.0)]),
        (["red coat", "--weight", "2", "--image", "a.jpg"], [("text", "red coat", 2.0), ("image", "a.jpg", 1.0)]),
        (["--image=a.jpg", "--weight=0.5", "coat", "-k", "5", "--not", "fur", "--weight", "3"],
         [("image", "a.jpg", 0.5), ("text", "coat", 1.0), ("text", "fur", -3.0)]),
        (["--image", "a.jpg", "coat", "--weight", "2"], [("image", "a.jpg", 1.0), ("text", "coat", 2.0)]),
        (["one", "--not-image", "b.png", "two", "three"],
         [("text", "one", 1.0), ("image", "b.png", -0.5), ("text", "two three", 1.0)]),
        (["--likely", "--", "--not", "x"], [("text", "--not x", 1.0)]),
        (["-k5", "-f", "a", "-"], [("text", "a -", 1.0)]),
        (["-fk", "5", "a", "-f0"], [("text", "a", 1.0)]),
    ],
)  # fmt: skip
def test_weights_belong_to_the_part_before_them(given, asked):
    with command.make_context("search", list(given)) as context:
        order = context.meta["wordsight.search.order"]
        assert read_terms(order, {name: context.params[name] for name in set(order)}) == asked


def test_words_become_values_of_one_option():
    assert join_words(["a", "b", "--image", "c", "-k", "3", "d"], command.params) == [
        "--words=a b", "--image", "c", "-k", "3", "--words=d"]  # fmt: skip
    assert join_words(["--image"], command.params) == ["--image"]


def test_the_query_is_told_in_one_line():
    asked = [("text", "coat", 1.0), ("image", "/a/pool.jpg", 0.5), ("text", "fruit", -1.0)]
    assert title(asked) == "coat + 0.5 × pool.jpg − fruit"
    assert title([("image", "http://host/x/", 1.0)]) == "http://host/x/"


def test_the_contact_sheet_shows_query_results_and_links(run, tmp_path):
    image("red").save(tmp_path / "query.png")
    result = run("--image", "query.png", "<b>red</b>", "--by", "vector", "--html", "found.html")
    assert result.exit_code in (0, 1), result.output
    assert "contact sheet written to found.html" in result.stderr
    page = (tmp_path / "found.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;red&lt;/b&gt;" in page
    assert "<b>" not in page
    assert (tmp_path / "shop" / "red-0.png").as_uri() in page
    assert (tmp_path / "plan.pdf").as_uri() + "#page=3" in page
    assert 'alt="query"' in page
    assert "price: 0" in page
    assert "of 19 images in" in page


def test_thumbnails_stand_beside_the_lines_where_they_are_asked_for(run, shop, tmp_path, monkeypatch):
    monkeypatch.delenv("WORDSIGHT_THUMBNAILS", raising=False)
    monkeypatch.setenv("TERM", "dumb")
    (tmp_path / "shop" / "red-0.png").unlink()
    text = run("red", "--by", "vector", "--thumbnails").stdout
    assert "38;2;255;0;0" in text
    assert "page 3" in text
    assert "price: 60" in text
    assert "red-0.png" in text  # its lines are shown without it
    assert "38;2;" not in run("red", "--by", "vector").stdout
    monkeypatch.setenv("WORDSIGHT_THUMBNAILS", "kitty")
    assert "\x1b_Ga=T" in run("red", "--by", "vector", "--thumbnails").stdout


def test_the_best_result_is_opened_in_its_viewer(run, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(output.subprocess, "Popen", lambda line, **_: opened.append(line[1]))
    monkeypatch.setattr(output.sys, "platform", "linux")
    run("green", "--by", "vector", "--open", "-f")
    assert re.search(r"green-\d+\.png", opened[0])
    run("green", "--by", "vector", "--open", "--html", "g.html")
    assert opened[1] == "g.html"
    assert run("green", "--where", "price > 1000", "--open").exit_code == 1
    assert len(opened) == 2


def test_a_missing_viewer_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(output.sys, "platform", "linux")
    with pytest.raises(InputError, match="cannot be opened: the program 'xdg-open' is missing"):
        output.open_in_viewer(tmp_path / "a.png")


def test_a_file_named_like_an_option_is_opened_as_a_file(monkeypatch):
    opened = []
    monkeypatch.setattr(output.sys, "platform", "linux")
    monkeypatch.setattr(output.subprocess, "Popen", lambda command, **_: opened.append(command))
    output.open_in_viewer("--evil-flag=1")
    assert opened == [["xdg-open", "./--evil-flag=1"]]


def hit(path, proba=0.5, **meta):
    made = Row("i", "s", path, "d", ColourModel().embed_texts(["x"])[0], meta=meta)
    return Hit("i", made.path, 0.3, proba, made)


@pytest.mark.parametrize("width", [30, 60, 80, 200])
def test_lines_fit_the_terminal_and_paths_lose_their_middle(width):
    long = "/home/someone/photos/" + "x" * 100 + "/日本語の写真.jpg"
    hits = [hit(long, 0.97, title="a" * 60, note="n", price=1.5), hit("/b.jpg", 0.03, title="b")]
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in table(hits, 1, width=width)]
    assert all(text_width(line) <= width for line in lines)
    first = next(line for line in lines if line.lstrip().startswith("1 "))
    assert "…" in first
    assert "写真.jpg" in first or width < 60
    assert "b" in lines[-1]
    assert "/b.jpg (file is gone)" in lines[-1] or width < 60
    assert any("probably not" in line for line in lines)


def test_a_pipe_gets_whole_paths():
    long = "/" + "x" * 300 + ".jpg"
    assert long in table([hit(long)], 1, width=None)[0]


def test_control_characters_of_columns_do_not_reach_the_terminal():
    (_, line) = table([hit("/a.jpg", title="red\x1b[2Jcoat")], 1, width=80)
    assert "\x1b[2J" not in line


@pytest.mark.parametrize(("proba", "bar"), [(0, "      "), (1, "██████"), (0.5, "███   "), (0.52, "███▏  ")])
def test_bars_have_eighths(proba, bar):
    assert cells.probability_bar(proba) == bar


def test_a_search_loads_nothing_heavy_that_it_does_not_need():
    code = (
        "import sys, wordsight.cli.search, wordsight.cli._search.thumbnails, wordsight.cli._search.output, "
        "wordsight.cli._search.summary, wordsight.gallery, wordsight.search.query, "
        "wordsight.output.terminal_images; print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"rich", "lance", "pandas", "qdrant_client", "pinecone", "pypdfium2", "rawpy", "datasets", "ray", "torch"}
    assert not heavy & {name.partition(".")[0] for name in loaded}


def test_addresses_and_odd_column_names_are_printed_as_they_can_be_used(run, shop):
    """An address keeps its two slashes; a column's name cannot steer the terminal."""
    red = image("red", (9, 9))
    shop.add([row(ColourModel(), "http://shop.example/a.jpg", red, meta={"pr\x1b[31mice": 7})])
    where = ("red", "--by", "vector", "-k", "30")
    assert "http://shop.example/a.jpg" in run(*where, "-f").stdout.splitlines()
    paths = [json.loads(line)["path"] for line in run(*where, "--json").stdout.splitlines()]
    assert "http://shop.example/a.jpg" in paths
    table = run(*where).stdout
    assert "http://shop.example/a.jpg" in table
    assert "\x1b" not in table


def test_a_page_of_a_document_may_be_the_example(run, tmp_path):
    """Page 2 is blue: the nearest images are."""
    pages = [image(colour, (40, 60)) for colour in ("white", "blue")]
    pages[0].save(tmp_path / "plan.pdf", save_all=True, append_images=pages[1:])
    result = run("--image", "plan.pdf#page=2", "-k", "1", "-f")
    assert re.search(r"blue-\d+\.png", result.stdout), result.output
    for name, reason in (("plan.pdf#page=9", "plan.pdf#page=9: "), ("gone.pdf", "gone.pdf: ")):
        error = run("--image", name).exception
        assert isinstance(error, ImageError)
        assert str(error).startswith(reason)


def test_words_that_name_a_file_are_pointed_out(run, tmp_path):
    (tmp_path / "red").write_bytes(b"")
    assert "'red' is searched as words; to search by the image of that name, use --image" in run("red").stderr


def test_a_contact_sheet_replaces_no_image(run, tmp_path):
    error = run("red", "--html", "shop/red-0.png").exception
    assert isinstance(error, InputError)
    assert "--html is 'shop/red-0.png'" in str(error)


def test_the_folder_of_a_contact_sheet_is_checked_before_the_search(run, monkeypatch):
    monkeypatch.setattr("wordsight.gallery.Gallery.open", lambda *args, **options: pytest.fail("an index was opened"))
    with pytest.raises(InputError, match=r"'/nonexistent/x\.html', but the folder '/nonexistent' does not exist"):
        raise run("red", "--html", "/nonexistent/x.html").exception


def test_what_only_words_speak_for_has_a_percentage_too(run):
    line = run("shirt", "4", "--by", "text", "-k", "1").stdout.splitlines()[-1]
    assert re.search(r"\d+%  \S+\.png", line)


@pytest.fixture
def probe(tmp_path):
    """File of a head that tells warm images from cold ones by how red and how blue they are."""
    coefficient = np.zeros((2, 256))
    coefficient[0, 0] = coefficient[1, 2] = 20
    path = tmp_path / "probe.safetensors"
    LinearHead("probe", ("warm", "cold"), coefficient, [0, 1], "colour").save(path)
    return str(path)


def test_a_class_of_a_probe_ranks_by_its_probability(run, probe, tmp_path):
    result = run("--probe", probe, "--class", "cold", "--json", "-k", "6", "--html", str(tmp_path / "found.html"))
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert {os.path.basename(row["path"]).split("-")[0] for row in rows} == {"blue"}
    head = LinearHead.load(probe)
    expected = head.proba_of_embeddings(ColourModel().embed_images([rows[0]["path"]]))[0, 1]
    assert rows[0]["probability"] == pytest.approx(expected, abs=1e-5)
    assert "class cold" in (tmp_path / "found.html").read_text(encoding="utf-8")


def test_a_class_of_a_probe_goes_with_other_terms_and_their_weights(run, probe):
    result = run("--probe", probe, "--class", "warm", "--weight", "30", "green", "--json", "-k", "6")
    assert os.path.basename(json.loads(result.stdout.splitlines()[0])["path"]).startswith(
        ("red", "plan")
    )  # the plan is red
    result = run("--probe", probe, "--class", "warm", "--weight", "0.1", "green", "--json", "-k", "6")
    assert os.path.basename(json.loads(result.stdout.splitlines()[0])["path"]).startswith("green")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--class", "warm"], "--class names a class of a probe; add --probe FILE"),
        (["red", "--probe", "PROBE"], "--probe needs the class to look for; add --class NAME, one of: warm, cold"),
        (["--probe", "PROBE"], "query is empty.*or --probe FILE --class NAME"),
        (["--probe", "PROBE", "--class", "wam"], "class is 'wam', expected one of warm, cold.* Did you mean: warm"),
        (["--probe", "PROBE", "--class", "warm", "--whiten"], "whiten=True does not go with a class of a linear head"),
        (["red", "--probe", "PROBE", "--class", "warm", "--by", "text"], "by='text' does not go with a class"),
        (["--probe", "nowhere", "--class", "warm"], "linear head 'nowhere' cannot be read"),
    ],
)
def test_mistakes_about_probes_are_named(run, probe, arguments, message):
    with pytest.raises(InputError, match=message):
        raise run(*[probe if argument == "PROBE" else argument for argument in arguments]).exception


def test_a_probe_of_another_model_is_refused(run, probe, shop):
    LinearHead("probe", ("warm", "cold"), np.eye(2, 256), [0, 1], "another").save(probe)
    with pytest.raises(InputError, match=r"embeddings of another model \(another\), not of the index's model colour"):
        raise run("--probe", probe, "--class", "warm").exception
