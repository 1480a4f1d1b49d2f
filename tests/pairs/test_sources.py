"""Sources of pairs read without torch: each kind opened by its name, read to bytes and captions, and refused."""

import json
import os
import re
import subprocess
import sys

import pytest
from train_pairs import images, table

from wordsight.errors import InputError
from wordsight.pairs.options import PairOptions
from wordsight.pairs.reader import LeftOutError, PairReader
from wordsight.pairs.references import FileRange, Reference
from wordsight.pairs.shards import write_shards
from wordsight.pairs.sources import PairSources


def read_all(sources, options):
    """Captions of every pair, and the encoded images."""
    reader = PairReader(options, sources.datasets)
    listed = [sources.listed.reference(number, (number,)) for number in range(len(sources.listed))]
    streamed = [reference for shard in sources.shards for reference in shard.references(())]
    return [reader.read(reference) for reference in [*listed, *streamed]]


def test_a_table_a_folder_and_shards_are_read_together(tmp_path):
    made = images(6)
    write_shards([(content, f"shard {n}") for n, (_, content) in enumerate(made)], tmp_path / "shards", per_shard=4)
    folder = tmp_path / "hats"
    folder.mkdir()
    (folder / "red hat.png").write_bytes(made[0][1])
    options = PairOptions()
    sources = PairSources([table(tmp_path / "t", 3), str(folder), f"{tmp_path}/shards/{{00000..00001}}.tar"], options)
    assert len(sources.listed) == 4
    assert len(sources.shards) == 2
    found = read_all(sources, options)
    assert [captions for _, captions in found[3:]] == [["red hat"], *([f"shard {n}"] for n in range(6))]
    assert [content for content, _ in found[4:]] == [content for _, content in made]
    assert read_all(sources, PairOptions(texts=False))[-1] == (made[-1][1], [""])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.csv", "^pairs names 'nowhere.csv', which does not exist: a table"),
        ("https://example.org/a.csv", "names the URL 'https:.*download it"),
        ("{3..1}.tar", "which stands for no file: its numbers go down"),
    ],
)
def test_messages_name_settings_as_the_caller_does(source, message):
    with pytest.raises(InputError, match=message):
        PairSources([source], PairOptions())
    with pytest.raises(InputError, match=message.replace("^pairs", r"^curate\.pairs")):
        PairSources([source], PairOptions(setting="curate.{}"))


def test_what_cannot_be_read_says_why(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "a.json").write_text(json.dumps({"title": "a cat"}))
    image, fields = FileRange(str(tmp_path / "a.png")), FileRange(str(tmp_path / "a.json"))
    reader = PairReader(PairOptions(text_columns=("name",), setting="data.{}"))
    with pytest.raises(LeftOutError, match=r"its \.json has no name, which data\.text_columns names"):
        reader.read(Reference("a", (), image, fields=fields))
    assert PairReader(PairOptions()).read_captions(Reference("a", (), image, fields=fields)) == ["a cat"]
    with pytest.raises(LeftOutError, match="no such file"):
        reader.read(Reference("b", (), FileRange(str(tmp_path / "b.png"))))


def test_files_that_are_not_read_whole_say_why(tmp_path):
    reader, huge = PairReader(PairOptions(texts=False)), tmp_path / "huge.png"
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    os.mkfifo(tmp_path / "pipe.png")
    for place, reason in [
        (FileRange(str(huge)), "has 1,024 GiB, more than the limit of 16 GiB for a file"),
        (FileRange(str(huge), 512, 1 << 39), "has 512 GiB, more than the limit of 16 GiB for a file"),
        (FileRange(str(tmp_path / "pipe.png")), "is not a regular file"),
        (FileRange(str(tmp_path / "pipe.png"), 512, 9), "is not a regular file"),
        (FileRange(str(tmp_path)), "is a folder; give the images in it"),
        (FileRange("a\0b"), "is damaged (ValueError: embedded null byte)"),
    ]:
        with pytest.raises(LeftOutError, match=f"^{re.escape(reason)}$"):
            reader.read(Reference("a", (), place))
    member = FileRange(str(huge), 1 << 39, 3)  # an archive may be larger than an image
    assert reader.read(Reference("a", (), member)) == (bytes(3), [""])


def test_pairs_and_evaluation_load_no_torch():
    code = (
        "import sys, wordsight.pairs.sources, wordsight.pairs.reader, wordsight.evaluate.held_out.zero_shot, "
        "wordsight.evaluate.retrieval; print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
