"""Shards for training: webdataset's own archives, read by one process or several, resumed, and damaged."""

import dataclasses
import io
import itertools
import json
import os
import tarfile
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from train_pairs import TOKENIZER, config, content_of, images, said, table, take

from wordsight.errors import InputError, TrainError
from wordsight.pairs.shards import Shard, count_samples, expand_shards, write_shards
from wordsight.pairs.tally import Tally
from wordsight.train.config import AugmentConfig
from wordsight.train.data import DataState, open_data

PER_SHARD = 7
COUNT = 40


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Six shards as webdataset writes them, the last with five samples."""
    webdataset = pytest.importorskip("webdataset")
    folder = tmp_path_factory.mktemp("shards")
    made = images(COUNT)
    for start in range(0, COUNT, PER_SHARD):
        with webdataset.TarWriter(str(folder / f"{start // PER_SHARD:05d}.tar")) as writer:
            for number in range(start, min(start + PER_SHARD, COUNT)):
                name, content = made[number]
                sample = {"__key__": f"{number:05d}", name.partition(".")[2]: content, "txt": f"image {number}"}
                writer.write(sample | {"json": json.dumps({"key": number}).encode()})
    return folder


def names(batches):
    return [key.split("#")[-1] for batch, _ in batches for key in batch.keys]


def test_an_epoch_is_what_webdataset_reads(shards):
    """Every sample once, those that webdataset itself finds, with their captions."""
    webdataset = pytest.importorskip("webdataset")
    sources = sorted(map(str, shards.glob("*.tar")))
    theirs = {s["__key__"]: s["txt"].decode() for s in webdataset.WebDataset(sources, shardshuffle=False)}
    run = config(str(shards), buffer=10)
    assert open_data(run, TOKENIZER).steps_per_epoch == COUNT // 8
    batches = take(run, 10)
    captions = [caption.split() for batch, _ in batches[:5] for caption in said(batch)]
    ours = {name: f"{word} {''.join(digits)}" for name, (word, *digits) in zip(names(batches), captions, strict=False)}
    assert ours == theirs
    assert sorted(names(batches[5:])) == sorted(theirs)
    assert names(batches[5:]) != names(batches[:5])


def test_the_buffer_mixes_shards(shards):
    in_order = names(take(config(str(shards), buffer=1), 5))
    assert [int(a) + 1 == int(b) for a, b in itertools.pairwise(in_order)].count(False) <= 5
    mixed = names(take(config(str(shards), buffer=20), 5))
    assert [int(a) + 1 == int(b) for a, b in itertools.pairwise(mixed)].count(False) > 25


@pytest.mark.parametrize("world", [2, 4, 8])
def test_processes_read_shards_of_their_own(shards, world):
    """Together they see each sample once an epoch; of 6 shards 8 processes take every 8th sample."""
    batch = 8
    seen, first_of = Counter(), []
    for rank in range(world):
        run = config(str(shards), batch=batch, buffer=5)
        with open_data(run, TOKENIZER, rank=rank, world=world) as data:
            mine = []
            for got, state in data.batches():
                if state.epoch:
                    break
                mine += got.keys
                assert len(got) == batch // world
        first_of.append(set(mine))
        seen.update(mine)
    assert set(seen.values()) == {1}
    assert len(seen) > COUNT - world * batch // world  # but for ends of epochs within a batch
    if world <= 6:
        sources = [{key.split("#")[0] for key in mine} for mine in first_of]
        assert sum(map(len, sources)) == len(set().union(*sources))


def test_a_process_with_a_small_shard_goes_over_it_again(shards, tmp_path):
    for name in ("00000.tar", "00005.tar"):  # of 7 and 5 samples
        (tmp_path / name).write_bytes((shards / name).read_bytes())
    shares = [take(config(str(tmp_path), batch=12, buffer=5), 4, rank=rank, world=2) for rank in (0, 1)]
    assert {len(batch) for share in shares for batch, _ in share} == {6}
    assert {state.epoch for _, state in (shares[0][-1], shares[1][-1])} <= {3, 4}


@pytest.fixture(scope="module")
def whole_run(shards):
    run = config(str(shards), batch=6, buffer=9, augment=AugmentConfig(crop="resized", min_area=0.5, flip=0.5))
    return run, take(run, 15, rank=0, world=2)


@settings(max_examples=8, deadline=None)
@given(done=st.integers(1, 13))
def test_a_state_is_where_the_run_goes_on(whole_run, done):
    run, whole = whole_run
    state = DataState(**json.loads(json.dumps(dataclasses.asdict(whole[done - 1][1]))))
    resumed = take(run, 2, state, rank=0, world=2)
    assert [content_of(batch) for batch, _ in resumed] == [content_of(batch) for batch, _ in whole[done : done + 2]]


def test_workers_change_nothing(shards):
    run = config(str(shards), buffer=9)
    alone, others = take(run, 6), take(dataclasses.replace(run, data=dataclasses.replace(run.data, workers=2)), 6)
    assert [content_of(batch) for batch, _ in alone] == [content_of(batch) for batch, _ in others]


def test_shards_and_tables_are_mixed(shards, tmp_path):
    source = table(tmp_path / "t", 24)
    batches = take(config(str(shards), source, buffer=100), 8)
    assert len(set(names(batches))) == COUNT + 24
    tables = ["pairs" if "#" not in key else "shards" for batch, _ in batches for key in batch.keys]
    assert sum(a != b for a, b in itertools.pairwise(tables)) > 10


def test_names_of_shards(shards):
    assert len(expand_shards(f"{shards}/{{00000..00003}}.tar")) == 4
    assert len(expand_shards(f"{shards}/0000{{1,4}}.tar")) == 2
    assert expand_shards(f"{shards}/*.tar") == sorted(map(str, shards.iterdir()))
    with pytest.raises(InputError, match=r"00006.tar' does not exist \(1 of 4 are missing\)"):
        expand_shards(f"{shards}/{{00003..00006}}.tar")


def test_an_epoch_of_a_given_length_counts_no_headers(shards, monkeypatch):
    monkeypatch.setattr("wordsight.train.data.loading.count_samples", None)
    with open_data(config(str(shards), samples=1000), TOKENIZER) as data:
        assert data.steps_per_epoch == 125
        assert len(next(data.batches())[0]) == 8


# --- damage


def test_a_shard_that_is_cut_off_is_read_to_the_cut(shards, tmp_path):
    for path in sorted(shards.iterdir())[:2]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    cut = tmp_path / "00001.tar"
    with tarfile.open(cut) as archive:
        within = archive.getmember("00010" + os.path.splitext(images(11)[10][0])[1]).offset_data + 100
    with cut.open("r+b") as file:
        file.truncate(within)
    with open_data(config(str(tmp_path), batch=5), TOKENIZER) as data:
        batches = [ready for ready, _ in zip(data.batches(), range(4), strict=False)]
    assert set(names(batches)) <= {f"{number:05d}" for number in range(10)}
    assert len(set(names(batches))) == 10
    [line] = [line for line in data.skipped.lines() if "is cut off within" in line]
    assert line.startswith("1 × ")
    assert line.endswith("00001.tar")
    assert data.steps_per_epoch == 2


def test_samples_that_are_no_pairs(tmp_path):
    made = images(12)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:

        def add(name, content):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))

        for number, (name, content) in enumerate(made):
            ending = name.partition(".")[2]
            if number == 1:
                add(f"{number}.json", b'{"status": "failed_to_download"}')  # as img2dataset leaves it
                continue
            add(f"{number}.{ending}", b"broken" if number == 2 else content)
            if number == 3:
                add(f"{number}.txt", b" \n")
            elif number == 4:
                add(f"{number}.txt", b"caf\xe9 \xff")
            elif number == 5:
                add(f"{number}.json", b"{not json")
            elif number == 6:
                add(f"{number}.json", json.dumps({"url": "x", "caption": ["a cat", "a dog"]}).encode())
            elif number != 7:
                add(f"{number}.txt", b"a hat")
    (tmp_path / "b.tar").write_bytes(b"no archive" * 100)
    with open_data(config(str(tmp_path), batch=6), TOKENIZER) as data:
        batches = [ready for ready, _ in zip(data.batches(), range(2), strict=False)]
        assert sorted(names(batches)) == sorted(2 * ["0", "10", "11", "6", "8", "9"])
        assert {caption for batch, _ in batches for caption in said(batch)} <= {"a hat", "a cat", "a dog"}
        told = "\n".join(data.skipped.lines())
    for reason in ("holds no image: ", "its caption is empty: ", "its caption is not UTF-8 text: ",
                   "its metadata is not JSON: ", "is not an image", "is damaged, or not a tar archive"):  # fmt: skip
        assert reason in told
    assert data.skipped.total == 7


def test_names_with_dots_keep_their_captions(tmp_path):
    made = images(4)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for number, (name, content) in enumerate(made):
            for ending, part in ((name.partition(".")[2], content), ("txt", f"image {number}".encode())):
                member = tarfile.TarInfo(f"22.0{number}.{ending}")
                member.size = len(part)
                archive.addfile(member, io.BytesIO(part))
    assert count_samples([Shard(str(tmp_path / "a.tar"))], Tally()) == 4
    with open_data(config(str(tmp_path / "a.tar"), batch=4), TOKENIZER) as data:
        ((batch, _),) = itertools.islice(data.batches(), 1)
    assert sorted(said(batch)) == [f"image {number}" for number in range(4)]
    assert data.skipped.total == 0


def test_captions_of_the_columns_that_are_named(tmp_path):
    texts = [
        {"txt": "a hat", "json": b'{"title": "a red hat"}'},
        {"txt": " ", "json": b'{"caption": "a cat"}'},
        {"txt": "a dog"},
    ]
    webdataset = pytest.importorskip("webdataset")
    with webdataset.TarWriter(str(tmp_path / "a.tar")) as writer:
        for (name, content), text in zip(images(3), texts, strict=True):
            writer.write({"__key__": name.partition(".")[0], name.partition(".")[2]: content} | text)

    def captions(**changes):
        with open_data(config(str(tmp_path), **changes), TOKENIZER) as data:
            batches = [ready for ready, _ in zip(data.batches(), range(3), strict=False)]
            return {caption for batch, _ in batches for caption in said(batch)}, data.skipped.lines()

    assert captions(batch=3) == ({"a hat", "a cat", "a dog"}, [])  # a file of text that holds nothing gives way
    found, lines = captions(batch=2, text_columns=("title",))
    assert found == {"a red hat", "a dog"}
    assert lines[0].startswith("1 × its .json has no title, which data.text_columns names: ")


def test_shards_without_pairs(tmp_path):
    tarfile.open(tmp_path / "a.tar", "w").close()
    with pytest.raises(TrainError, match="There are 0 pairs, fewer than a batch"):
        open_data(config(str(tmp_path)), TOKENIZER)
    with pytest.raises(TrainError, match="The shards hold no pair for process 0 of 1"):
        take(config(str(tmp_path), samples=100), 1)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("a.json"))
    with pytest.raises(TrainError, match=r"(?s)only 0 could be read, which leaves too few.*1 × holds no image"):
        take(config(str(tmp_path), samples=100), 1)


def test_a_shard_that_changes_while_it_is_read(shards, tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes((shards / "00000.tar").read_bytes())
    references = list(Shard(str(path)).references((0, 0, 0)))
    path.write_bytes(path.read_bytes()[:4096])
    with open_data(config(str(shards)), TOKENIZER) as data:
        chunk = data._feed.decoder[references]
    assert len(chunk.keys) < PER_SHARD
    assert {reason for _, reason, _ in chunk.problems} == {"the archive is shorter than it was"}


# --- writing


def test_written_shards_are_read_by_webdataset_and_by_us(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    made = images(10)
    (tmp_path / "held.jpg").write_bytes(made[0][1])
    pairs = [(tmp_path / "held.jpg", "a cat"), *((content, ["one", "two"]) for _, content in made[1:])]
    paths = write_shards(pairs, tmp_path / "shards", per_shard=4)
    assert [path.name for path in paths] == ["00000.tar", "00001.tar", "00002.tar"]
    theirs = list(webdataset.WebDataset(list(map(str, paths)), shardshuffle=False))
    assert [next(s[kind] for kind in ("jpg", "png", "webp") if kind in s) for s in theirs] == [c for _, c in made]
    assert theirs[0]["txt"] == b"a cat"
    assert count_samples(map(Shard, map(str, paths)), Tally()) == 10
    batches = take(config(str(tmp_path / "shards"), batch=5), 8)
    assert Counter(caption for batch, _ in batches for caption in said(batch)).keys() == {"a cat", "one", "two"}
    assert not list(tmp_path.glob("shards/*.partial"))


def test_writing_refuses_what_is_no_pair(tmp_path):
    with pytest.raises(InputError, match="No pair was given to write into shards"):
        write_shards([], tmp_path)
    with pytest.raises(InputError, match="6 bytes is not an image that Pillow can read"):
        write_shards([(b"broken", "a cat")], tmp_path)
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tar")]


def test_ids_do_not_depend_on_where_a_pair_lies(tmp_path):
    made = images(8)
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, content in made:
        (folder / name).write_bytes(content)
        (folder / name).with_suffix(".txt").write_text(f"a {name}")
    write_shards([(content, f"a {name}") for name, content in made], tmp_path / "shards")
    ids = [take(config(str(source)), 1)[0][0].ids for source in (folder, tmp_path / "shards")]
    for side in (0, 1):
        assert torch.equal(ids[0][side].sort().values, ids[1][side].sort().values)
