"""Tuning a finished model: what it begins with, what of it learns, what comes out, what was forgotten."""

import dataclasses
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from training import Notes, small_run, small_spec, write_squares

import wordsight
from wordsight.checkpoint import Checkpoint
from wordsight.cli import group
from wordsight.errors import CheckpointError, InputError
from wordsight.nn.clip import CLIP, to_tensors
from wordsight.nn.vit import VisionTransformer
from wordsight.spec import PlainResNetTower
from wordsight.train.batch import Batch, Ids
from wordsight.train.config import AugmentConfig, ObjectiveConfig, TuningConfig, WatchConfig, ZeroShotConfig
from wordsight.train.config.checks import check_config
from wordsight.train.config.settings import to_json
from wordsight.train.finetune import tuning
from wordsight.train.finetune.tuning import open_tokenizer, prepare, read_start, start_spec
from wordsight.train.finetune.wise_ft import interpolate
from wordsight.train.loop import train
from wordsight.train.networks import build_network
from wordsight.train.optim import build_optimizer, set_rate
from wordsight.weights.read import read_checkpoint
from wordsight.weights.write import write_checkpoint

LOCKED = {"image": "locked", "text": "full"}
LORA = {"image": "lora", "text": "lora", "lora_rank": 4}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """Squares in a folder for each colour: what the start knows."""
    folder = tmp_path_factory.mktemp("known")
    for line in write_squares(folder / "all", count=24, seed=7).read_text().splitlines()[1:]:
        file, caption = line.split("\t")
        (folder / "classes" / caption.split()[1]).mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "all" / file, folder / "classes" / caption.split()[1] / file)
    return ZeroShotConfig(images=str(folder / "classes"), templates=("a {} square",))


@pytest.fixture(autouse=True)
def no_curves(monkeypatch):
    """To draw the curves takes longer than any of these runs."""
    monkeypatch.setattr("wordsight.train.monitor.curves.Curves.on_end", lambda self, result: None)


@pytest.fixture(scope="module")
def start(table, tmp_path_factory):
    """A model that learnt colours, as a folder."""
    folder = tmp_path_factory.mktemp("start") / "colours"
    config = small_run(table, steps=60, batch=16, optim__lr=3e-3)
    train(config, folder)
    return folder


def tuned(table, start, *, steps=3, **changes):
    """The config of a run that tunes the start; `tuning` and other parts by keyword."""
    parts = dict(changes.pop("tuning", {}))
    return dataclasses.replace(
        small_run(table, steps=steps, **changes),
        model=changes.get("model", start_spec(str(start))),
        tuning=TuningConfig(start=str(start), **parts),
    )


def prepared(config):
    begun = read_start(config)
    network = build_network(config, open_tokenizer(config, begun))
    prepare(network, config, begun)
    return network.train(), begun


def batch_of(spec, count=4):
    chance = torch.Generator().manual_seed(0)
    size = spec.preprocess.image_size
    pixels = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=chance)
    tokens = torch.tensor([[49406, 320 + i, 49407] for i in range(count)])
    ids = torch.arange(count)
    return Batch(pixels_BCHW=pixels, tokens_BT=tokens, ids=Ids(ids, ids), keys=tuple(map(str, range(count))))


def same(one, other):
    return all(np.array_equal(np.asarray(one[name], np.float32), other[name]) for name in one | other)


@pytest.mark.parametrize("parts", [{}, LOCKED, LORA, {"image": "full", "text": "locked"}])
def test_a_run_begins_with_the_weights_of_its_start(table, start, parts):
    network, begun = prepared(tuned(table, start, tuning=parts))
    assert same(dict(begun.tensors), network.checkpoint_tensors())


def test_a_rate_of_0_gives_the_start_again(table, start, tmp_path, known):
    config = tuned(table, start, tuning={**LORA, "forgetting": known, "keep": 1.0}, optim__lr=0.0)
    result = train(config, tmp_path / "run")
    before, after = read_checkpoint(start), read_checkpoint(tmp_path / "run")
    assert same(dict(before.tensors), dict(after.tensors))
    assert after.spec.facts() == before.spec.facts()
    assert result.notes["verdict"].kept == 1
    assert result.notes["verdict"].good
    assert result.figures["original"] == result.figures["original_before"]


def test_a_locked_tower_learns_nothing_and_keeps_nothing_for_the_way_back(table, start, tmp_path):
    config = tuned(table, start, tuning=LOCKED)
    network, begun = prepared(config)
    features = network(*network.inputs(batch_of(config.model)))
    assert not features.first.requires_grad
    assert features.second.requires_grad
    notes = Notes()
    train(config, tmp_path / "run", watchers=[notes])
    after = read_checkpoint(tmp_path / "run").tensors
    moved = {name for name, tensor in begun.tensors.items() if not np.array_equal(tensor, after[name])}
    assert not any(name.startswith("visual.") for name in moved)
    assert {"text_projection", "logit_scale", "transformer.resblocks.0.attn.in_proj_weight"} <= moved
    assert notes.facts.trainable == sum(t.size for n, t in begun.tensors.items() if not n.startswith("visual."))


def test_in_parts_a_locked_tower_gives_the_same_gradient(table, start, tmp_path):
    whole = tuned(table, start, tuning=LOCKED, batch=6)
    parts = dataclasses.replace(whole, compute=dataclasses.replace(whole.compute, chunk=2))
    losses = []
    for name, config in (("whole", whole), ("parts", parts)):
        notes = Notes()
        train(config, tmp_path / name, watchers=[notes])
        losses.append(notes.losses)
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_a_locked_tower_sees_each_image_once(table, start, tmp_path, monkeypatch):
    seen = []
    tower = VisionTransformer.forward

    def counted(self, pixels_BCHW):
        seen.append(len(pixels_BCHW))
        return tower(self, pixels_BCHW)

    monkeypatch.setattr(VisionTransformer, "forward", counted)
    config = tuned(table, start, steps=12, batch=16, tuning=LOCKED, data__augment=AugmentConfig(crop="centre"))
    notes, usual = Notes(), Notes()
    train(config, tmp_path / "run", watchers=[notes])
    assert sum(seen) == 48  # of 12 × 16
    monkeypatch.setattr("wordsight.train.finetune.tuning._cache_features", lambda clip, all_of_it: None)
    train(config, tmp_path / "usual", watchers=[usual])
    assert notes.losses == pytest.approx(usual.losses, abs=1e-4)


def test_batch_norms_of_a_locked_tower_stand_still(tmp_path, table):
    image = PlainResNetTower(image_size=16, width=4, block="basic", layers=(1, 1, 1, 1))
    spec = small_spec(image=image)
    torch.manual_seed(0)
    model = CLIP(spec)
    write_checkpoint(Checkpoint(spec, to_tensors(model.state_dict())), tmp_path / "start", "wordsight")
    for image_learns in ("locked", "full"):
        network, begun = prepared(tuned(table, tmp_path / "start", tuning={"image": image_learns}))
        network.eval()
        network.train()  # as after each measuring
        network(*network.inputs(batch_of(spec)))
        after = network.checkpoint_tensors()
        same_mean = np.array_equal(begun.tensors["visual.bn1.running_mean"], after["visual.bn1.running_mean"])
        assert same_mean == (image_learns == "locked")


def test_a_locked_text_tower(table, start, tmp_path):
    network, _ = prepared(tuned(table, start, tuning={"text": "locked"}))
    learning = {name for name, p in network.named_parameters() if p.requires_grad}
    assert all(name.startswith("clip.visual.") for name in learning - {"clip.logit_scale"})


def test_adapters_are_folded_into_the_finished_model(table, start, tmp_path):
    config = tuned(table, start, tuning=LORA, optim__lr=1e-2)
    network, _ = prepared(config)
    learning = [name for name, p in network.named_parameters() if p.requires_grad]
    assert all(".lora_" in name for name in learning if name != "clip.logit_scale")
    notes = Notes()
    train(config, tmp_path / "run", watchers=[notes])
    before, after = read_checkpoint(start), read_checkpoint(tmp_path / "run")
    assert set(before.tensors) == set(after.tensors)
    change = after.tensors["visual.transformer.resblocks.0.mlp.c_fc.weight"] - np.asarray(
        before.tensors["visual.transformer.resblocks.0.mlp.c_fc.weight"]
    )
    assert 0 < np.linalg.matrix_rank(change.astype(np.float64), tol=1e-5) <= 4
    assert np.array_equal(after.tensors["token_embedding.weight"], before.tensors["token_embedding.weight"])
    assert notes.facts.trainable < 0.1 * notes.facts.parameters
    assert wordsight.load(tmp_path / "run").embed_texts("a red square").shape == (1, 16)


@pytest.mark.parametrize("parts", [LORA, LOCKED])
def test_a_resumed_run_ends_the_same(table, start, tmp_path, parts):
    config = tuned(table, start, steps=4, tuning=parts, watch__save_every=2, watch__keep=9)
    train(config, tmp_path / "whole")
    (tmp_path / "half").mkdir()
    shutil.copy(tmp_path / "whole" / "config.json", tmp_path / "half")
    saved = tmp_path / "whole" / "checkpoints" / "step_00000002"
    shutil.copytree(saved, tmp_path / "half" / "checkpoints" / saved.name)
    train(config, tmp_path / "half", resume=True)
    whole, half = (read_checkpoint(tmp_path / name).tensors for name in ("whole", "half"))
    assert same(dict(whole), dict(half))


def test_only_the_image_tower_is_taken(table, start):
    spec = small_spec(text=dataclasses.replace(small_spec().text, layers=1))  # another text tower than the start's
    config = dataclasses.replace(tuned(table, start, tuning={"take": "image", "image": "locked"}), model=spec)
    network, begun = prepared(config)
    tensors = network.checkpoint_tensors()
    assert np.array_equal(tensors["visual.proj"], begun.tensors["visual.proj"])
    assert not np.array_equal(tensors["text_projection"], begun.tensors["text_projection"])


def test_a_sigmoid_run_begins_with_the_scale_and_bias_of_its_loss(table, start):
    network, begun = prepared(tuned(table, start, objective=ObjectiveConfig(name="sigmoid")))
    assert network.clip.logit_bias.item() == -10
    assert network.clip.logit_scale.item() == pytest.approx(np.log(10))
    assert np.array_equal(network.checkpoint_tensors()["visual.proj"], begun.tensors["visual.proj"])


def test_each_layer_of_a_tuned_model_moves_less_than_the_one_above(table, start):
    # AdamW's first step moves each weight by its rate, whatever its gradient.
    config = tuned(table, start, optim__layer_decay=0.5, optim__weight_decay=0.0, optim__lr=1e-2, optim__eps=1e-12)
    network, begun = prepared(config)
    optimizer = build_optimizer(network, config.optim)
    set_rate(optimizer, 1e-2)
    features = network(*network.inputs(batch_of(config.model)))
    (features.first * features.second).sum().backward()
    optimizer.step()
    after = network.checkpoint_tensors()

    def moved(name):
        return np.abs(after[name] - np.asarray(begun.tensors[name])).max()

    assert moved("visual.proj") == pytest.approx(1e-2, rel=1e-2)
    assert moved("visual.transformer.resblocks.1.mlp.c_fc.weight") == pytest.approx(5e-3, rel=1e-2)
    assert moved("visual.transformer.resblocks.0.mlp.c_fc.weight") == pytest.approx(2.5e-3, rel=1e-2)
    assert moved("visual.conv1.weight") == pytest.approx(1.25e-3, rel=1e-2)
    assert moved("transformer.resblocks.0.mlp.c_fc.weight") == pytest.approx(2.5e-3, rel=1e-2)


def test_layer_decay_counts_the_layers_of_adapters_too(table, start):
    config = tuned(table, start, tuning=LORA, optim__layer_decay=0.5)
    network, _ = prepared(config)
    names = {id(p): name for name, p in network.named_parameters()}
    rates = {
        names[id(p)]: g["lr_scale"] for g in build_optimizer(network, config.optim).param_groups for p in g["params"]
    }
    assert rates["clip.visual.transformer.resblocks.1.mlp.c_fc.lora_A.default.weight"] == 0.5
    assert rates["clip.visual.transformer.resblocks.0.attn.q_proj.lora_B.default.weight"] == 0.25


def test_the_share_that_does_best_is_kept(table, start, tmp_path, known):
    alphas = (0.0, 0.5, 1.0)
    config = tuned(table, start, steps=4, optim__lr=1e-2, watch=WatchConfig(zero_shot=known), tuning={"alphas": alphas})
    result = train(config, tmp_path / "mixed")
    train(dataclasses.replace(config, tuning=TuningConfig(start=str(start))), tmp_path / "plain")
    tried = result.notes["α tried"]
    assert tuple(one.alpha for one in tried) == alphas
    best = max(tried, key=lambda one: (one.target.value, -one.alpha))
    assert result.notes["α"] == best.alpha
    assert result.figures["zero_shot"] == best.target
    between = interpolate(read_checkpoint(start).tensors, read_checkpoint(tmp_path / "plain").tensors, best.alpha)
    assert same(between, dict(read_checkpoint(tmp_path / "mixed").tensors))


def test_other_shares_can_be_tried_when_the_run_is_done(table, start, tmp_path, known):
    config = tuned(table, start, watch=WatchConfig(zero_shot=known), tuning={"alphas": (1.0,)}, optim__lr=1e-2)
    train(config, tmp_path / "run")
    other = dataclasses.replace(config, tuning=dataclasses.replace(config.tuning, alphas=(0.0,)))
    assert train(other, tmp_path / "run", resume=True).notes["α"] == 0
    assert same(dict(read_checkpoint(start).tensors), dict(read_checkpoint(tmp_path / "run").tensors))


def wrong_captions(table, folder):
    """The same images, each with the name of another colour: who learns this forgets."""
    names = ["red", "green", "blue", "yellow", "black", "white", "purple", "orange"]
    lines = table.read_text().splitlines()
    rows = [lines[0]]
    for line in lines[1:]:
        file, caption = line.split("\t")
        name = caption.split()[1]
        other = names[(names.index(name) + 1) % len(names)]
        rows.append(f"{table.parent / file}\t{caption.replace(name, other)}")
    folder.mkdir(parents=True)
    (folder / "wrong.tsv").write_text("\n".join(rows) + "\n")
    return folder / "wrong.tsv"


def write_recipe(folder, config):
    """A recipe of a config, which lies beside it."""
    (folder / "tune.json").write_text(to_json(config))
    (folder / "tune.py").write_text(
        "import pathlib\n"
        "from wordsight.train.config import TrainConfig\n"
        "from wordsight.train.config.settings import from_json\n"
        "def recipe():\n"
        "    return from_json(TrainConfig, pathlib.Path(__file__).with_name('tune.json').read_text())\n"
    )
    return str(folder / "tune.py")


@pytest.mark.filterwarnings("default::wordsight.errors.WordsightWarning")
def test_a_run_that_forgets_is_not_called_good(table, start, tmp_path, known):
    wrong = wrong_captions(table, tmp_path / "wrong")
    config = tuned(wrong, start, steps=20, batch=16, optim__lr=3e-3, tuning={"forgetting": known, "keep": 0.9})
    recipe = write_recipe(tmp_path, config)
    done = CliRunner().invoke(group, ["train", recipe, "--folder", str(tmp_path / "run")])
    assert done.exit_code == 1, done.output
    assert "verdict: not good:" in done.output
    assert "what to try: " in done.output
    wordsight.load(tmp_path / "run")  # the model is there all the same


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["ddp", "fsdp"])
def test_two_processes_tune_as_one(table, start, tmp_path, known, sharding):
    parts = {**LORA, "alphas": (0.5, 1.0), "forgetting": known, "keep": 0.0}
    config = tuned(table, start, steps=4, compute__sharding=sharding, watch__zero_shot=known, tuning=parts)
    train(config, tmp_path / "one")
    recipe, folder = write_recipe(tmp_path, config), tmp_path / "two"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, "-m", "wordsight", "train", recipe, "--folder", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("verdict: good") == 1
    one, two = (read_checkpoint(tmp_path / name).tensors for name in ("one", "two"))
    for name, tensor in one.items():
        np.testing.assert_allclose(tensor, two[name], atol=2e-4, err_msg=name)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"image": "locked"},
            r"tuning.image is locked, but the run starts from randomly initialised weights; name the model to",
        ),
        ({"alphas": (0.5,)}, r"tuning.alphas is \(0.5,\), but the run starts from randomly initialised weights"),
        ({"start": "mini", "image": "locked", "text": "locked"}, r"are both 'locked', so nothing learns"),
        ({"start": "mini", "image": "lora", "lora_rank": 0}, r"tuning.lora_rank is 0, expected 1 or more"),
        ({"start": "mini", "alphas": (1.5,)}, r"tuning.alphas has 1.5, expected 0 to 1"),
        ({"start": "mini", "keep": -1.0}, r"tuning.keep has -1, expected 0 to 1"),
        ({"start": "mini", "alphas": (0.5,)}, r"tuning.alphas are to be chosen from, but watch.zero_shot, .* is none"),
        (
            {"start": "mini", "take": "image", "text": "lora"},
            r"the text tower is randomly initialised, and tuning.t",
        ),
    ],
)
def test_settings_that_contradict_each_other(parts, message):
    with pytest.raises(InputError, match=message):
        check_config(dataclasses.replace(small_run("pairs.tsv"), tuning=TuningConfig(**parts)))


def test_objectives_without_two_towers_begin_with_nothing():
    config = small_run("pairs.tsv", objective=ObjectiveConfig(name="caption"))
    with pytest.raises(InputError, match=r"objective.name is 'caption', but tuning.start \('mini'\) is a model of two"):
        check_config(dataclasses.replace(config, tuning=TuningConfig(start="mini")))


def test_a_run_with_another_spec_than_its_start_is_refused(table, start):
    other = small_spec(embed_dim=8, text=dataclasses.replace(small_spec().text, activation="gelu"))
    config = dataclasses.replace(tuned(table, start), model=other)
    with pytest.raises(
        InputError,
        match=r"not that of tuning.start .*embed_dim is 16 there, 8 here; text.activation is 'quick_gelu' there, "
        r"'gelu' here. Give the run its spec: model=start_spec",
    ):
        read_start(config)


def test_quantised_weights_cannot_learn(table, start, monkeypatch):
    begun = read_checkpoint(start)
    whole = {**begun.tensors, "visual.proj": np.zeros((32, 16), np.int8)}
    config = tuned(table, start)
    monkeypatch.setattr(tuning, "read_checkpoint", lambda name: dataclasses.replace(begun, tensors=whole))
    with pytest.raises(CheckpointError, match=r"is quantised \(visual.proj holds whole numbers\), and such weights"):
        read_start(config)


def test_the_bundled_model_is_tuned_with_its_own_tokenizer(tmp_path, table):
    config = tuned(table, "mini", steps=1, batch=2, tuning=LORA, optim__lr=0.0)
    train(config, tmp_path / "run")
    mini, run = (wordsight.load(name, precision="f32") for name in ("mini", tmp_path / "run"))
    assert run.tokenizer(["a photo of a cat"]).ids.tolist() == mini.tokenizer(["a photo of a cat"]).ids.tolist()
    texts = ["a photo of a cat", "Nike Men's running shoes"]
    assert np.allclose(mini.embed_texts(texts), run.embed_texts(texts), atol=1e-3)
    assert run.spec.licence == mini.spec.licence
    assert run.spec.provenance["weights"].startswith("tuned from mini")
    assert (repr(run), run.spec.name) == ("<Model run, openvino f32>", "run")  # not mini, which it was made of
