"""Tables in memory, `gallery.add(df, image="path")`: DataFrames, Arrow tables, datasets and lists of dicts."""

import datetime
import decimal
import io
import pathlib

import numpy as np
import pytest
from indexing import colour, colour_model, write_images
from PIL import Image

from wordsight.errors import InputError
from wordsight.gallery import Gallery
from wordsight.ingest.frames import cell_value, read_records
from wordsight.ingest.options import IngestOptions

pytest.importorskip("lance")


@pytest.fixture
def gallery(tmp_path):
    with Gallery.create(tmp_path / "index", model=colour_model()) as gallery:
        yield gallery


@pytest.fixture
def rows(tmp_path):
    paths = write_images(tmp_path / "in", range(3))
    prices, titles = [1.5, 2.5, None], ["red coat", "blue shoe", "green hat"]
    return [{"path": str(p), "price": price, "title": t} for p, price, t in zip(paths, prices, titles, strict=True)]


class PolarsLike:
    """The methods of polars' DataFrame that are called."""

    def __init__(self, rows):
        self.rows, self.columns = rows, list(rows[0])

    def iter_rows(self, *, named):
        assert named
        return iter(self.rows)


def frames(rows):
    pandas, arrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    return {
        "pandas": pandas.DataFrame(rows),
        "pandas, odd index": pandas.DataFrame(rows, index=["x", "x", "y"]),
        "polars": PolarsLike(rows),
        "arrow": arrow.Table.from_pylist(rows),
        "dicts": rows,
        "reader": iter(rows),
    }


def test_every_kind_of_table_gives_the_same_rows(gallery, rows):
    for n, (kind, frame) in enumerate(frames(rows).items()):
        summary = gallery.add(frame, image="path")
        assert (summary.added, summary.unchanged) == ((3, 0) if n == 0 else (0, 3)), kind
    hits = gallery.search("shoe", by="text")
    assert hits[0].meta == {"price": 2.5, "title": "blue shoe"}
    assert hits[0].path == pathlib.Path(rows[1]["path"])
    assert len(gallery.search("hat", by="text", where="price is null")) == 1


def test_a_column_of_ids_names_the_rows(gallery, rows):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows).assign(sku=[7, 8, 9])
    gallery.add(frame, image="path", id="sku")
    assert sorted(version.id for version in gallery.index.row_versions()) == ["7", "8", "9"]
    assert gallery.add(frame.assign(price=5), image="path", id="sku").described == 3
    assert gallery.remove(["7", "8"]) == 2
    with pytest.raises(InputError, match="id '7' more than once"):
        gallery.add(frame.assign(sku=[7, 7, 9]), image="path", id="sku")
    with pytest.raises(InputError, match="'sku' of ids is empty in row 2"):
        gallery.add(frame.assign(sku=["7", None, "9"]), image="path", id="sku")


def test_rows_of_the_same_image_are_rows_of_their_own(gallery, rows):
    rows.append(rows[0] | {"title": "red coat, large"})
    for added in (4, 0):
        assert gallery.add(rows, image="path").altered == added
    ids = [version.id.rpartition("/")[2] for version in gallery.index.row_versions()]
    assert sorted(ids) == ["000.png", "000.png#2", "001.png", "002.png"]


def test_images_in_the_cells_are_taken_too(gallery):
    image = Image.new("RGB", (9, 9), colour(3))
    png = io.BytesIO()
    image.save(png, "PNG")
    cells = [image, np.asarray(image), png, png.getvalue(), {"bytes": png.getvalue(), "path": "a.png"}]
    summary = gallery.add([{"image": cell, "n": n, "again": cell} for n, cell in enumerate(cells)], image="image")
    assert not summary.skipped
    assert len(gallery) == 5
    assert [hit.meta for hit in gallery.search(image, where="n = 2")] == [{"n": 2}]


def test_a_dataset_of_the_hub_is_a_table(gallery, rows):
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_list(rows).cast_column("path", datasets.Image())
    assert gallery.add(data, image="path").added == 3
    assert gallery.search("coat", by="text")[0].meta["title"] == "red coat"


def test_rows_without_a_image_are_skipped_and_named(gallery, rows):
    pandas = pytest.importorskip("pandas")
    rows[1]["path"] = None
    rows += [{"path": " "}, {"path": "https://example.org/a.jpg"}, {"path": "missing.jpg"}]
    summary = gallery.add(pandas.DataFrame(rows), image="path")
    assert summary.added == 2
    told = sorted(skip.reason for skip in summary.skipped)
    assert told[:2] == ["is a URL; to fetch such images add options=IngestOptions(urls=True)", "its 'path' is empty"]
    assert len(told) == 4


def test_the_columns_to_search_may_be_chosen(gallery, rows):
    gallery.add(
        [row | {"notes": "returned"} for row in rows], image="path", options=IngestOptions(text_columns=("title",))
    )
    assert not gallery.search("returned", by="text")
    assert gallery.search("coat", by="text")


@pytest.mark.parametrize(
    ("frame", "how", "message"),
    [
        ([{"path": "a.jpg"}], {"image": "file"}, "no column 'file'; its columns are path"),
        ([{"path": "a.jpg"}], {"image": "path", "id": "sku"}, "no column 'sku'"),
        ([{"path": 5}], {"image": "path"}, "given as int"),
        (["a.jpg"], {"image": "path"}, "row of the table is given as str, expected a dict"),
        (5, {"image": "path"}, "a table is expected: a DataFrame, .* given is int"),
        ("a.csv", {"image": "path", "id": "sku"}, "id names a column of a table in memory"),
        ([{"path": "a.jpg"}], {}, "list of dicts, name the column of images: image='path'"),
    ],
)
def test_what_is_no_table_of_images_is_refused_and_nothing_is_added(gallery, frame, how, message):
    with pytest.raises(InputError, match=message):
        gallery.add(frame, **how)
    assert len(gallery) == 0


def test_the_column_of_a_table_in_a_file_is_named_likewise(gallery, rows, tmp_path):
    lines = [f"{row['path']},{row['path']}.old,{row['title']}" for row in rows]
    (tmp_path / "shop.csv").write_text("\n".join(["photo,image,title", *lines]))
    assert gallery.add(tmp_path / "shop.csv", image="photo").added == 3
    assert gallery.sources[str(tmp_path / "shop.csv")].image_column == "photo"


def test_a_data_frame_needs_the_name_of_its_column(gallery):
    pandas = pytest.importorskip("pandas")
    with pytest.raises(InputError, match=r"gallery\.add\(df, image='path'\)"):
        gallery.add(pandas.DataFrame({"path": ["a.jpg"]}))
    twice = pandas.DataFrame([["a", "b"]], columns=["path", "path"])
    with pytest.raises(InputError, match="several columns named 'path'"):
        list(read_records(twice))
    assert gallery.add(pandas.DataFrame({"path": []}), image="path").added == 0


def test_cells_become_plain_values():
    pandas = pytest.importorskip("pandas")
    when = datetime.datetime(2024, 5, 1, 12, 30)
    for cell, value in [
        (np.int64(3), 3), (np.float32(0.5), 0.5), (np.bool_(True), True), (np.str_("a"), "a"),
        (float("nan"), None), (pandas.NA, None), (pandas.NaT, None), (None, None),
        (pandas.Timestamp(when), "2024-05-01T12:30:00"), (when.date(), "2024-05-01"),
        (decimal.Decimal("1.5"), 1.5), (["a", "b"], "a\nb"), (np.array(["a", "b"], object), "a\nb"),
        (np.ones(4, np.float32), None), (pathlib.PurePosixPath("a/b"), "a/b"), (b"bytes", None),
    ]:  # fmt: skip
        assert cell_value(cell) == value, cell


def test_names_of_columns_that_are_numbers_are_text(gallery, rows):
    assert gallery.add([{"path": row["path"], 7: "seven"} for row in rows], image="path").added == 3
    assert {row.meta["7"] for row in gallery.index.get([v.id for v in gallery.index.row_versions()])} == {"seven"}


def test_numpys_dates_are_in_iso_8601():
    assert cell_value(np.datetime64("2024-01-02T03:04", "ns")) == "2024-01-02T03:04:00.000000000"
    assert cell_value(np.datetime64("NaT", "ns")) is None
    assert cell_value(np.timedelta64(5, "D")) == "5 days"
