"""Completion on Tab: what a shell is offered, through the protocol that its script speaks."""

import os
import subprocess
import sys

import click
import pytest
from indexing import colour_model
from PIL import Image

from wordsight.cli import COMMANDS, completion, group
from wordsight.cli.eval import SUBCOMMANDS
from wordsight.encoder import BACKENDS, PRECISIONS
from wordsight.evaluate.data_quality.label_errors import METHODS as LABEL_METHODS
from wordsight.evaluate.fewshot.methods import METHODS, PUBLISHED
from wordsight.evaluate.limits.catalogue import TESTS
from wordsight.zeroshot.templates import TEMPLATE_SETS

WORDSIGHT = "import sys; sys.argv[0] = 'wordsight'; from wordsight.cli import main; main()"
HEAVY = "{'numpy', 'PIL', 'torch', 'openvino', 'rich', 'pyarrow', 'lance'}"


def offered(line, *, shell="bash", cwd=None, forbid="set()", **environment):
    """Completions at the end of a line: values of bash's protocol, "file" where the shell completes paths."""
    words = line.split(" ") if '"' not in line else [*line.split('"')[0].split(), line.split('"', 1)[1]]
    code = (
        "import atexit, os, sys\n"
        f"atexit.register(lambda: {forbid} & set(sys.modules) and print('loaded', {forbid} & set(sys.modules)))\n"
        f"{WORDSIGHT}"
    )
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_WORDSIGHT_COMPLETE": f"{shell}_complete"}
    if shell == "fish":
        asked["COMP_CWORD"] = words[-1]
    run = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked | environment, cwd=cwd, capture_output=True, text=True
    )
    assert not run.stderr, run.stderr
    lines = [line for line in run.stdout.splitlines() if line]
    return [line.removeprefix("plain,") for line in lines] if shell == "bash" else lines


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    pytest.importorskip("lance", reason="an index needs: pip install 'wordsight[search]'")
    from wordsight.gallery import Gallery

    place = tmp_path_factory.mktemp("completion") / "index"
    with Gallery.create(place, model=colour_model()) as gallery:
        gallery.add([("a", Image.new("RGB", (9, 9)), {"price": 3, "list price": 4, "brand": "x"})])
        gallery.search(Image.new("RGB", (9, 9)))
    return place


def test_commands_and_options_are_completed():
    assert offered("wordsight cla") == ["classify"]
    assert "--templates" in offered("wordsight classify --t")


def test_models_are_completed_by_name_and_from_the_folder_without_loading_anything(tmp_path):
    (tmp_path / "vit-mine").mkdir()
    (tmp_path / "vit-mine" / "wordsight.json").write_text("{}")
    (tmp_path / "vit-notes").mkdir()
    (tmp_path / "vit.pt").touch()
    found = offered("wordsight search --model vit", cwd=tmp_path, forbid=HEAVY)
    assert found[-2:] == ["vit-mine", "vit.pt"]
    assert {"ViT-B-32/openai", "ViT-B/32"} <= set(found)
    assert "vit-notes" not in found
    assert offered("wordsight doctor mi") == ["mini"]
    assert offered("wordsight classify --model ./vit-n", cwd=tmp_path) == ["file,./vit-n"]


def test_sets_of_templates_are_completed():
    assert offered("wordsight classify --templates imagenet", forbid=HEAVY) == ["imagenet-7", "imagenet-80"]
    assert set(TEMPLATE_SETS) == set(offered("wordsight classify --templates "))


def test_columns_of_the_index_are_completed_within_a_condition_without_opening_lance(index):
    heavy = "{'lance', 'torch', 'openvino', 'PIL', 'rich'}"
    assert offered(f"wordsight search --in {index} --where pri", forbid=heavy) == ["price"]
    found = offered(f'wordsight search --in {index} --where "price < 5 and b')
    assert found == ["price < 5 and brand"]
    assert "price" in offered("wordsight search --where ", WORDSIGHT_INDEX=str(index))
    # a name that a condition must quote would be a command in the shell's own quotes
    assert not [name for name in offered(f"wordsight search --in {index} --where li") if "list" in name]


def test_where_there_is_no_index_nothing_is_offered_and_nothing_is_said(tmp_path):
    assert offered(f"wordsight search --in {tmp_path} --where pri") == []
    assert offered("wordsight search --in s3://bucket/index --where pri") == []


def test_paths_are_left_to_the_shell():
    assert offered("wordsight classify pho") == ["file,pho"]
    assert offered("wordsight index --into sho") == ["dir,sho"]
    assert offered("wordsight search --image ca") == ["file,ca"]


def test_subcommands_of_eval_their_options_and_values_are_completed(tmp_path):
    assert offered("wordsight eval ", forbid=HEAVY) == list(SUBCOMMANDS)
    assert offered("wordsight eval fewshot --met") == ["--methods"]
    assert offered("wordsight eval fewshot --methods tip-adapter-f:", forbid=HEAVY) == ["tip-adapter-f:published"]
    assert offered("wordsight eval pick --models mi") == ["mini"]
    assert offered("wordsight eval zeroshot --templates imagenet", forbid=HEAVY) == ["imagenet-7", "imagenet-80"]
    assert offered("wordsight eval limits --tests co") == ["colour", "counting"]
    assert offered("wordsight eval labels --method z") == ["zero-shot"]
    assert offered("wordsight eval zeroshot pho") == ["file,pho"]


def test_zsh_and_fish_show_what_a_name_means():
    zsh = offered("wordsight classify --templates imagenet-8", shell="zsh")
    assert zsh[:3] == ["plain", "imagenet-80", "80 templates"]
    (fish,) = offered("wordsight doctor ViT-B-32/opena", shell="fish")
    assert fish.split("\t") == ["plain,ViT-B-32/openai", "151 M parameters, ImageNet 63.3 %"]


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_the_script_of_each_shell_is_printed(shell):
    run = subprocess.run([sys.executable, "-c", WORDSIGHT, "completion", shell], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert f"_WORDSIGHT_COMPLETE={shell}_complete" in run.stdout


def test_every_name_that_values_are_offered_for_belongs_to_a_command():
    context = click.Context(group)
    commands = [group.get_command(context, name) for name in COMMANDS]
    evaluation = group.get_command(context, "eval")
    commands += [evaluation.get_command(click.Context(evaluation), name) for name in SUBCOMMANDS]
    named = {name for command in commands for param in command.params for name in (*param.opts, param.name)}
    assert named >= completion.OFFERS.keys()


def test_the_words_of_backends_and_precisions_are_those_there_are():
    assert (completion.BACKENDS, completion.PRECISIONS) == (BACKENDS, PRECISIONS)


def test_the_words_of_eval_are_those_there_are():
    assert (*METHODS, *PUBLISHED) == completion.METHODS
    assert tuple(test.name for test in TESTS) == completion.LIMIT_TESTS
    assert completion.LABEL_METHODS == LABEL_METHODS
