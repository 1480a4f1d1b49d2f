"""The recipe that tunes the bundled model for a shop: its split, and a run of one step on squares for clothes."""

import pytest
from project import DATA, ROOT
from training import COLOURS, write_squares

import wordsight
from wordsight.train.recipe import load_recipe

RECIPES = ROOT / "recipes"


@pytest.fixture(autouse=True)
def recipes_beside(monkeypatch):
    monkeypatch.syspath_prepend(str(RECIPES))


def write_shop(folder, count=40):
    """A shop that sells squares, in the files of the shop that sells clothes."""
    images = folder / "fashion" / "images"
    write_squares(images, count=count)
    rows = ["id,productDisplayName,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage"]
    for n in range(count):
        (images / f"{n:03}.png").rename(images / f"{n}.jpg")  # what it is is read from its first bytes
        colour = list(COLOURS)[n % len(COLOURS)]
        rows.append(f"{n},Acme Women {colour} Square {n},Women,Squares,Plain,Squares,{colour.title()},Fall,2011,Casual")
    (folder / "fashion" / "products.csv").write_text("\n".join(rows) + "\n")
    names = []
    for place, colour in enumerate(COLOURS):
        name = ("animals22", "sports22", "dtd10")[place % 3]
        (folder / "transfer" / name).mkdir(parents=True, exist_ok=True)
        (folder / "transfer" / name / f"{place}.png").write_bytes((images / f"{place}.jpg").read_bytes())
        names.append(f"{name}\t{place}.png\t{colour}")
    (folder / "transfer" / "labels.tsv").write_text("\n".join(names) + "\n")


@pytest.fixture
def work(tmp_path, monkeypatch):
    write_shop(tmp_path / "data")
    monkeypatch.setenv("WORDSIGHT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WORDSIGHT_CLOTHING", str(tmp_path / "work"))
    return tmp_path / "work"


def test_every_product_has_one_part(work):
    import clothing_data

    clothing_data.prepare(work)
    parts = {part: clothing_data.rows(work / f"{part}.tsv") for part in ("train", "validation", "test")}
    titles = [row["title"] for rows in parts.values() for row in rows]
    assert len(titles) == len(set(titles)) == 40
    assert all(len(rows) >= 2 for rows in parts.values())
    assert parts["train"][0]["words"].startswith("women's ")
    # Only sets that the bundled model never learnt from count as what it knew.
    assert {row["class"] for row in clothing_data.rows(work / "original.tsv")} == {
        name for place, name in enumerate(COLOURS) if place % 3 < 2
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Before tuning the model tells")
def test_a_run_of_one_step(work, tmp_path, monkeypatch):
    monkeypatch.setattr("wordsight.train.monitor.curves.Curves.on_end", lambda self, result: None)
    settings = ["steps=1", "batch=4", "tuning.alphas=1", "tuning.keep=0", "data.workers=0"]
    result = load_recipe(RECIPES / "clothing.py").with_settings(settings).run(tmp_path / "run")
    assert result.notes["α"] == 1
    assert result.notes["verdict"].good
    assert {"title→product R@10", "title→product R@10, before", "original", "zero_shot"} <= set(result.figures)
    assert wordsight.load(tmp_path / "run").spec.licence == wordsight.load("mini").spec.licence


def test_without_its_data(tmp_path, monkeypatch):
    import clothing_data

    from wordsight.errors import InputError

    monkeypatch.setenv("WORDSIGHT_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"There is no fashion/products.csv in .*; name the folder .* WORDSIGHT_DATA"):
        clothing_data.data_folder()


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the images of WORDSIGHT_DATA are not there ({DATA})")
def test_what_is_asked_about_in_the_end_was_never_learnt_from(tmp_path, monkeypatch):
    import clothing_data
    import mini_data

    held_out = {p.path for p in mini_data.fashion(DATA) if p.role == "measure"}
    found = list(clothing_data.products(DATA))
    assert {p.image for p in found if p.part != "train"} == held_out
    monkeypatch.setenv("WORDSIGHT_DATA", str(DATA))
    clothing_data.prepare(tmp_path)
    parts = [clothing_data.rows(tmp_path / f"{part}.tsv") for part in ("train", "validation", "test")]
    titles = [{row["title"].casefold() for row in rows} for rows in parts]
    assert not titles[0] & (titles[1] | titles[2])  # though the same shirt has several numbers
    assert not titles[1] & titles[2]
    assert [len(rows) for rows in parts] == [3847, 362, 357]
    assert all(mini_data.transfer_roles(DATA)[name] == "measure" for name in clothing_data.ORIGINAL)
