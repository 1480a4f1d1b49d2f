"""The table of objectives: every dispatch that depends on an objective has an answer for each entry."""

import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
from training import small_run, small_spec

from wordsight.errors import InputError
from wordsight.spec import ModelSpec
from wordsight.text.tokenizer import Tokenizer
from wordsight.train.config import OBJECTIVES, ObjectiveConfig, ObjectiveName
from wordsight.train.config.checks import check_config, check_tuning
from wordsight.train.config.objectives import NetworkName, get_traits
from wordsight.train.data.decode import Decoder
from wordsight.train.loss.objectives import LOSSES, build_objective
from wordsight.train.monitor.baseline import chance_loss, chance_words
from wordsight.train.networks import NETWORKS, build_network

each_objective = pytest.mark.parametrize("name", list(OBJECTIVES))


def run_of(name, **changes):
    return small_run("x.tsv", objective=ObjectiveConfig(name=name), **changes)


def test_the_table_its_losses_and_its_networks_have_the_same_names():
    assert list(OBJECTIVES) == list(get_args(ObjectiveName)) == list(LOSSES)
    assert list(NETWORKS) == list(get_args(NetworkName))
    assert {traits.network for traits in OBJECTIVES.values()} == set(NETWORKS)


def test_the_table_loads_without_torch():
    code = "import sys, wordsight.train.config; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@each_objective
def test_settings_of_a_loss_are_settings_of_the_objective(name):
    config = ObjectiveConfig(name=name)
    assert all(hasattr(config, setting) for setting in OBJECTIVES[name].settings)
    assert build_objective(config).separable == OBJECTIVES[name].separable


@each_objective
def test_the_network_has_what_the_table_says(name):
    traits = OBJECTIVES[name]
    tokenizer = Tokenizer(small_spec().tokenizer, {})
    network = build_network(run_of(name), tokenizer)
    assert isinstance(network, NETWORKS[traits.network])
    assert hasattr(network, "clip") == traits.embeds_texts == traits.learns_scale
    learned = {parameter for parameter, tensor in network.named_parameters() if tensor.requires_grad}
    assert any("logit_bias" in parameter for parameter in learned) == traits.learns_bias
    assert isinstance(network.spec, ModelSpec)


@each_objective
def test_the_decoder_draws_as_many_views_as_the_table_says(name):
    decoder = Decoder(run_of(name), Tokenizer(small_spec().tokenizer, {}))
    assert decoder.views == OBJECTIVES[name].views


@each_objective
def test_the_chance_level_is_known_exactly_where_rows_are_compared(name):
    config = run_of(name)
    assert (chance_loss(config) is not None) == OBJECTIVES[name].needs_negatives
    assert (chance_loss(config, np.full(config.batch, 3)) is not None) == OBJECTIVES[name].needs_negatives
    assert str(config.batch) in chance_words(config, config.batch - 1) or name == "nt_xent"


@each_objective
def test_settings_are_checked_as_the_table_says(name):
    traits = OBJECTIVES[name]
    if traits.needs_negatives:
        with pytest.raises(InputError, match="batch is 1"):
            check_config(run_of(name, batch=1))
    if not traits.embeds_texts:
        with pytest.raises(InputError, match="tune it with info_nce or sigmoid"):
            check_tuning(run_of(name, tuning__start="mini"))


def test_an_unknown_name_says_what_was_likely_meant():
    with pytest.raises(InputError, match=r"is 'captions', expected one of info_nce, .* Did you mean: caption"):
        get_traits("captions")
