"""Prompt templates as literal data, and the reading of a user's choice of templates.

Templates are used literally, as in the literature: "a photo of a {}." with "orange" gives "a photo of a orange.".
Sources: Radford et al. 2021; openai/CLIP `data/prompts.md` (the 26 evaluation sets) and its notebook
`Prompt_Engineering_for_ImageNet` (the 80, and the 7 that a greedy search kept); MIT licence.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from wordsight.arguments import check_items
from wordsight.errors import InputError, did_you_mean

Templates = str | Path | Sequence[str]

_SHOWN = 200  # characters of a text in a message

PHOTO = "a photo of a {}."  # the one template of CLIP's paper (§3.1.4)

TEMPLATE_SETS: dict[str, tuple[str, ...]] = {
    # the bare class name, and the one template
    "plain": ("{}",),
    "photo": (PHOTO,),
    "imagenet-7": (
        "itap of a {}.",
        "a bad photo of the {}.",
        "a origami {}.",
        "a photo of the large {}.",
        "a {} in a video game.",
        "art of the {}.",
        "a photo of the small {}.",
    ),
    "imagenet-80": (
        "a bad photo of a {}.",
        "a photo of many {}.",
        "a sculpture of a {}.",
        "a photo of the hard to see {}.",
        "a low resolution photo of the {}.",
        "a rendering of a {}.",
        "graffiti of a {}.",
        "a bad photo of the {}.",
        "a cropped photo of the {}.",
        "a tattoo of a {}.",
        "the embroidered {}.",
        "a photo of a hard to see {}.",
        "a bright photo of a {}.",
        "a photo of a clean {}.",
        "a photo of a dirty {}.",
        "a dark photo of the {}.",
        "a drawing of a {}.",
        "a photo of my {}.",
        "the plastic {}.",
        "a photo of the cool {}.",
        "a close-up photo of a {}.",
        "a black and white photo of the {}.",
        "a painting of the {}.",
        "a painting of a {}.",
        "a pixelated photo of the {}.",
        "a sculpture of the {}.",
        "a bright photo of the {}.",
        "a cropped photo of a {}.",
        "a plastic {}.",
        "a photo of the dirty {}.",
        "a jpeg corrupted photo of a {}.",
        "a blurry photo of the {}.",
        "a photo of the {}.",
        "a good photo of the {}.",
        "a rendering of the {}.",
        "a {} in a video game.",
        "a photo of one {}.",
        "a doodle of a {}.",
        "a close-up photo of the {}.",
        "a photo of a {}.",
        "the origami {}.",
        "the {} in a video game.",
        "a sketch of a {}.",
        "a doodle of the {}.",
        "a origami {}.",
        "a low resolution photo of a {}.",
        "the toy {}.",
        "a rendition of the {}.",
        "a photo of the clean {}.",
        "a photo of a large {}.",
        "a rendition of a {}.",
        "a photo of a nice {}.",
        "a photo of a weird {}.",
        "a blurry photo of a {}.",
        "a cartoon {}.",
        "art of a {}.",
        "a sketch of the {}.",
        "a embroidered {}.",
        "a pixelated photo of a {}.",
        "itap of the {}.",
        "a jpeg corrupted photo of the {}.",
        "a good photo of a {}.",
        "a plushie {}.",
        "a photo of the nice {}.",
        "a photo of the small {}.",
        "a photo of the weird {}.",
        "the cartoon {}.",
        "art of the {}.",
        "a drawing of the {}.",
        "a photo of the large {}.",
        "a black and white photo of a {}.",
        "the plushie {}.",
        "a dark photo of a {}.",
        "itap of a {}.",
        "graffiti of the {}.",
        "a toy {}.",
        "itap of my {}.",
        "a photo of a cool {}.",
        "a photo of a small {}.",
        "a tattoo of the {}.",
    ),
    "birdsnap": ("a photo of a {}, a type of bird.",),
    "caltech101": (
        "a photo of a {}.",
        "a painting of a {}.",
        "a plastic {}.",
        "a sculpture of a {}.",
        "a sketch of a {}.",
        "a tattoo of a {}.",
        "a toy {}.",
        "a rendition of a {}.",
        "a embroidered {}.",
        "a cartoon {}.",
        "a {} in a video game.",
        "a plushie {}.",
        "a origami {}.",
        "art of a {}.",
        "graffiti of a {}.",
        "a drawing of a {}.",
        "a doodle of a {}.",
        "a photo of the {}.",
        "a painting of the {}.",
        "the plastic {}.",
        "a sculpture of the {}.",
        "a sketch of the {}.",
        "a tattoo of the {}.",
        "the toy {}.",
        "a rendition of the {}.",
        "the embroidered {}.",
        "the cartoon {}.",
        "the {} in a video game.",
        "the plushie {}.",
        "the origami {}.",
        "art of the {}.",
        "graffiti of the {}.",
        "a drawing of the {}.",
        "a doodle of the {}.",
    ),
    "cars": (
        "a photo of a {}.",
        "a photo of the {}.",
        "a photo of my {}.",
        "i love my {}!",
        "a photo of my dirty {}.",
        "a photo of my clean {}.",
        "a photo of my new {}.",
        "a photo of my old {}.",
    ),
    "cifar10": (
        "a photo of a {}.",
        "a blurry photo of a {}.",
        "a black and white photo of a {}.",
        "a low contrast photo of a {}.",
        "a high contrast photo of a {}.",
        "a bad photo of a {}.",
        "a good photo of a {}.",
        "a photo of a small {}.",
        "a photo of a big {}.",
        "a photo of the {}.",
        "a blurry photo of the {}.",
        "a black and white photo of the {}.",
        "a low contrast photo of the {}.",
        "a high contrast photo of the {}.",
        "a bad photo of the {}.",
        "a good photo of the {}.",
        "a photo of the small {}.",
        "a photo of the big {}.",
    ),
    "clevr-counts": ("a photo of {} objects.",),
    "country211": (
        "a photo i took in {}.",
        "a photo i took while visiting {}.",
        "a photo from my home country of {}.",
        "a photo from my visit to {}.",
        "a photo showing the country of {}.",
    ),
    "dtd": (
        "a photo of a {} texture.",
        "a photo of a {} pattern.",
        "a photo of a {} thing.",
        "a photo of a {} object.",
        "a photo of the {} texture.",
        "a photo of the {} pattern.",
        "a photo of the {} thing.",
        "a photo of the {} object.",
    ),
    "eurosat": (
        "a centered satellite photo of {}.",
        "a centered satellite photo of a {}.",
        "a centered satellite photo of the {}.",
    ),
    "fer2013": (
        "a photo of a {} looking face.",
        "a photo of a face showing the emotion: {}.",
        "a photo of a face looking {}.",
        "a face that looks {}.",
        "they look {}.",
        "look at how {} they are.",
    ),
    "fgvc-aircraft": (
        "a photo of a {}, a type of aircraft.",
        "a photo of the {}, a type of aircraft.",
    ),
    "flowers102": ("a photo of a {}, a type of flower.",),
    "food101": ("a photo of {}, a type of food.",),
    "gtsrb": (
        'a zoomed in photo of a "{}" traffic sign.',
        'a centered photo of a "{}" traffic sign.',
        'a close up photo of a "{}" traffic sign.',
    ),
    "hateful-memes": ("a {}.",),
    "mnist": ('a photo of the number: "{}".',),
    "patch-camelyon": ("this is a photo of {}",),
    "pets": ("a photo of a {}, a type of pet.",),
    "resisc45": (
        "satellite imagery of {}.",
        "aerial imagery of {}.",
        "satellite photo of {}.",
        "aerial photo of {}.",
        "satellite view of {}.",
        "aerial view of {}.",
        "satellite imagery of a {}.",
        "aerial imagery of a {}.",
        "satellite photo of a {}.",
        "aerial photo of a {}.",
        "satellite view of a {}.",
        "aerial view of a {}.",
        "satellite imagery of the {}.",
        "aerial imagery of the {}.",
        "satellite photo of the {}.",
        "aerial photo of the {}.",
        "satellite view of the {}.",
        "aerial view of the {}.",
    ),
    "sst2": ("a {} review of a movie.",),
    "stl10": (
        "a photo of a {}.",
        "a photo of the {}.",
    ),
    "sun397": (
        "a photo of a {}.",
        "a photo of the {}.",
    ),
    "voc2007": ("a photo of a {}.",),
}
# the same prompts serve both CIFAR sets
TEMPLATE_SETS["cifar100"] = TEMPLATE_SETS["cifar10"]
# actions: every pairing of a medium, an article and a verb (28 and 48 prompts)
TEMPLATE_SETS["kinetics700"] = tuple(
    f"a {medium} of {who}{{}}."
    for medium in ("photo", "video", "example", "demonstration")
    for who in ("", *(f"a person {verb}" for verb in ("", "using ", "doing ", "during ", "performing ", "practicing ")))
)
TEMPLATE_SETS["ucf101"] = tuple(
    f"a {medium} of {article} person {verb}{{}}."
    for verb in ("", "using ", "doing ", "during ", "performing ", "practicing ")
    for article in ("a", "the")
    for medium in ("photo", "video", "example", "demonstration")
)


def resolve_templates(templates: Templates) -> tuple[str, ...]:
    """Templates that a user names: a set's name, one template, a list of them, or a file of them.

    A string that holds `{}` is one template; otherwise it names a built-in set or, when no set has that name, a text
    file with one template per line (empty lines and lines that begin with `#` are skipped).
    Raises: InputError for an unknown set, a file that cannot be read, no template at all, a template without `{}`.
    """
    if isinstance(templates, Path):
        return _check_templates(_read(templates), f"The template file {str(templates)!r}")
    if not isinstance(templates, str):
        check_items("templates", templates, "a set's name, a template with '{}', a list of these, or a file")
        return _check_templates(templates, "The list of templates")
    if "{}" in templates:
        return (templates,)
    if templates in TEMPLATE_SETS:
        return TEMPLATE_SETS[templates]
    if os.path.isfile(templates):  # False for a name that is too long
        return _check_templates(_read(Path(templates)), f"The template file {templates!r}")
    if "{" in templates or " " in templates.strip():
        return _check_templates([templates], "The template")
    shown = templates
    if len(templates) > _SHOWN:
        shown = f"{templates[:_SHOWN]}…"
    raise InputError(
        f"{shown!r} is not a template set, a file or a template."
        f"{did_you_mean(shown, TEMPLATE_SETS)} The sets are: {', '.join(sorted(TEMPLATE_SETS))}."
    )


def fill(templates: Iterable[str], word: str) -> list[str]:
    """One prompt per template, with every `{}` replaced by `word` (which may itself hold braces)."""
    return [template.replace("{}", word) for template in templates]


def _read(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a NUL in the name
        raise InputError(f"The template file {str(path)!r} cannot be read ({error}); expected UTF-8 text.") from error
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _check_templates(templates: Iterable[str], what: str) -> tuple[str, ...]:
    """Templates as a tuple. Raises: InputError naming the first bad one."""
    kept = tuple(templates)
    if not kept:
        raise InputError(f"{what} is empty; give at least one template such as 'a photo of a {{}}.'.")
    for template in kept:
        if not isinstance(template, str) or "{}" not in template:
            raise InputError(f"{what} has {template!r}, which lacks '{{}}', the place of the class name.")
    return kept
