"""Tables become items: which column holds the images, what kinds the others are, and what is said of bad rows."""

import base64
import json
import os
import pickle
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from items import items_of
from PIL import Image

from wordsight.columns import Kinds, make_meta
from wordsight.errors import InputError, MissingExtraError
from wordsight.images.decode import read_image
from wordsight.images.skipped import Skipped
from wordsight.ingest import IngestOptions, Item, Unlisted, table_files
from wordsight.ingest.scan import scan

DATA = Path(os.environ.get("WORDSIGHT_DATA", "../shared/data"))


@pytest.fixture
def shop(tmp_path):
    """A folder with three images, a and b beside the tables, c in images/."""
    (tmp_path / "images").mkdir()
    for name, colour in [("a.png", "red"), ("b.png", "lime"), ("images/c.png", "blue")]:
        Image.new("RGB", (4, 4), colour).save(tmp_path / name)
    return tmp_path


def write(path, text, encoding="utf-8"):
    path.write_text(text, encoding=encoding, newline="")
    return path


def metas(items):
    return [dict(item.meta) for item in items]


CSV = """image,title,price,stock,sale,code,since
a.png,"Red coat, winter",49.90,3,true,00123,2020-01-31
b.png,"A ""green"" shirt
in two lines",5,,False,00007,2021-02-03
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(("ending", "delimiter"), [("csv", ","), ("csv", ";"), ("CSV", "\t"), ("tsv", "\t")])
def test_each_row_of_a_csv_is_an_item_with_typed_columns(shop, encoding, ending, delimiter):
    text = CSV.replace(",", delimiter).replace(f"coat{delimiter}", "coat,")
    table = write(shop / f"products.{ending}", text, encoding)
    red, green = items_of(table)
    assert red.id == f"{table}#a.png"
    assert red.path == str(shop / "a.png")
    assert red.source == str(table)
    assert red.size == (shop / "a.png").stat().st_size
    assert read_image(red.read().image()).getpixel((0, 0)) == (255, 0, 0)
    assert dict(red.meta) == {
        "title": "Red coat, winter", "price": 49.9, "stock": 3, "sale": True, "code": "00123", "since": "2020-01-31",
    }  # fmt: skip
    assert dict(green.meta) == {  # 5 is a number as 49.90 is; an empty cell is left out
        "title": 'A "green" shirt\nin two lines', "price": 5.0, "sale": False, "code": "00007", "since": "2021-02-03",
    }  # fmt: skip
    assert isinstance(green.meta["price"], float)
    assert red.text == "Red coat, winter\n00123\n2020-01-31\na"


def test_text_columns_can_be_chosen(shop):
    table = write(shop / "t.csv", CSV)
    assert items_of(table, text_columns=("title", "price"))[0].text == "Red coat, winter\n49.9\na"
    with pytest.raises(
        InputError, match=r"has no column 'titel'; its columns are image, title, .* Did you mean: title"
    ):
        scan(table, IngestOptions(text_columns=("titel",)))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("id,file_name\n1,a.png\n", "a.png"),
        ("Image,url\na.png,https://example.org/b.png\n", "a.png"),
        ("url,note\nb.png,nothing\n", "b.png"),
        ("note,odd\nb,a.png\n", "a.png"),  # an unusual name: found by what the cells name
        ("image,file\ngone.png,a.png\n", "a.png"),
        ("filename\nc.png\n", "images/c.png"),
        ("id,title\nc,Blue\n", "images/c.png"),
        ("a.png\tRed\nb.png\tGreen\n", "a.png"),  # captions without a header
    ],
)
def test_the_column_of_images_is_found(shop, text, path):
    (first, *_) = items_of(write(shop / f"t.{'tsv' if chr(9) in text else 'csv'}", text))
    assert first.path == str(shop / path)


def test_a_pattern_over_columns_names_images(shop):
    table = write(shop / "t.csv", "id,kind\nc,png\n,png\n")
    item, skip = items_of(table, image_column="images/{id}.{kind}")
    assert (item.path, item.id) == (str(shop / "images/c.png"), f"{table}#images/c.png")
    assert skip == Skipped("t.csv row 2", "names no image")


@pytest.mark.parametrize("name", ["photo.id", "0", "a[0]", "id!", "a:b", "{id}"])
def test_columns_may_have_any_name(shop, name):
    table = write(shop / "t.csv", f"{name},title\nc,Blue\n")
    if name != "{id}":  # braces in names are no patterns
        assert [item.path for item in items_of(table)] == [str(shop / "images/c.png")]
    table = write(shop / "t.csv", f"{name},title\na.png,Red\n")
    assert [item.path for item in items_of(table)] == [str(shop / "a.png")]


def test_a_cell_may_be_long(shop):
    table = write(shop / "t.csv", f"image,title\na.png,{'y' * 200_000}\n")
    assert len(items_of(table)[0].meta["title"]) == 200_000


def test_damage_that_is_met_while_the_column_is_looked_for_is_told(shop):
    text = "image,title\n" + "a.png,\n" * 990  # looks on for a title
    (shop / "t.csv").write_bytes(text.encode() + b"a.png," + b"x" * 9000 + b"caf\xe9\n")
    with pytest.raises(InputError, match=r"t.csv' cannot be read: it is not UTF-8 text"):
        scan(shop / "t.csv")
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    parquet.write_table(pyarrow.table({"image": [f"{n}.png" for n in range(2000)]}), shop / "t.parquet")
    content = bytearray((shop / "t.parquet").read_bytes())
    content[4:200] = bytes(byte ^ 0x5A for byte in content[4:200])
    (shop / "t.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"t.parquet' cannot be read: .*[^.]\.$"):
        scan(shop / "t.parquet")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("imagee", r"has no column 'imagee'; its columns are image, title, .* Did you mean: image\?"),
        ("images/{idd}.jpg", r"has no column 'idd'; its columns are image"),
        ("images/{code:05d}.jpg", r"has no column 'code:05d'; its columns are .* Did you mean: code\?"),
        ("images/{code.jpg", r"do not go in pairs; expected names of columns in braces, as in 'images/{id}.jpg'"),
    ],
)
def test_a_column_that_is_not_there_is_told_at_once(shop, column, message):
    with pytest.raises(InputError, match=message):
        scan(write(shop / "t.csv", CSV), IngestOptions(image_column=column))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "it is empty; expected a first line with the names of the columns"),
        ("t.csv", b"image,title\n", "has no rows; expected one for each image, below the column names"),
        ("t.csv", b"title,price\ncoat,3\n", r"No column of the table .* its columns are title, price. Name one with"),
        ("t.csv", b"image,caf\xe9\na.png,1\n", r"is not UTF-8 text \(byte 0xe9 at 9\); save it in UTF-8"),
        ("t.jsonl", b"[1]\n", "it holds no JSON object a line"),
        ("t.parquet", b"PAR1", "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_used_is_told_at_once(shop, name, content, message):
    (shop / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        scan(shop / name)


def test_rows_that_cannot_be_used_are_skipped_and_the_rest_is_read(shop):
    table = write(
        shop / "t.csv", "image,title\na.png,A\ngone.png,G\n,N\nb.png,B,too,many\n\nb.png,B\nc\0.png,Z\nb.png\n"
    )
    found = items_of(table)
    assert [found[0].path, found[4].path, found[6].path] == [
        str(shop / "a.png"),
        str(shop / "b.png"),
        str(shop / "b.png"),
    ]
    assert found[1] == Skipped(shop / "gone.png", "no such file, named in t.csv row 2")
    assert found[2] == Skipped("t.csv row 3", "names no image")
    assert found[3] == Skipped("t.csv row 4", "has 4 cells, expected 2; check its quotes")
    assert found[5].reason.startswith("embedded null byte, named in t.csv row 6")
    assert dict(found[6].meta) == {}


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ('a.png,A\nb.png,"open quote\nimages/c.png,C\n', ["A", '"open quote', "C"]),
        ('a.png,A\nb.png,"5 inches\nimages/c.png,"C, blue"\n', ["A", '"5 inches', "C, blue"]),
        ('a.png,A\nb.png,"open, with comma\nimages/c.png,"C"\n', ["A", '"open, with comma', "C"]),
        ('a.png,A\nb.png,B\nimages/c.png,"at the end\n', ["A", "B", '"at the end']),
        ('a.png,"two\nlines"\nb.png,"4"" disk"\nimages/c.png,3" disk\n', ["two\nlines", '4" disk', '3" disk']),
        ('a.png,"one\nb.png,"two\nimages/c.png,"three\n', ['"one', '"two', '"three']),
    ],
)
def test_a_quote_that_is_never_closed_swallows_no_row(shop, text, titles):
    found = items_of(write(shop / "t.csv", f"image,title\n{text}"))
    assert [item.meta["title"] for item in found] == titles
    assert [os.path.basename(item.path) for item in found] == ["a.png", "b.png", "c.png"]


def test_many_open_quotes_and_a_long_table_are_read_in_time(shop):
    rows = "".join(f'a.png,"size {number}"" x\n' for number in range(20_000))
    start = time.monotonic()
    assert len(list(table_files.open_table(str(write(shop / "t.csv", f"image,title\n{rows}"))).records())) == 20_000
    assert time.monotonic() - start < 20


def test_a_table_that_breaks_off_is_unlisted(shop):
    table = shop / "t.csv"
    table.write_bytes(b"image,title\n" + b"a.png,A\n" * 5000 + b"b.png,caf\xe9\n")
    (skip,) = items_of(table)
    assert isinstance(skip, Unlisted)
    assert skip.item == table
    assert "it is not UTF-8 text (byte 0xe9" in skip.reason


def data_uri(path: Path, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def test_a_image_may_be_given_as_a_data_uri(shop):
    """As exports of web shops and notebooks have them; nothing of its text is printed or searched."""
    blue = data_uri(shop / "images" / "c.png")
    svg = "data:image/svg+xml,%3Csvg%3E"
    table = write(
        shop / "t.csv",
        f'image,title,thumb\na.png,A,"{blue}"\n"{blue}",C,\n"data:image/png;base64,%%%",bad,\n"{svg}",S,\n',
    )
    red, held, bad, drawn = items_of(table)
    assert (red.text, dict(red.meta)) == ("A\na", {"title": "A"})
    assert (held.id, held.path, held.text, dict(held.meta)) == (f"{table}#row=2", str(table), "C", {"title": "C"})
    assert read_image(held.read().image()).getpixel((0, 0)) == (0, 0, 255)
    assert held.read().content_hash == items_of(shop / "images" / "c.png")[0].read().content_hash
    assert bad == Skipped("t.csv row 3", "holds a data: URI that cannot be decoded")
    assert drawn.read().image() == b"<svg>"
    words = write(shop / "words.csv", 'image,title\na.png,"data: a story, told"\n')
    assert items_of(words)[0].meta["title"] == "data: a story, told"
    only = write(shop / "only.csv", f'what,title\n"{blue}",C\n')
    assert [item.path for item in items_of(only)] == [str(only)]


def test_rows_of_the_same_image_have_ids_of_their_own_that_survive_reordering(shop):
    rows = ["a.png,first", "b.png,second", "a.png,third"]
    ids = [item.id for item in items_of(write(shop / "t.csv", "image,t\n" + "\n".join(rows)))]
    assert ids == [f"{shop}/t.csv#a.png", f"{shop}/t.csv#b.png", f"{shop}/t.csv#a.png#2"]
    turned = [item.id for item in items_of(write(shop / "t.csv", "image,t\n" + "\n".join(rows[::-1])))]
    assert sorted(turned) == sorted(ids)


def test_a_tables_unit_is_always_read_again(shop):
    """Its images are other files: an unchanged table says nothing of them."""
    (unit,) = scan(write(shop / "t.csv", CSV))
    assert not unit.unchanged_if_same_mtime
    assert len(list(unit.items())) == len(list(unit.items())) == 2


def test_json_lines(shop):
    lines = [
        {
            "image": "a.png",
            "title": "Red",
            "captions": ["a coat", "warm"],
            "size": 3,
            "tags": {"k": [1]},
            "code": "012",
        },
        {"image": "b.png", "size": 3.5, "title": None, "empty": [], "odd": "\ud800"},
        {"image": "b.png", "size": 4, "title": 7},
    ]
    table = shop / "t.jsonl"
    table.write_text("\n".join(map(json.dumps, lines)) + "\n{broken\n[1]\n", encoding="utf-8")
    red, green, third, broken, no_object = items_of(table)
    assert dict(red.meta) == {
        "title": "Red",
        "captions": "a coat\nwarm",
        "size": 3.0,
        "tags": '{"k": [1]}',
        "code": "012",
    }
    assert dict(green.meta) == {"size": 3.5, "odd": "\ufffd"}
    assert dict(third.meta) == {"size": 4.0, "title": "7"}
    assert red.text == 'Red\na coat\nwarm\n{"k": [1]}\n012\na'
    assert broken.reason.startswith("is not JSON (")
    assert no_object == Skipped("t.jsonl row 5", "is '[1]', expected an object of JSON")


def test_parquet_with_paths_and_every_kind_of_column(shop):
    import datetime
    import decimal

    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "path": ["a.png", "b.png"],
            "price": pa.array([decimal.Decimal("1.50"), None], pa.decimal128(5, 2)),
            "stock": pa.array([1, 2], pa.int8()),
            "new": [True, False],
            "day": [datetime.date(2020, 1, 2), None],
            "colour": pa.array(["red", "lime"]).dictionary_encode(),
            "tags": [["x", "y"], []],
        }
    )
    pq.write_table(table, shop / "t.parquet")
    red, green = items_of(shop / "t.parquet")
    assert dict(red.meta) == {
        "price": 1.5, "stock": 1, "new": True, "day": "2020-01-02", "colour": "red", "tags": "x\ny",
    }  # fmt: skip
    assert dict(green.meta) == {"stock": 2, "new": False, "colour": "lime"}
    assert green.text == "lime\nb"


def test_parquet_that_holds_the_images(shop):
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = [(shop / name).read_bytes() for name in ("a.png", "b.png")]
    structures = [{"bytes": content[0], "path": "x.png"}, {"bytes": content[1], "path": None}, None]
    pq.write_table(pa.table({"label": [1, 2, 3], "photo": structures}), shop / "t.parquet")
    first, second, empty = items_of(shop / "t.parquet")
    assert [first.id, second.id] == [f"{shop}/t.parquet#x.png", f"{shop}/t.parquet#row=2"]
    assert first.path == str(shop / "t.parquet")
    assert read_image(second.read().image()).getpixel((0, 0)) == (0, 255, 0)
    assert empty == Skipped("t.parquet row 3", "names no image")
    (unit,) = scan(shop / "t.parquet")
    assert unit.unchanged_if_same_mtime  # nothing but this file tells what it holds
    assert next(table_files.open_table(str(shop / "t.parquet")).records(["photo"])) == {"photo": {"path": "x.png"}}
    pq.write_table(pa.table({"label": [1, 2], "image": content}), shop / "t.parquet")
    assert [item.meta["label"] for item in items_of(shop / "t.parquet")] == [1, 2]


def test_a_tables_images_can_be_read_in_another_process(shop):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"image": [(shop / "a.png").read_bytes()]}), shop / "t.parquet")
    for table in (shop / "t.parquet", write(shop / "t.csv", CSV)):
        red = items_of(table)[0]
        assert pickle.loads(pickle.dumps(red.read))().content_hash == red.read().content_hash


def test_parquet_needs_pyarrow(shop, monkeypatch):
    (shop / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"Reading Parquet needs .* pip install 'wordsight\[search\]'"):
        scan(shop / "t.parquet")


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-2", ""], [1, -2, None]),
        (["1", "2.5", "1e-05", ".5", "3."], [1.0, 2.5, 1e-05, 0.5, 3.0]),
        (["1", "n/a", "NaN"], [1, None, None]),
        (["TRUE", "false"], [True, False]),
        (["true", "1"], ["true", "1"]),
        (["007", "12"], ["007", "12"]),
        (["12E4", "12E5"], ["12E4", "12E5"]),  # article numbers
        (["1234567890123456789"], ["1234567890123456789"]),
        (["2011-01-01", "2012-05-06"], ["2011-01-01", "2012-05-06"]),
        (["none", "NA"], ["none", "NA"]),
        (["+49 30 1", "3,50"], ["+49 30 1", "3,50"]),
        (["1e+999", "2.5"], [None, 2.5]),
        (["."], ["."]),
    ],
)
def test_the_kind_of_a_column_holds_for_all_its_cells(cells, expected):
    kinds = Kinds(cells=True)
    for cell in cells:
        kinds.see({"c": cell})
    kinds.settle()
    typed = [kinds.typed({"c": cell})["c"] for cell in cells]
    assert typed == expected
    assert [type(value) for value in typed] == [type(value) for value in expected]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a.png", "b.png", "gone.png", "", "a.png#2"]), st.text()), max_size=8))
def test_every_row_gives_one_item_or_one_reason_and_text_comes_back_as_it_was(tmp_path_factory, rows):
    import csv

    folder = tmp_path_factory.getbasetemp()
    for name in ("a.png", "b.png", "a.png#2"):
        (folder / name).touch()
    with open(folder / "t.csv", "w", newline="", encoding="utf-8", errors="replace") as file:
        csv.writer(file).writerows([["image", "words", "end"], *([image, words, "x"] for image, words in rows)])
    found = items_of(folder / "t.csv", image_column="image")
    assert len(found) == len(rows)
    items = [item for item in found if isinstance(item, Item)]
    assert len({item.id for item in items}) == len(items)
    kept = [
        words.encode("utf-8", "replace").decode() for image, words in rows if image in ("a.png", "b.png", "a.png#2")
    ]
    for item, words in zip(items, kept, strict=True):
        value = item.meta.get("words")
        assert not isinstance(value, str) or value == words


def test_columns_that_an_index_has_itself_get_another_name():
    assert make_meta({"width": 3, "_id": "x", "none": None, "price": 1, "table_width": 2}) == {
        "table_width_": 3, "table_id": "x", "price": 1, "table_width": 2,
    }  # fmt: skip


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the images of WORDSIGHT_DATA are not there ({DATA})")
def test_a_real_shops_table():
    """Its images are images/<id>.jpg; no column names them, and none needs to be named."""
    items = items_of(DATA / "fashion" / "products.csv")
    assert len(items) == 4851
    assert all(isinstance(item, Item) for item in items)
    first = items[0]
    assert first.meta["productDisplayName"] == "Nike Men AS T90 Black Tshirts"
    assert (first.meta["id"], first.meta["year"]) == (10006, 2011)
    assert first.text.startswith("Nike Men AS T90 Black Tshirts\nMen\nApparel")
    assert len({item.id for item in items}) == 4851
