"""Languages that a model understands: names of the same images in many languages."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError, WordsightWarning
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.embedder import ImageTextEmbedder
from wordsight.evaluate.features import embed_set
from wordsight.evaluate.limits.language_files import LanguageNames, Names
from wordsight.metrics import Estimate, estimate_share
from wordsight.zeroshot.class_embeddings import Floats, embed_classes

_RECALL = 5
_COVERED = 0.75  # of the images must have a name in a language that is measured
_WORKS = 0.5  # of the recall in English, from which a language is called understood
_NEAR = 0.65  # of the letters of two words in common, in order: they are spelled nearly alike
_LETTERS = re.compile(r"[^\W\d_]{3,}")
_KNOWN = 0.2  # of the way from chance to all: recall in English below it says that the images are not known
_TEMPLATES = ("{}",)

Kind = Literal["works", "partly", "does not"]


@dataclass(frozen=True)
class LanguageResult:
    """How well names in a language find their images.

    top1, recall5: share of images whose own name is the best, or one of the five best, of all names in that language.
    own: recall5 of the names without a word that is spelled nearly as in English (of English: of all); None where
    there are fewer than 10. chance1, chance5: of the two recalls.
    """

    code: str
    name: str
    top1: Estimate
    recall5: Estimate
    own: Estimate | None
    chance1: float
    chance5: float
    kind: Kind

    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON holds them."""
        return {
            "language": self.code,
            "name": self.name,
            "top1": self.top1.to_dict(),
            "recall5": self.recall5.to_dict(),
            "recall5_not_as_in_english": self.own and self.own.to_dict(),
            "chance_top1": self.chance1,
            "chance_recall5": self.chance5,
            "verdict": self.kind,
        }


@dataclass(frozen=True)
class Languages:
    """Results of all languages, the best first. left_out: languages with names for too few of the images."""

    model: str
    of: str
    results: tuple[LanguageResult, ...]
    left_out: tuple[str, ...]

    @property
    def english(self) -> LanguageResult:
        """Result of English, which the others are compared with."""
        return next(result for result in self.results if result.code == "en")

    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON holds them."""
        return {
            "model": self.model,
            "names_of": self.of,
            "languages": [result.to_dict() for result in self.results],
            "left_out": list(self.left_out),
        }


def measure_languages(
    model: ImageTextEmbedder,
    names: LanguageNames,
    images: Mapping[str, Path],
    *,
    limit: int = 300,
    seed: int = 0,
    cache: bool = True,
    progress: Callable[[str], object] | None = None,
) -> Languages:
    """Rank names for images in each language.

    The images are drawn from those with names in most languages; each language chooses among all its names of them.
    progress: called with each language before it. Raises: InputError without English, which the others are compared
    with, and for fewer than 10 images that have names.
    """
    if "en" not in names.by_language:
        raise InputError(
            f"There are no English names ('en') among the {len(names.by_language)} languages, but the others are "
            "compared with English; give the whole package."
        )
    keys = _draw_keys(names, images, limit, seed)
    data = LabelledSet(
        f"{names.kind} images", [images[key] for key in keys], tuple(keys), np.full(len(keys), -1), ("",)
    )
    features = embed_set(model, data, cache=cache)
    keys = [keys[place] for place in features.places]
    image_by_key = dict(zip(keys, features.image_MD, strict=True))
    results, left_out = [], []
    english = names.by_language["en"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WordsightWarning)  # unknown scripts, long texts: the figures say what they cost
        reference = _measure(model, "en", english, image_by_key, english, cache=cache)
        for code, own in names.by_language.items():
            if sum(key in own for key in keys) < _COVERED * len(keys):
                left_out.append(code)
                continue
            if progress is not None:
                progress(code)
            if code == "en":
                results.append(reference)
            else:
                results.append(_measure(model, code, own, image_by_key, english, cache=cache, reference=reference))
    results.sort(key=lambda result: (-result.recall5.value, result.code))
    return Languages(model.name, names.kind, tuple(results), tuple(left_out))


def _draw_keys(names: LanguageNames, images: Mapping[str, Path], limit: int, seed: int) -> list[str]:
    """Keys with an image, an English name, and a name in half of the languages or more; of these `limit`, at random."""
    languages = list(names.by_language.values())
    english = names.by_language["en"]
    common = sorted(k for k in images if k in english and 2 * sum(k in own for own in languages) >= len(languages))
    if len(common) < 10:
        raise InputError(
            f"Only {len(common)} of the {len(images)} images have names in the given languages; expected 10 or more. "
            "Names of emoji go with images of emoji, names of countries with flags."
        )
    drawn = np.random.default_rng(seed).permutation(len(common))[:limit]
    return [common[i] for i in sorted(drawn)]


def _measure(
    model: ImageTextEmbedder,
    code: str,
    own: Names,
    image_by_key: Mapping[str, Floats],
    english: Names,
    *,
    cache: bool,
    reference: LanguageResult | None = None,
) -> LanguageResult:
    keys = [key for key in image_by_key if key in own]
    text_KD = embed_classes(model, {key: own[key] for key in keys}, _TEMPLATES, cache=cache)
    rank_N = rank_names(np.stack([image_by_key[key] for key in keys]) @ text_KD.T, [own[key] for key in keys])
    n = len(keys)
    top1, recall5 = estimate_share(rank_N < 1), estimate_share(rank_N < _RECALL)
    differs = np.array([code == "en" or not looks_english(own[key], english[key]) for key in keys])
    foreign = estimate_share(rank_N[differs] < _RECALL) if differs.sum() >= 10 else None
    chance5 = min(1.0, _RECALL / n)
    wanted = chance5 + _KNOWN * (1 - chance5)
    if reference is not None:
        wanted = max(wanted / 2, _WORKS * reference.recall5.value)
    kind = _judge(foreign or recall5, wanted, chance5)
    return LanguageResult(code, LANGUAGES.get(code, code), top1, recall5, foreign, 1 / n, chance5, kind)


def rank_names(score_NK: NDArray[Any], names: Sequence[tuple[str, ...]]) -> NDArray[np.int64]:
    """Rank of each image's own name, 0 for the best; a name that several images have counts once."""
    number = {wordings: place for place, wordings in reversed(list(enumerate(names)))}
    first_K = np.array([number[wordings] for wordings in names])
    distinct = np.unique(first_K)
    own_N1 = score_NK[np.arange(len(names)), first_K][:, None]
    return np.asarray((score_NK[:, distinct] > own_N1).sum(axis=1), np.int64)


def _judge(own: Estimate, wanted: float, chance: float) -> Kind:
    """Verdict by the lower end of the interval: words that are nearly as in English help by chance."""
    if own.low >= wanted:
        return "works"
    if own.low > 2 * chance:
        return "partly"
    return "does not"


def looks_english(some: Sequence[str], english: Sequence[str]) -> bool:
    """Whether a name has a word that is spelled nearly as one of the English name: "Kaktus", "i-cactus"."""
    words = [word for name in some for word in _LETTERS.findall(name.casefold())]
    others = [word for name in english for word in _LETTERS.findall(name.casefold())]
    return any(_is_near(word, other) for word in words for other in others)


def _is_near(word: str, other: str) -> bool:
    if word == other:
        return True
    matcher = difflib.SequenceMatcher(None, word, other, autojunk=False)
    return matcher.real_quick_ratio() > _NEAR and matcher.quick_ratio() > _NEAR and matcher.ratio() > _NEAR


# names of the languages that most people would look for; the others are shown by their codes
LANGUAGES = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "az": "Azerbaijani", "be": "Belarusian", "bg": "Bulgarian",
    "bn": "Bengali", "bs": "Bosnian", "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian",
    "fi": "Finnish", "fil": "Filipino", "fr": "French", "ga": "Irish", "gl": "Galician", "gu": "Gujarati",
    "ha": "Hausa", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian",
    "id": "Indonesian", "ig": "Igbo", "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ka": "Georgian",
    "kk": "Kazakh", "km": "Khmer", "kn": "Kannada", "ko": "Korean", "ky": "Kyrgyz", "lo": "Lao", "lt": "Lithuanian",
    "lv": "Latvian", "mk": "Macedonian", "ml": "Malayalam", "mn": "Mongolian", "mr": "Marathi", "ms": "Malay",
    "my": "Burmese", "nb": "Norwegian Bokmål", "ne": "Nepali", "nl": "Dutch", "nn": "Norwegian Nynorsk",
    "no": "Norwegian", "or": "Odia", "pa": "Punjabi", "pl": "Polish", "ps": "Pashto", "pt": "Portuguese",
    "pt-PT": "European Portuguese", "ro": "Romanian", "ru": "Russian", "sd": "Sindhi", "si": "Sinhala",
    "sk": "Slovak", "sl": "Slovenian", "so": "Somali", "sq": "Albanian", "sr": "Serbian", "sv": "Swedish",
    "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu",
    "uz": "Uzbek", "vi": "Vietnamese", "xh": "Xhosa", "yo": "Yoruba", "yue": "Cantonese", "zh": "Chinese",
    "zh-Hant": "Traditional Chinese", "zu": "Zulu",
}  # fmt: skip
