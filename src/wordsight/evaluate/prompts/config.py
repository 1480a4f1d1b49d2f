"""Configuration of a study of prompts, checked before any image is embedded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from wordsight.arguments import check_count
from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.prompts.files import read_cupl, read_dclip
from wordsight.evaluate.prompts.naming import add_kind, apply_renames
from wordsight.evaluate.prompts.prompt_set import PromptSet, check_single_label
from wordsight.evaluate.prompts.pruning import Pruning
from wordsight.zeroshot.class_embeddings import Floats
from wordsight.zeroshot.templates import PHOTO, resolve_templates

SEEDS = 5


@dataclass(frozen=True, kw_only=True)
class PromptStudyConfig:
    """Prompts that are tried on a set besides the one baseline template.

    templates: sets by name, single templates and files, each an ensemble; those that come with the set are added.
    cupl, dclip: prompt files. renames: "crane=crane bird". kind: a category for ", a type of {kind}". prune: choose
    fewer templates of each ensemble. control: "waffle" compares each with as many random prompts of `seeds` seeds.
    bank_MD: unit vectors of unrelated images, for ZPE's weights.
    """

    templates: tuple[str | Path, ...] = ("imagenet-7",)
    baseline: str = PHOTO
    cupl: tuple[Path, ...] = ()
    dclip: tuple[Path, ...] = ()
    renames: tuple[str, ...] = ()
    kind: str | None = None
    prune: Pruning | None = None
    control: Literal["waffle"] | None = None
    seeds: int = SEEDS
    bank_MD: Floats | None = field(default=None, repr=False, compare=False)
    seed: int = 0


def check_study(data: LabelledSet, config: PromptStudyConfig) -> None:
    """Raise InputError for what a study of the set cannot be done with, before its images are embedded."""
    check_single_label(data.name, data.labels)
    check_count("seeds", config.seeds, least=1, meaning="random prompt sets to compare with")
    resolve_templates((config.baseline,))
    sets = collect_sets(data, config)
    if config.prune is not None and not any(len(prompts.templates) > 1 for prompts in sets):
        raise InputError("There is no set of several templates to prune; give one such as imagenet-80.")
    apply_renames(data.classnames, config.renames)
    if config.kind is not None:
        add_kind((config.baseline,), config.kind)


def collect_sets(data: LabelledSet, config: PromptStudyConfig) -> list[PromptSet]:
    """Prompt sets in the order asked for, under names that differ."""
    sets = [
        PromptSet.of_templates(str(templates), data.classnames, resolve_templates(templates))
        for templates in config.templates
    ]
    if data.templates:
        sets.append(PromptSet.of_templates("the dataset's own", data.classnames, data.templates))
    sets += [read_cupl(path, data.classnames) for path in config.cupl]
    sets += [read_dclip(path, data.classnames) for path in config.dclip]
    return _name_apart(sets)


def _name_apart(sets: Sequence[PromptSet]) -> list[PromptSet]:
    """The sets, those of a name that is taken with a number behind it."""
    named: dict[str, PromptSet] = {}
    for prompts in sets:
        name, number = prompts.name, 2
        while name in named:
            name, number = f"{prompts.name} ({number})", number + 1
        named[name] = prompts.renamed(name)
    return list(named.values())
