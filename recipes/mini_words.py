"""Words for the recipe: WordNet's nouns, the trunk's 1,000 classes by their everyday names, prompts.

A class is called by its usual name, its WordNet synonyms, its gloss, and by hypernyms in their everyday
sense: a hypernym's word is used only where that synset is the word's most frequent sense and the word is
used at all, so "cat" means pets and not lions.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

# Too general to say what an image shows.
TOO_GENERAL = {
    "entity", "object", "thing", "whole", "unit", "artifact", "artefact", "organism", "being", "matter",
    "substance", "causal_agent", "instrumentality", "instrumentation", "device", "way", "method", "attribute",
    "covering", "physical_entity", "living_thing", "abstraction", "psychological_feature", "group", "relation",
    "mechanism", "equipment", "implement", "commodity", "consumer_goods", "good", "merchandise", "structure",
    "construction", "part", "piece", "location", "state", "activity", "event", "product", "creation",
    "nutrient", "system", "facility", "installation", "arrangement", "support", "restraint", "protective_covering",
    "protection", "means", "beast", "creature", "fauna", "brute", "conveyance", "transport", "area", "region",
    "signal", "communication", "natural_object", "durables", "consumer_durables", "stuff", "surface", "body",
    "space", "cause", "line", "building_complex", "conductor", "machine", "top", "cover", "opening", "place",
    "enclosure", "establishment", "craft", "chordate", "carnivore", "vertebrate", "placental", "eutherian",
    "craniate", "mortal", "soul", "container", "solid", "outlet", "nourishment", "sustenance", "obstruction",
    "barrier", "portion", "fluid", "motorcar", "paraphernalia", "someone", "individual", "housing", "lodging",
    "edifice", "weapon_system", "reflector",
}  # fmt: skip
TEMPLATES = ("a photo of a {}.", "a photo of a {}.", "{}", "{}", "a {}", "a photo of the {}.", "an image of a {}.",
             "a close-up photo of a {}.", "a photo of one {}.", "a good photo of a {}.", "an image of a {}",
             "a photo of my {}.", "a blurry photo of a {}.", "a low resolution photo of a {}.",
             "there is a {} in the image.",
             "a cropped photo of a {}.", "a photo of a small {}.", "a photo of a large {}.", "the {}",
             "a pixelated photo of a {}.")  # fmt: skip
COLOURS = ("red", "blue", "green", "yellow", "black", "white", "brown", "grey", "pink", "purple", "orange")


@dataclass(frozen=True)
class Synset:
    """One noun sense of WordNet."""

    offset: str
    lemmas: tuple[str, ...]
    gloss: str
    parents: tuple[str, ...]


@dataclass(frozen=True)
class Nouns:
    """WordNet's nouns: senses by offset, and for each word its senses, most frequent first, with how many were seen."""

    synsets: dict[str, Synset]
    senses: dict[str, tuple[str, ...]]
    seen: dict[str, int] = field(default_factory=dict)


def read_nouns(source: Path) -> Nouns:
    """Read Debian's `wordnet-base` (WordNet 3.0, Princeton's licence)."""
    root = source / "wordnet-base/usr/share/wordnet"
    synsets, senses, seen = {}, {}, {}
    for line in (root / "data.noun").read_text().splitlines():
        if line.startswith("  "):
            continue
        facts, gloss = line.split(" | ", 1)
        parts = facts.split()
        count = int(parts[3], 16)
        lemmas = tuple(parts[4 + 2 * i] for i in range(count))
        pointers = parts[5 + 2 * count :]
        parents = tuple(pointers[i + 1] for i in range(len(pointers) - 1) if pointers[i] in ("@", "@i"))
        gloss = re.split(r'[;:]\s*"', gloss)[0].strip(" ;")
        synsets[parts[0]] = Synset(parts[0], lemmas, gloss, parents)
    for line in (root / "index.noun").read_text().splitlines():
        if not line.startswith("  "):
            parts = line.split()
            count = int(parts[2])
            senses[parts[0]] = tuple(parts[-count:])
            seen[parts[0]] = int(parts[-count - 1])
    return Nouns(synsets, senses, seen)


def imagenet_ids(source: Path) -> list[str]:
    """The WordNet id of each of the trunk's classes, in the trunk's order (from timm's table)."""
    return (source / "timm/timm/data/_info/imagenet_synsets.txt").read_text().split()


def imagenet_names(source: Path) -> list[str]:
    """The usual English name of each class (OpenAI's list, as open_clip ships it)."""
    return list(_literal(source, "IMAGENET_CLASSNAMES"))


def _literal(source: Path, name: str) -> tuple[str, ...]:
    tree = ast.parse((source / "open_clip_torch/open_clip/zero_shot_metadata.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return tuple(ast.literal_eval(node.value))
    raise LookupError(name)


@dataclass(frozen=True)
class ClassWords:
    """Words for one class of the trunk: names (the usual first), hypernyms (nearest first), gloss."""

    names: tuple[str, ...]
    hypernyms: tuple[str, ...]
    gloss: str


def class_words(source: Path, nouns: Nouns) -> list[ClassWords]:
    """Names, everyday hypernyms and gloss of each of the 1,000 classes."""
    found = []
    for wnid, usual in zip(imagenet_ids(source), imagenet_names(source), strict=True):
        synset = nouns.synsets[wnid[1:]]
        names = [usual.replace(" (", " ").replace(")", "")]
        for lemma in synset.lemmas:
            plain = lemma.replace("_", " ")
            latin = (
                plain[0].isupper() and " " in plain and plain.split()[1].islower() and synset.lemmas.index(lemma) > 0
            )
            if not latin and plain.lower() not in (n.lower() for n in names):
                names.append(plain)
        hypernyms = [w for w in _hypernyms(synset, nouns) if w not in (n.lower() for n in names)]
        found.append(ClassWords(tuple(names), tuple(hypernyms), synset.gloss))
    return found


def _hypernyms(synset: Synset, nouns: Nouns) -> list[str]:
    found, queue, visited = [], list(synset.parents), set()
    while queue:
        offset = queue.pop(0)
        if offset in visited:
            continue
        visited.add(offset)
        parent = nouns.synsets[offset]
        for lemma in parent.lemmas:
            word = lemma.lower()
            first = nouns.senses.get(word, ("",))[0] == offset
            if first and nouns.seen.get(word, 0) > 0 and word not in TOO_GENERAL and lemma.islower():
                found.append(word.replace("_", " "))
        queue.extend(parent.parents)
    return found


def article(prompt: str) -> str:
    """ "a apple" → "an apple"."""
    return re.sub(r"\b([Aa]) (?=[aeioAEIO]|un(?!i))", r"\1n ", prompt)


def fill(template: str, name: str) -> str:
    """A template filled with a name, with the right article before a vowel half of the time (people type both)."""
    prompt = template.format(name)
    return article(prompt) if len(name) % 2 else prompt
