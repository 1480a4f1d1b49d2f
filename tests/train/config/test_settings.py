"""`--set optim.lr=1e-3`: every field of every frozen dataclass by its path, typed by its annotation."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import settings as few
from hypothesis import strategies as st
from training import small_spec

from wordsight.errors import InputError
from wordsight.spec import PlainResNetTower, ResNetTower
from wordsight.train.config import (
    AugmentConfig,
    DataConfig,
    ObjectiveConfig,
    OptimConfig,
    TrainConfig,
    TuningConfig,
    WatchConfig,
    ZeroShotConfig,
    settings,
)

CONFIG = TrainConfig(model=small_spec(), data=DataConfig(pairs=("a.tsv",)), batch=8, steps=3)


def changed(*texts, config=CONFIG):
    return settings.apply(config, texts)


@pytest.mark.parametrize(
    ("text", "part", "value"),
    [
        ("optim.lr=1e-3", lambda c: c.optim.lr, 1e-3),
        ("batch=1_024", lambda c: c.batch, 1024),
        ("batch=1e4", lambda c: c.batch, 10_000),
        ("objective.mask_duplicates=no", lambda c: c.objective.mask_duplicates, False),
        ("objective.name=nt_xent", lambda c: c.objective.name, "nt_xent"),
        ("optim.clip=none", lambda c: c.optim.clip, None),
        ("data.pairs=a.tsv, b.tsv", lambda c: c.data.pairs, ("a.tsv", "b.tsv")),
        ("data.pairs=s/{00000..00009}.tar,{x,y}.csv", lambda c: c.data.pairs, ("s/{00000..00009}.tar", "{x,y}.csv")),
        ('data.pairs=["one, two.csv"]', lambda c: c.data.pairs, ("one, two.csv",)),
        ("data.pairs=[ab].tar", lambda c: c.data.pairs, ("[ab].tar",)),
        ("tuning.alphas=0,.5,1", lambda c: c.tuning.alphas, (0.0, 0.5, 1.0)),
        ("tuning.alphas=", lambda c: c.tuning.alphas, ()),
        ("data.text_columns=none", lambda c: c.data.text_columns, None),
        ("model.image.width=96", lambda c: c.model.image.width, 96),
        ("model.preprocess.mean=0,0.5,1", lambda c: c.model.preprocess.mean, (0.0, 0.5, 1.0)),
        ("model.name=a=b", lambda c: c.model.name, "a=b"),
        ('watch.zero_shot={"images": "x", "limit": 3}', lambda c: c.watch.zero_shot.limit, 3),
    ],
)
def test_a_setting_is_read_by_its_fields_type(text, part, value):
    seen = part(changed(text))
    assert seen == value
    assert type(seen) is type(value)


def test_only_what_is_set_changes_and_the_last_one_holds():
    config = changed("optim.lr=1", "optim.lr=2", "seed=5")
    assert config == dataclasses.replace(CONFIG, optim=OptimConfig(lr=2.0), seed=5)
    assert CONFIG.seed == 0


def test_a_part_that_was_none_comes_into_being():
    config = changed("watch.zero_shot.limit=5", "watch.zero_shot.images=x", "watch.zero_shot.classes.tee=T-shirt")
    assert config.watch.zero_shot == ZeroShotConfig(images="x", limit=5, classes={"tee": "T-shirt"})
    assert changed("watch.zero_shot=none", config=config).watch.zero_shot is None
    with pytest.raises(InputError, match=r"watch\.zero_shot\.images is not set; ZeroShotConfig needs images"):
        changed("watch.zero_shot.limit=5")


def test_setting_a_whole_forgets_what_was_set_of_its_parts():
    config = changed("watch.zero_shot.limit=5", 'watch.zero_shot={"images": "y"}', "watch.zero_shot.limit=7")
    assert config.watch.zero_shot == ZeroShotConfig(images="y", limit=7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optim.lrr=2", r"There is no setting 'optim\.lrr'; OptimConfig has lr, .*Did you mean: optim\.lr"),
        ("lr=2", r"There is no setting 'lr'; .* Did you mean: optim\.lr\?"),
        ("optm.lr=2", "There is no setting 'optm'"),
        ("optim.lr.x=3", r"optim\.lr is 0\.0005, which has no parts; set optim\.lr itself"),
        ("batch", "'batch' is not KEY=VALUE; expected something like optim.lr=1e-3"),
        ("=3", "'=3' is not KEY=VALUE"),
        ("optim.lr=fast", r"optim\.lr is 'fast', expected a number"),
        ("optim.lr=nan", "expected a number"),
        ("batch=2.5", "batch is '2.5', expected a whole number"),
        ("steps=many", "steps is 'many', expected a whole number or none"),
        ("objective.name=infonce", r"expected one of info_nce, .*Did you mean: info_nce\?"),
        ("objective.mask_duplicates=maybe", "expected true or false"),
        ("model.image.arch=resnet", r"model\.image\.arch is 'resnet', expected one of vit"),
        ("tuning.alphas=0,x", r"tuning\.alphas\[1\] is 'x', expected a number"),
        ("model.preprocess.mean=1,2", "'1,2', 2 values; expected 3 values with commas between"),
        ("data.augment=strong", "expected an object as JSON, or its parts one by one"),
        ('watch.zero_shot={"image": 3}', r"There is no setting 'watch\.zero_shot\.image'"),
        ('watch.zero_shot={"images": 3}', r"watch\.zero_shot\.images is 3, expected text"),
    ],
)
def test_a_wrong_setting_is_told_with_what_was_expected(text, message):
    with pytest.raises(InputError, match=message):
        changed(text)


TOWERS = st.sampled_from([
    small_spec().image,
    ResNetTower(image_size=16, width=8, layers=(1, 1, 1, 1), heads=4),
    PlainResNetTower(image_size=16, width=8, layers=(1, 1, 1, 1), block="basic"),
])  # fmt: skip
WORDS = st.text(st.characters(codec="utf-8"), max_size=8)
NAMES = st.text("abc_", min_size=1, max_size=4)
SHARES = st.floats(0, 1)
ZERO_SHOT = st.builds(
    ZeroShotConfig, images=WORDS, image_column=st.none() | WORDS, classes=st.dictionaries(NAMES | WORDS, WORDS),
    templates=st.lists(WORDS).map(tuple), limit=st.none() | st.integers(1, 99),
)  # fmt: skip
CONFIGS = st.builds(
    TrainConfig,
    model=st.builds(
        small_spec, image=TOWERS, name=WORDS, logit_bias=st.none() | st.floats(-20, 0),
        provenance=st.dictionaries(st.sampled_from(["preprocess.mean", "x"]), WORDS),
    ),
    data=st.builds(DataConfig, pairs=st.lists(WORDS).map(tuple), text_columns=st.none() | st.lists(WORDS).map(tuple),
                   augment=st.builds(AugmentConfig, flip=SHARES)),
    batch=st.integers(1, 99),
    epochs=st.none() | SHARES,
    objective=st.builds(ObjectiveConfig, name=st.sampled_from(["sigmoid", "caption"]), mask_duplicates=st.booleans()),
    optim=st.builds(OptimConfig, lr=SHARES, clip=st.none() | SHARES),
    tuning=st.builds(TuningConfig, start=st.none() | WORDS, alphas=st.lists(SHARES).map(tuple),
                     forgetting=st.none() | ZERO_SHOT),
    watch=st.builds(WatchConfig, zero_shot=st.none() | ZERO_SHOT),
)  # fmt: skip


@few(max_examples=40, deadline=None)
@given(CONFIGS)
def test_any_config_can_be_written_and_read_again(config):
    assert settings.from_json(TrainConfig, settings.to_json(config)) == config


@few(max_examples=40, deadline=None)
@given(CONFIGS)
def test_the_list_of_settings_gives_the_config_again(config):
    assert settings.apply(config, settings.to_lines(config)) == config


@few(max_examples=40, deadline=None)
@given(CONFIGS, CONFIGS)
def test_differences_lead_from_one_config_to_the_other(first, second):
    told = settings.differences(first, second)
    assert bool(told) == (first != second)
    for key, (one, other) in told.items():
        assert settings.flatten(first).get(key) == one
        assert settings.flatten(second).get(key) == other


def test_differences_name_the_keys():
    assert settings.differences(CONFIG, changed("optim.lr=1", "batch=9")) == {
        "batch": (8, 9), "optim.lr": (5e-4, 1.0)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "The whole is \\[\\], expected an object"),
        ('{"batch": 3}', "model is not set; TrainConfig needs model, data, batch"),
        (settings.to_json(CONFIG).replace('"seed"', '"sead"'), "There is no setting 'sead'"),
        (settings.to_json(CONFIG).replace('"arch": "vit"', '"arch": "mlp"'), "model.image is .*, which is none of Vit"),
        (settings.to_json(CONFIG).replace('"batch": 8', '"batch": "8"'), "batch is '8', expected a whole number"),
    ],
)
def test_json_that_is_no_config_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        settings.from_json(TrainConfig, text)


def test_fields_that_json_lacks_have_their_defaults():
    old = settings.to_json(CONFIG).replace('"seed": 0,', "")
    assert settings.from_json(TrainConfig, old) == CONFIG


@dataclass(frozen=True)
class Stage:
    kind: Literal["stage"] = "stage"
    lr: float = 0.1


@dataclass(frozen=True)
class Fetch:
    kind: Literal["fetch"] = "fetch"
    url: str = ""


@dataclass(frozen=True)
class Own:
    """A recipe's own settings, as `recipes/mini.py` has them."""

    work: Path
    first: Stage | Fetch | None = None
    shares: dict[str, float] = field(default_factory=dict)
    train: TrainConfig = CONFIG
    note: str | int = "x"


@dataclass(frozen=True)
class Odd:
    call: object = None


def test_a_recipes_own_dataclass_serves_as_well():
    own = Own(Path("a"), first=Stage())
    config = changed("work=b/c", "first.lr=2", "shares.x=0.5", "train.optim.lr=1", "note=7", config=own)
    assert (config.work, config.first, config.shares) == (Path("b/c"), Stage(lr=2.0), {"x": 0.5})
    assert (config.train.optim.lr, config.note) == (1.0, 7)
    assert settings.from_json(Own, settings.to_json(own)) == own
    assert changed('first={"kind": "fetch", "url": "u"}', config=own).first == Fetch(url="u")
    with pytest.raises(InputError, match=r"first is \{'kind': 'x'\}, which is none of Stage, Fetch"):
        changed('first={"kind": "x"}', config=own)
    with pytest.raises(InputError, match=r"call is 'f', expected .*change it in the recipe"):
        changed("call=f", config=Odd())


def test_stored_settings_keep_their_former_names():
    zero_shot = ZeroShotConfig(images="held-out", limit=3)
    config = dataclasses.replace(
        CONFIG, watch=WatchConfig(zero_shot=zero_shot), tuning=TuningConfig(forgetting=zero_shot)
    )
    stored = settings.to_json(config)
    former = stored.replace('"images": "held-out"', '"pictures": "held-out"')
    assert former.count("pictures") == 2
    assert settings.from_json(TrainConfig, former) == config
    with pytest.raises(InputError, match=r"There is no setting 'watch\.zero_shot\.pictures'"):
        changed("watch.zero_shot.pictures=held-out")
