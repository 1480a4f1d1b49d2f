"""Pairs for training: their order, where they come from, and what becomes of those that are broken."""

import dataclasses
import io
import itertools
import json
import os
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from project import DATA
from train_pairs import SPEC, TOKENIZER, config, content_of, images, said, table, take

from wordsight.errors import TrainError
from wordsight.model import read_pixels
from wordsight.pairs.folders import caption_from_path
from wordsight.train.config import AugmentConfig, ObjectiveConfig
from wordsight.train.data import DataState, open_data
from wordsight.train.data.decode import may_trim, token_lengths

RESIZED = AugmentConfig(crop="resized", min_area=0.3, flip=0.5, colour=0.5, grey=0.2, blur=0.3)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return table(tmp_path_factory.mktemp("pairs"), 24)


def names(batches):
    return [os.path.basename(key) for batch, _ in batches for key in batch.keys]


# --- order


def test_an_epoch_holds_every_pair_once_and_the_next_another_order(pairs):
    run = config(pairs)
    batches = take(run, 6)
    assert open_data(run, TOKENIZER).steps_per_epoch == 3
    first, second = names(batches[:3]), names(batches[3:])
    assert sorted(first) == sorted(second) == sorted(os.listdir(Path(pairs).parent / "images"))
    assert first != second
    assert first != names(take(config(pairs, seed=1), 3))


def test_epochs_follow_without_a_seam(pairs):
    """No pair is dropped at an epoch's end where the batch does not divide it: 10 × 12 = 5 × 24."""
    batches = take(config(pairs, batch=10), 12)
    assert set(Counter(names(batches)).values()) == {5}
    assert batches[-1][1] == DataState(epoch=4, position=120)


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_are_the_same_whatever_decodes_them(pairs, workers):
    run = config(pairs, augment=RESIZED)
    alone = take(run, 4)
    others = take(dataclasses.replace(run, data=dataclasses.replace(run.data, workers=workers)), 4)
    assert [content_of(batch) for batch, _ in alone] == [content_of(batch) for batch, _ in others]
    assert [state for _, state in alone] == [state for _, state in others]


@pytest.fixture(scope="module")
def whole_run(pairs):
    run = config(pairs, batch=7, augment=RESIZED)
    return run, take(run, 8)


@settings(max_examples=7, deadline=None)
@given(done=st.integers(1, 7))
def test_a_state_is_where_the_run_goes_on(whole_run, done):
    run, whole = whole_run
    state = DataState(**json.loads(json.dumps(dataclasses.asdict(whole[done - 1][1]))))
    resumed = take(run, min(2, 8 - done), state)
    assert [content_of(batch) for batch, _ in resumed] == [content_of(batch) for batch, _ in whole[done : done + 2]]


def test_processes_share_the_batches_of_one(pairs):
    run = config(pairs, augment=RESIZED)
    alone = take(run, 5)
    shares = [take(run, 5, rank=rank, world=2) for rank in (0, 1)]
    for (whole, _), (first, _), (second, _) in zip(alone, *shares, strict=True):
        assert whole.keys == first.keys + second.keys
        assert torch.equal(whole.pixels_BCHW, torch.cat([first.pixels_BCHW, second.pixels_BCHW]))


def test_the_callers_random_numbers_are_left_alone(pairs):
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    take(config(pairs, workers=1), 1)
    assert torch.equal(torch.rand(3), expected)


# --- what a batch holds


def test_pixels_in_the_centre_are_those_of_embedding(pairs):
    [(batch, _)] = take(config(pairs, augment=AugmentConfig(crop="centre")), 1)
    assert batch.pixels_BCHW.dtype == torch.uint8
    for key, pixels_CHW in zip(batch.keys, batch.pixels_BCHW, strict=True):
        assert np.array_equal(pixels_CHW.permute(1, 2, 0).numpy(), read_pixels(key, SPEC.preprocess))


def test_captions_go_with_their_images(pairs):
    [(batch, _)] = take(config(pairs), 1)
    for key, caption in zip(batch.keys, said(batch), strict=True):
        assert caption.split() == ["image", *str(int(Path(key).stem))]


def test_two_views_for_simclr(pairs):
    run = config(pairs, augment=RESIZED, objective=ObjectiveConfig(name="nt_xent"))
    [(batch, _)] = take(run, 1)
    assert batch.views_BCHW.shape == batch.pixels_BCHW.shape
    assert not torch.equal(batch.views_BCHW, batch.pixels_BCHW)


def test_simclr_needs_no_captions(tmp_path):
    for name, content in images(8):
        (tmp_path / name).write_bytes(content)
    [(batch, _)] = take(config(str(tmp_path), objective=ObjectiveConfig(name="nt_xent")), 1)
    assert len(batch) == 8
    with pytest.raises(TrainError, match=r"(?s)0 pairs.*8 × has no \.txt beside it, and no word in its name"):
        open_data(config(str(tmp_path)), TOKENIZER)


def test_equal_images_and_captions_have_equal_ids(tmp_path):
    (one, content), (two, other) = images(2)
    for name, held in ((one, content), ("copy.jpg", content), (two, other)):
        (tmp_path / name).write_bytes(held)
    (tmp_path / "t.jsonl").write_text(
        "\n".join(
            json.dumps({"image": name, "caption": caption})
            for name, caption in ((one, "A  Cat"), ("copy.jpg", "a dog"), (two, "a cat"))
        )
    )
    [(batch, _)] = take(config(str(tmp_path / "t.jsonl"), batch=3), 1)
    at = {os.path.basename(key): place for place, key in enumerate(batch.keys)}
    image, text = batch.ids
    assert image[at[one]] == image[at["copy.jpg"]] != image[at[two]]
    assert text[at[one]] == text[at[two]] != text[at["copy.jpg"]]  # what the model reads is the same
    [(again, _)] = take(config(str(tmp_path / "t.jsonl"), batch=3, workers=1), 1)
    assert torch.equal(again.ids.image_B, image)


def test_padding_is_cut_where_it_cannot_matter(pairs):
    [(batch, _)] = take(config(pairs), 1)
    assert batch.tokens_BT.shape == (8, 8)  # start, "image", two digits, end: 5, of multiples of 8
    seeing_all = dataclasses.replace(SPEC, text=dataclasses.replace(SPEC.text, causal=False))
    [(batch, _)] = take(config(pairs, model=seeing_all), 1)
    assert batch.tokens_BT.shape == (8, SPEC.tokenizer.context_length)
    assert not may_trim(dataclasses.replace(SPEC.text, pooling="last"))


@pytest.mark.parametrize("pad_id", [0, SPEC.tokenizer.eos_id])
def test_lengths_of_texts(pad_id):
    spec = dataclasses.replace(SPEC.tokenizer, pad_id=pad_id, context_length=8)
    start, end = spec.bos_id, spec.eos_id
    rows = [[start, end], [start, 5, 0, end], [start, *range(1, 7), end], [start, 7, end, 8, end]]
    tokens_BT = np.array([row + [pad_id] * (8 - len(row)) for row in rows])
    assert token_lengths(tokens_BT, spec).tolist() == [2, 4, 8, 5]


def test_a_truncated_caption_is_counted_once(tmp_path):
    path = Path(table(tmp_path / "t", 4))
    path.write_text(path.read_text().replace("image 2", "word " * 200))
    with open_data(config(str(path), batch=4), TOKENIZER) as data:
        for _ in zip(data.batches(), range(3), strict=False):
            pass
    assert [line.split("/")[-1] for line in data.truncated.lines()] == ["002.webp"]
    assert data.truncated.lines()[0].startswith("1 × its caption is longer than the context")
    assert data.skipped.total == 0


# --- where pairs come from


def test_one_of_several_captions_is_drawn_each_time(tmp_path):
    path = table(tmp_path / "t", 4)
    rows = [line.split(",") for line in Path(path).read_text().splitlines()[1:]]
    lists = tmp_path / "t" / "lists.jsonl"
    lists.write_text("\n".join(json.dumps({"image": name, "captions": [f"{t} a", f"{t} b"]}) for name, t in rows))
    columns = tmp_path / "t" / "columns.tsv"
    lines = ["image\tcaption1\tcaption_2\tkind", *(f"{name}\t{title} a\t{title} b\tx" for name, title in rows)]
    columns.write_text("\n".join(lines))
    for source in (lists, columns):
        seen = Counter(caption for batch, _ in take(config(str(source), batch=4), 12) for caption in said(batch))
        assert len(seen) == 8, seen
        assert max(seen.values()) < 12


def test_named_columns(tmp_path):
    path = table(tmp_path / "t", 8)
    text = Path(path).read_text().splitlines()
    Path(path).write_text("\n".join([text[0] + ",other", *(line + ",something else" for line in text[1:])]))
    [(batch, _)] = take(config(path, text_columns=("other",)), 1)
    assert set(said(batch)) == {"something else"}
    with pytest.raises(TrainError, match=r"data.text_columns has 'titel', which .* has not.*Did you mean: title\?"):
        open_data(config(path, text_columns=("titel",)), TOKENIZER)
    with pytest.raises(TrainError, match=r"has no column 'pic'; its columns are filepath, title, other"):
        open_data(config(path, image_column="pic"), TOKENIZER)


def test_a_folder_with_captions_beside_its_images(tmp_path):
    for number, (name, content) in enumerate(images(8)):
        folder = tmp_path / ("cats" if number % 2 else "dogs")
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    (tmp_path / "cats" / "003.txt").write_text("a tabby\n")
    [(batch, _)] = take(config(str(tmp_path)), 1)
    captions = {Path(key).name: caption for key, caption in zip(batch.keys, said(batch), strict=True)}
    assert captions["003.jpg"] == "a tabby"
    assert Counter(captions.values()) == {"a tabby": 1, "cats": 3, "dogs": 4}


def test_words_of_names_leave_out_numbering():
    folder = "/pictures"
    assert caption_from_path("/pictures/hats/127708b5-72ad-4793-9512-3d33427459bb.webp", folder) == "hats"
    assert caption_from_path("/pictures/Rome/redVespa_0002.jpg", folder) == "Rome red Vespa"
    assert caption_from_path("/pictures/airbus-a380.jpg", folder) == "airbus a380"


@pytest.mark.parametrize("name", ["IMG_0012", "img-20240131-wa0001", "DSC00012", "_DSC1234", "PXL_20240131_101112345",
                                  "P1010001", "DSCN0001 (2)"])  # fmt: skip
def test_names_that_cameras_give_are_no_words(name):
    assert caption_from_path(f"/pictures/hats/{name}.jpg", "/pictures") == "hats"
    assert caption_from_path(f"/pictures/{name}.jpg", "/pictures") == ""


@pytest.mark.parametrize("form", ["dataset", "parquet"])
def test_a_data_set_of_images(tmp_path, form, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    made = images(9)
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["red hat", "blue shoe"])}
    )
    rows = {"image": [{"bytes": content, "path": None} for _, content in made], "label": [0, 1, 0] * 3}
    rows["image"][4] = {"bytes": b"no image", "path": None}
    data = datasets.Dataset.from_dict(rows, features=features)
    source = tmp_path / "set" if form == "dataset" else tmp_path / "set.parquet"
    data.save_to_disk(source) if form == "dataset" else data.to_parquet(source)
    with open_data(config(str(source), workers=1), TOKENIZER) as opened:
        batch, state = next(opened.batches())
    assert state.position == 9
    assert [line.split("#")[-1] for line in opened.skipped.lines()] == ["row=4"]
    by_row = {key.split("#")[-1]: caption for key, caption in zip(batch.keys, said(batch), strict=True)}
    assert by_row["row=0"] == "red hat"
    assert by_row["row=1"] == "blue shoe"


@pytest.mark.parametrize(
    ("source", "count"),
    [("flickr8k-train/captions.tsv", 35455), ("fashion/products.csv", 4851), ("coco159/captions.jsonl", 159)],
)
def test_real_tables_work_as_they_are(source, count):
    path = DATA / source
    if not path.exists():
        pytest.skip(f"{path} is not here; set WORDSIGHT_DATA")
    with open_data(config(str(path), batch=16), TOKENIZER) as data:
        batch, _ = next(data.batches())
        assert data.steps_per_epoch == count // 16
    assert data.skipped.total == 0
    assert min(len(caption.split()) for caption in said(batch)) > 1


# --- what is wrong with pairs


def test_broken_pairs_are_counted_and_replaced_by_the_next(tmp_path):
    folder = tmp_path / "t"
    path = Path(table(folder, 24))
    lines = path.read_text().splitlines()
    (folder / "images" / "000.jpg").write_bytes(b"GIF89a")
    (folder / "images" / "002.webp").write_bytes(b"")
    os.remove(folder / "images" / "003.jpg")
    content = (folder / "images" / "006.jpg").read_bytes()
    (folder / "images" / "006.jpg").write_bytes(content[: len(content) // 2])
    lines[5] = "images/004.png,  "
    lines[6] = ",image 5"
    lines.append("https://example.org/a.jpg,an address")
    lines.append("images/007.png,one,two")
    path.write_text("\n".join(lines))
    with open_data(config(str(path), batch=6), TOKENIZER) as data:
        batches = [ready for ready, _ in zip(data.batches(), range(6), strict=False)]
    assert set(Counter(names(batches)).values()) == {2}  # 18 good ones, twice
    assert data.skipped.total == 8
    assert len(data.skipped.lines()) == 8
    told = "\n".join(data.skipped.lines())
    for reason in (
        "the file is empty: ", "no such file: ", "truncated", "its caption is empty: ", "names no image: ",
        "names a URL; download", "has 3 cells, expected 2",
    ):  # fmt: skip
        assert reason in told
    resumed = take(config(str(path), batch=6), 1, batches[2][1])
    assert content_of(resumed[0][0]) == content_of(batches[3][0])


def test_captions_that_are_no_text(tmp_path):
    path = table(tmp_path / "t", 8)
    rows = [line.split(",") for line in Path(path).read_text().splitlines()[1:]]
    lists = tmp_path / "t" / "t.jsonl"
    captions = [7, None, [], ["", "a cat"], "a dog", True, {"en": "x"}, "a hat"]
    lists.write_text(
        "\n".join(json.dumps({"image": name, "caption": c}) for (name, _), c in zip(rows, captions, strict=True))
    )
    with open_data(config(str(lists), batch=3), TOKENIZER) as data:
        batch, _ = next(data.batches())
    assert sorted(said(batch)) == ["a cat", "a dog", "a hat"]
    assert data.skipped.reasons["its caption is empty"] == 2
    assert data.skipped.reasons["its caption is not a text but int"] == 1


def test_fewer_pairs_than_a_batch(tmp_path, pairs):
    with pytest.raises(TrainError, match="There are 24 pairs, fewer than a batch of 25"):
        open_data(config(pairs, batch=25), TOKENIZER)
    path = table(tmp_path / "t", 12)
    for name in sorted(os.listdir(tmp_path / "t" / "images"))[:5]:
        (tmp_path / "t" / "images" / name).write_bytes(b"broken")
    with pytest.raises(TrainError, match=r"(?s)Of 12 pairs 5 cannot be read, .* a batch of 8.*5 × is not an image"):
        take(config(path), 9)


@pytest.mark.parametrize("workers", [0, 1])
def test_nothing_but_broken_images_is_an_error(tmp_path, workers):
    path = table(tmp_path / "t", 12)
    for name in os.listdir(tmp_path / "t" / "images"):
        (tmp_path / "t" / "images" / name).write_bytes(b"broken")
    with pytest.raises(TrainError, match="cannot be read, which leaves too few"):
        take(config(path, workers=workers), 1)


def test_each_caption_of_a_image_that_cannot_be_read_is_a_pair_less(tmp_path):
    path = Path(table(tmp_path / "t", 8))
    with path.open("a") as file:
        file.writelines(f"images/gone.webp,caption {number}\n" for number in range(5))
    with open_data(config(str(path), batch=4), TOKENIZER) as data:
        for _ in zip(data.batches(), range(6), strict=False):
            pass
        assert data.skipped.total == 5


def test_an_epoch_shorter_than_a_batch(pairs):
    with pytest.raises(TrainError, match="There are 4 pairs, fewer than a batch of 8"):
        open_data(config(pairs, samples=4), TOKENIZER)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.csv", "names 'nowhere.csv', which does not exist: a table"),
        (__file__, "which is none of these: a table"),
        ("s3://bucket/{0..9}.tar", "names the URL 's3://bucket/.*download it"),
        ("{00..03}.tar", r"but '00.tar' does not exist \(4 of 4 are missing\)"),
    ],
)
def test_sources_that_are_none(source, message):
    with pytest.raises(TrainError, match=message):
        open_data(config(source), TOKENIZER)
    with pytest.raises(TrainError, match=r"data\.pairs is empty"):
        open_data(config(), TOKENIZER)
    with pytest.raises(TrainError, match="batch of 8 cannot be shared by 3 processes; make it a multiple of 3"):
        open_data(config(source), TOKENIZER, world=3)


def test_a_table_without_captions(tmp_path):
    path = Path(table(tmp_path / "t", 4))
    path.write_text("\n".join(f"{line.split(',')[0]},{number}" for number, line in enumerate(path.open())))
    with pytest.raises(TrainError, match=r"No column of the table .* holds captions; .* Name one in data.text_columns"):
        open_data(config(str(path), batch=4), TOKENIZER)


# --- processes


def test_a_worker_that_dies_is_an_error_that_says_so(pairs):
    data = open_data(config(pairs, workers=2), TOKENIZER)
    batches = data.batches()
    next(batches)
    os.kill(data._feed._processes[1].pid, signal.SIGKILL)
    with pytest.raises(TrainError, match=r"worker process \d+ .* died \(SIGKILL\).*lower data.workers"):
        list(itertools.islice(batches, 1000))
    assert not any(process.is_alive() for process in data._feed._processes)


def test_an_interrupt_leaves_no_worker(pairs):
    data = open_data(config(pairs, workers=2), TOKENIZER)
    batches = data.batches()
    next(batches)
    with pytest.raises(KeyboardInterrupt):
        batches.throw(KeyboardInterrupt)
    processes = data._feed._processes
    assert len(processes) == 2
    assert not any(process.is_alive() for process in processes)


def test_a_image_is_read_and_decoded_once_a_draw(pairs, monkeypatch):
    """Resuming decodes nothing of what is before, and nothing is decoded twice."""
    from wordsight.train.data import decode as module

    decoded = []
    real = module.decode
    monkeypatch.setattr(module, "decode", lambda content, **how: decoded.append(content) or real(content, **how))
    with open_data(config(pairs), TOKENIZER) as data:
        batches = data.batches(DataState(epoch=1, position=32))
        next(batches)
        _, state = next(batches)
    assert state == DataState(epoch=1, position=48)
    assert Counter(decoded).most_common(1)[0][1] <= 2  # 16 pairs and those that are ready ahead, of two epochs
    assert len(decoded) <= 16 + 3 * 8


def test_what_waits_is_pixels_not_images(pairs):
    """A worker gets names of images, and what it sends back lies in shared memory but for the tokens."""
    import pickle

    from wordsight.pairs.tables import read_table
    from wordsight.pairs.tally import Tally
    from wordsight.train.data.decode import Decoder, make_pair_options

    run = config(pairs)
    listed = read_table(pairs, make_pair_options(run), Tally())
    references = [listed.reference(number, (0, 0, number)) for number in range(24)]
    assert len(pickle.dumps(references)) < 24 * 250
    chunk = Decoder(run, TOKENIZER)[references]
    elsewhere = pickle.loads(pickle.dumps(Decoder(run, TOKENIZER)))[references]  # where processes are not forked
    assert torch.equal(elsewhere.pixels, chunk.pixels)
    rest = chunk._replace(pixels=None)
    assert chunk.pixels.nbytes == 24 * 3 * 64 * 64
    assert len(pickle.dumps(rest)) < 24 * 600


def test_a_large_jpeg_is_decoded_small(tmp_path):
    from wordsight.train.data.augment import required_side

    big = Image.open(io.BytesIO(images(1)[0][1])).resize((2400, 1800))
    (tmp_path / "hat.jpg").write_bytes(b"")
    big.save(tmp_path / "hat.jpg")
    [(batch, _)] = take(config(str(tmp_path), batch=1, augment=AugmentConfig(crop="centre")), 1)
    expected = read_pixels(tmp_path / "hat.jpg", SPEC.preprocess)
    assert np.array_equal(batch.pixels_BCHW[0].permute(1, 2, 0).numpy(), expected)
    assert required_side(SPEC.preprocess, AugmentConfig()) == 64
    assert required_side(SPEC.preprocess, AugmentConfig(crop="resized", min_area=0.08)) == 262  # 64 / √(0.08 · 3/4)
