"""The few-shot methods by name, each with the protocol by which it is fitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from wordsight.arguments import check_choice
from wordsight.evaluate.fewshot import closed_form, descent, probe, tip_adapter
from wordsight.evaluate.fewshot.learned import Scorer, Shots

NO_VALIDATION = "no validation: constants are fixed"
HELD_OUT = "a quarter of the shots held out from 4 on"
ON_TEST = "tuned on the test images"


@dataclass(frozen=True)
class Method:
    """A method that learns a classifier from shots.

    needs_texts: whether it uses class embeddings. is_linear: whether a `LinearHead` can hold the result.
    """

    title: str
    fit: Callable[[Shots], Scorer]
    protocol: str
    source: str
    needs_texts: bool = True
    is_linear: bool = True


@dataclass(frozen=True)
class PublishedMethod:
    """A method as its published code does it, with the test images in hand: only to show what that is worth."""

    title: str
    fit: Callable[[Shots, NDArray[Any], NDArray[Any]], Scorer]
    honest: str
    protocol: str = ON_TEST


METHODS: dict[str, Method] = {
    "probe": Method("linear probe", probe.fit_probe, HELD_OUT, "Radford et al. 2021, A.3", needs_texts=False),
    "nearest-mean": Method("nearest class mean", closed_form.fit_nearest_mean, NO_VALIDATION, "Snell et al. 2017, §2.3",
                           needs_texts=False),
    "gda": Method("GDA", closed_form.fit_gda, HELD_OUT, "Wang et al. 2024 (2402.04087)"),
    "gda-fixed": Method("GDA with a fixed alpha", closed_form.fit_gda_fixed, NO_VALIDATION,
                        "Wang et al. 2024 (2402.04087)"),
    "prior-probe": Method("probe with a zero-shot prior", probe.fit_prior_probe, NO_VALIDATION,
                          "logistic regression with a Gaussian prior at the zero-shot classifier"),
    "zero-shot-start": Method("ZS-LP", descent.fit_zero_shot_start, NO_VALIDATION,
                              "Silva-Rodríguez et al. 2024 (2312.12730), §4.1"),
    "clap": Method("CLAP", descent.fit_clap, NO_VALIDATION, "Silva-Rodríguez et al. 2024 (2312.12730), §4.2"),
    "lp++": Method("LP++", descent.fit_lp_plus, NO_VALIDATION, "Huang et al. 2024 (2404.02285)"),
    "tip-adapter": Method("Tip-Adapter", tip_adapter.fit_tip, HELD_OUT, "Zhang et al. 2022 (2111.03930)",
                          is_linear=False),
    "tip-adapter-f": Method("Tip-Adapter-F", tip_adapter.fit_tip_f, HELD_OUT, "Zhang et al. 2022 (2111.03930)",
                            is_linear=False),
}  # fmt: skip

PUBLISHED: dict[str, PublishedMethod] = {
    "tip-adapter:published": PublishedMethod("Tip-Adapter as published", tip_adapter.publish_tip, "tip-adapter"),
    "tip-adapter-f:published": PublishedMethod("Tip-Adapter-F as published", tip_adapter.publish_tip_f,
                                               "tip-adapter-f"),
}  # fmt: skip

# Validation-free method with the best mean over the learn sets, with good and with weak texts. With good texts alone
# CLAP is ahead; LP++ and the probe are as good or better on other sets (benchmarks/fewshot_methods.py says how chosen).
DEFAULT = "prior-probe"


def find_method(name: str) -> Method | PublishedMethod:
    """Method of a name. Raises: InputError for another, with the closest names."""
    check_choice("The few-shot method", name, (*METHODS, *PUBLISHED))
    return METHODS.get(name) or PUBLISHED[name]


def fit_method(name: str, shots: Shots, image_MD: NDArray[Any], label_M: NDArray[Any]) -> Scorer:
    """Classifier that a method learns from shots; only a published protocol is given the test images and labels."""
    method = find_method(name)
    if isinstance(method, PublishedMethod):
        return method.fit(shots, image_MD, label_M)
    return method.fit(shots)
