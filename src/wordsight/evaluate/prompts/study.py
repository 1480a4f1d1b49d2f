"""All that is asked about prompts on one labelled set, from features that are computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.embedder import ImageTextEmbedder
from wordsight.evaluate.features import Features
from wordsight.evaluate.prompts import label_free
from wordsight.evaluate.prompts.config import PromptStudyConfig, check_study, collect_sets
from wordsight.evaluate.prompts.control import ControlResult, compare_with_control
from wordsight.evaluate.prompts.long_texts import embed_long_texts
from wordsight.evaluate.prompts.measured import Measured, measure
from wordsight.evaluate.prompts.naming import ConfusedName, add_kind, apply_renames, find_confused_names
from wordsight.evaluate.prompts.prompt_set import (
    PromptSet,
    PromptVectors,
    count_truncated,
    embed_prompts,
)
from wordsight.evaluate.prompts.pruning import PrunedTemplates, prune_templates
from wordsight.evaluate.prompts.senses import Sense, find_wordnet, list_senses
from wordsight.evaluate.prompts.templates_scored import TemplateScores, find_hits, score_templates
from wordsight.metrics import rank_labels
from wordsight.zeroshot.class_embeddings import Floats
from wordsight.zeroshot.logistic import softmax
from wordsight.zeroshot.templates import resolve_templates
from wordsight.zeroshot.transductive import joint_proba


@dataclass(frozen=True)
class PromptStudy:
    """Prompts on one set. Each part is empty where it was not asked for.

    methods: the baseline first, then each prompt set against it. templates, pruned: by prompt set. label_free: against
    the uniform ensemble of the first template set. naming: renames and category, against the same prompts without.
    long_texts: long prompts split and pooled, against truncated. confused: names that go wrong under the baseline;
    senses: those of them that WordNet knows in several senses, where it is installed.
    """

    dataset: str
    dataset_hash: str
    model: str
    images: int
    classes: int
    methods: tuple[Measured, ...]
    templates: Mapping[str, TemplateScores]
    pruned: Mapping[str, PrunedTemplates]
    control: tuple[ControlResult, ...]
    label_free: tuple[Measured, ...]
    naming: tuple[Measured, ...]
    long_texts: tuple[Measured, ...]
    confused: tuple[ConfusedName, ...]
    senses: Mapping[str, tuple[Sense, ...]]

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return {
            "dataset": self.dataset,
            "dataset_hash": self.dataset_hash,
            "model": self.model,
            "images": self.images,
            "classes": self.classes,
            "prompt_sets": [method.to_dict() for method in self.methods],
            "templates": {name: scores.to_dict() for name, scores in self.templates.items()},
            "pruned": {name: pruned.to_dict() for name, pruned in self.pruned.items()},
            "control": [result.to_dict() for result in self.control],
            "label_free": [method.to_dict() for method in self.label_free],
            "naming": [method.to_dict() for method in self.naming],
            "long_texts": [method.to_dict() for method in self.long_texts],
            "confused_names": [name.to_dict() for name in self.confused],
            "senses": {name: [sense.to_dict() for sense in own] for name, own in self.senses.items()},
        }


def study_prompts(
    model: ImageTextEmbedder, data: LabelledSet, features: Features, config: PromptStudyConfig
) -> PromptStudy:
    """Measure what a config asks on the images of a set that can be read and have a label.

    features: of the set by the model (`embed_set`). Raises: InputError as `check_study`.
    """
    return _Study(model, data, features, config).run()


class _Study:
    """The images, labels and prompt sets that all parts share."""

    def __init__(
        self, model: ImageTextEmbedder, data: LabelledSet, features: Features, config: PromptStudyConfig
    ) -> None:
        check_study(data, config)
        self.model, self.config, self.data = model, config, data
        label_N = features.of(data).labels
        known_N = label_N >= 0
        self.image_ND: Floats = features.image_MD[known_N]
        self.label_N: NDArray[np.int64] = label_N[known_N]
        if not len(self.label_N):
            raise InputError(f"No image of {data.name!r} that can be read has a label, so no prompt can be scored.")
        baseline = resolve_templates((config.baseline,))
        self.baseline = PromptSet.of_templates(f'"{config.baseline}"', data.classnames, baseline)
        self.sets = collect_sets(data, config)
        self.vectors: dict[str, PromptVectors] = {}

    def run(self) -> PromptStudy:
        """Measure part by part."""
        first = next((prompts for prompts in self.sets if len(prompts.templates) > 1), None)
        baseline_KD = self._embed(self.baseline).class_vectors()
        confused = find_confused_names(self.data.classnames, baseline_KD, self.image_ND, self.label_N)
        wordnet = find_wordnet()
        senses = {each.name: list_senses(each.name, wordnet) for each in confused}
        return PromptStudy(
            dataset=self.data.name,
            dataset_hash=self.data.content_hash,
            model=self.model.name,
            images=len(self.label_N),
            classes=len(self.data.classnames),
            methods=self._measure_sets(),
            templates={prompts.name: self._score(prompts) for prompts in self.sets if len(prompts.templates) > 1},
            pruned=self._prune(),
            control=self._control(),
            label_free=self._label_free(first or self.baseline),
            naming=self._naming(first or self.baseline),
            long_texts=self._long_texts(),
            confused=confused,
            senses={name: own for name, own in senses.items() if len(own) > 1},
        )

    def _embed(self, prompts: PromptSet) -> PromptVectors:
        if prompts.name not in self.vectors:
            self.vectors[prompts.name] = embed_prompts(self.model, prompts)
        return self.vectors[prompts.name]

    def _hits(self, class_KD: Floats) -> NDArray[np.float64]:
        return find_hits(self.image_ND, self.label_N, class_KD)

    def _set_hits(self, prompts: PromptSet) -> NDArray[np.float64]:
        return self._hits(self._embed(prompts).class_vectors())

    def _measure(
        self, prompts: PromptSet, hit_N: NDArray[np.float64], against: str | None, before_N: NDArray[np.float64] | None
    ) -> Measured:
        measured = measure(prompts.name, hit_N, against=against, before_N=before_N)
        return replace(measured, prompts=prompts.count, truncated=count_truncated(self.model, prompts.flat))

    def _measure_sets(self) -> tuple[Measured, ...]:
        before_N = self._set_hits(self.baseline)
        methods = [self._measure(self.baseline, before_N, None, None)]
        for prompts in self.sets:
            methods.append(self._measure(prompts, self._set_hits(prompts), self.baseline.name, before_N))
        return tuple(methods)

    def _score(self, prompts: PromptSet) -> TemplateScores:
        vectors_TKD = self._embed(prompts).by_template()
        return score_templates(self.image_ND, self.label_N, prompts.templates, vectors_TKD, seed=self.config.seed)

    def _prune(self) -> dict[str, PrunedTemplates]:
        how = self.config.prune
        if how is None:
            return {}
        ensembles = [prompts for prompts in self.sets if len(prompts.templates) > 1]
        return {
            prompts.name: prune_templates(
                self.image_ND,
                self.label_N,
                prompts.templates,
                self._embed(prompts).by_template(),
                how=how,
                seed=self.config.seed,
            )
            for prompts in ensembles
        }

    def _control(self) -> tuple[ControlResult, ...]:
        if self.config.control is None:
            return ()
        results = []
        for prompts in self.sets:
            hit_N = self._set_hits(prompts)
            results.append(
                compare_with_control(
                    self.model,
                    prompts,
                    self.data.classnames,
                    self._hits,
                    hit_N=hit_N,
                    seeds=self.config.seeds,
                )
            )
        return tuple(results)

    def _label_free(self, prompts: PromptSet) -> tuple[Measured, ...]:
        """Weights and priors without labels, against the uniform ensemble."""
        vectors_TKD = self._embed(prompts).by_template()
        class_KD = self._embed(prompts).class_vectors()
        before_N = self._hits(class_KD)
        score_NK = self.image_ND @ class_KD.T
        proba_NK = softmax(self.model.scale * score_NK.astype(np.float64))
        methods: dict[str, NDArray[np.floating]] = {}
        if len(vectors_TKD) > 1:
            scores_T = label_free.zpe_scores(self.image_ND, vectors_TKD, self.config.bank_MD)
            weight_T = label_free.zpe_weights(scores_T, self.model.scale)
            methods["ZPE weights of templates"] = self.image_ND @ label_free.weighted_classes(vectors_TKD, weight_T).T
        methods["class means removed"] = label_free.centre_scores(score_NK)
        methods["priors by EM"] = label_free.estimate_priors(proba_NK)[1]
        methods["equal priors (Sinkhorn)"] = label_free.match_priors(proba_NK)
        methods["--together"] = joint_proba(self.image_ND, class_KD, self.model.scale)
        measured = [measure(prompts.name, before_N)]
        for name, scores_NK in methods.items():
            hit_N = rank_labels(scores_NK, self.label_N) < 1
            measured.append(measure(name, hit_N, against=prompts.name, before_N=before_N))
        return tuple(measured)

    def _naming(self, prompts: PromptSet) -> tuple[Measured, ...]:
        """Renames and category, each by itself and, where both are asked for, together.

        Renames are measured on all images and on those of the renamed classes, which others may take or give back.
        """
        names, kind = self.data.classnames, self.config.kind
        words = apply_renames(names, self.config.renames)
        own_N = np.isin(self.label_N, [k for k, name in enumerate(names) if words[k] != name])
        measured = []
        for base in dict.fromkeys((self.baseline, prompts)):
            before_N = self._set_hits(base)
            tried: list[PromptSet] = []
            if self.config.renames:
                renamed = PromptSet.of_templates(f"{base.name}, renamed", words, base.templates)
                tried.append(renamed)
                if own_N.any():
                    own = renamed.renamed(f"{base.name}, renamed: their own images")
                    measured.append(self._measure(own, self._set_hits(own)[own_N], base.name, before_N[own_N]))
            if kind is not None:
                templates = add_kind(base.templates, kind)
                tried.append(PromptSet.of_templates(f"{base.name}, a type of {kind}", names, templates))
                if self.config.renames:
                    name = f"{base.name}, a type of {kind}, renamed"
                    tried.append(PromptSet.of_templates(name, words, templates))
            measured += [self._measure(changed, self._set_hits(changed), base.name, before_N) for changed in tried]
        return tuple(measured)

    def _long_texts(self) -> tuple[Measured, ...]:
        """Sets with truncated prompts, with these split and pooled."""
        measured = []
        for prompts in self.sets:
            if not count_truncated(self.model, prompts.flat):
                continue
            vectors = self._embed(prompts)
            split_PD = embed_long_texts(self.model, prompts.flat)
            hit_N = self._hits(replace(vectors, vectors_PD=split_PD).class_vectors())
            name = f"{prompts.name}, long prompts split"
            before_N = self._set_hits(prompts)
            measured.append(measure(name, hit_N, against=prompts.name, before_N=before_N))
        return tuple(measured)
