"""Names in many languages: files of the forms that npm packages have, and models that know some of the languages."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from limit_models import GuessingModel, direction
from PIL import Image

from wordsight.errors import InputError
from wordsight.evaluate.limits.findings import Findings, answer_languages, build_report
from wordsight.evaluate.limits.language_files import LanguageNames, read_images, read_names
from wordsight.evaluate.limits.languages import looks_english, measure_languages, rank_names

ANIMALS = ["🐶", "🐱", "🐭", "🐹", "🐰", "🦊", "🐻", "🐼", "🐨", "🐯", "🦁", "🐮"]
EXTRA = Path(os.environ.get("WORDSIGHT_EXTRA_DATA", "../data-extra"))


def code_points(characters):
    return "-".join(f"{ord(character):x}" for character in characters)


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_image(path, number):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (number * 20, 255 - number * 20, 7)).save(path)


@pytest.fixture
def emoji(tmp_path):
    """`annotations/` in three languages, of which one is not complete; `emoji.json` with its images."""
    for language, known in (("en", ANIMALS), ("de", ANIMALS), ("xx", ANIMALS[:4])):
        entries = {key: {"default": ["animal"], "tts": [f"{language} {key}"]} for key in known}
        entries["✈"] = {"tts": [f"{language} plane"]}
        content = {"annotations": {"identity": {"language": language}, "annotations": entries}}
        write_json(tmp_path / "cldr" / "annotations" / language / "annotations.json", content)
    write_json(tmp_path / "cldr" / "annotations" / "yy" / "annotations.json", {"annotations": {"identity": {}}})
    listed = [{"unified": code_points(key).upper(), "image": f"{code_points(key)}.png", "category": "Animals & Nature"}
              for key in ANIMALS]  # fmt: skip
    listed.append({"unified": "2708-FE0F", "image": "2708-fe0f.png", "category": "Travel & Places"})
    listed.append({"unified": "1F600", "image": "1f600.png", "category": "Smileys & Emotion"})
    listed.append({"unified": "1F1EB-1F1F7", "image": "1f1eb-1f1f7.png", "category": "Flags"})
    write_json(tmp_path / "emoji" / "emoji.json", listed)
    for number, entry in enumerate(listed):
        write_image(tmp_path / "emoji" / "img" / "google" / "64" / entry["image"], number % 12)
    return tmp_path


class Polyglot(GuessingModel):
    """Knows the names in some languages."""

    name = "polyglot"

    def __init__(self, names, images, languages):
        self.near = {}
        for key, path in images.items():
            pixels = np.asarray(Image.open(path))
            words = [word for code in languages for word in names.by_language[code].get(key, ())]
            self.near.setdefault(pixels.tobytes(), []).extend(words)

    def embed_image(self, image):
        vector = sum(direction(word) for word in self.near[np.asarray(Image.open(image)).tobytes()])
        return vector / np.linalg.norm(vector)


def test_names_and_images_of_emoji_are_matched_by_their_characters(emoji):
    names = read_names(emoji / "cldr")
    assert names.kind == "emoji"
    assert set(names.by_language) == {"en", "de", "xx", "yy"}
    assert names.by_language["de"]["🐶"] == ("de 🐶",)
    images = read_images(emoji / "emoji", names.kind, names.by_language["en"])
    assert set(images) == {*ANIMALS, "✈"}, "no face, which has no name that everybody gives it, and no flag"


def test_a_language_works_if_its_names_find_their_images(emoji):
    names = read_names(emoji / "cldr")
    images = read_images(emoji / "emoji", "emoji", names.by_language["en"])
    del images["✈"]
    both = measure_languages(Polyglot(names, images, ("en", "de")), names, images, cache=False)
    assert {r.code: (r.top1.value, r.kind) for r in both.results} == {"de": (1.0, "works"), "en": (1.0, "works")}
    assert both.left_out == ("xx", "yy")
    english = measure_languages(Polyglot(names, images, ("en",)), names, images, cache=False)
    assert {r.code: r.kind for r in english.results} == {"en": "works", "de": "does not"}
    assert english.results[0].chance5 == pytest.approx(5 / 12)
    assert answer_languages(english) == "Works: English. Does not work: German."
    report = build_report(Findings("polyglot", languages=english), "wordsight eval limits")
    assert report.data["languages"]["languages"][0]["verdict"] == "works"


def test_a_model_that_does_not_know_the_images_is_not_judged(emoji):
    names = read_names(emoji / "cldr")
    images = read_images(emoji / "emoji", "emoji", names.by_language["en"])
    result = measure_languages(GuessingModelOfFiles(), names, images, cache=False)
    assert "hardly knows these images by their English names" in answer_languages(result)


class GuessingModelOfFiles(GuessingModel):
    def embed_image(self, image):
        return direction(str(image))


def test_countries_have_several_wordings_and_flags_of_three_forms(tmp_path):
    write_json(tmp_path / "i18n" / "langs" / "en.json",
               {"locale": "en", "countries": {"FR": "France", "CZ": ["Czech Republic", "Czechia"]}})  # fmt: skip
    names = read_names(tmp_path / "i18n")
    assert names == LanguageNames("country", {"en": {"FR": ("France",), "CZ": ("Czech Republic", "Czechia")}})

    for number, file in enumerate(("fr.png", "1f1e8-1f1ff.png", "notes.txt", "1f600.png")):
        write_image(tmp_path / "named" / file.replace(".txt", "-.png"), number)
    assert set(read_images(tmp_path / "named", "country", {})) == {"FR", "CZ"}

    for number, folder in enumerate(("flag of France", "flag of the Czech Republic", "flag of Nowhere")):
        write_image(tmp_path / "set" / folder / "1.png", number)
    images = read_images(tmp_path / "set", "country", names.by_language["en"])
    assert {code: path.parent.name for code, path in images.items()} == {
        "FR": "flag of France",
        "CZ": "flag of the Czech Republic",
    }


def test_a_name_that_two_images_have_counts_once():
    score_NK = np.array([[0.9, 0.9, 0.5], [0.9, 0.9, 0.5], [0.9, 0.9, 0.8]])
    assert rank_names(score_NK, [("dog",), ("dog",), ("cat",)]).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("name", "english", "alike"),
    [("Kaktus", "cactus", True), ("i-cactus", "cactus", True), ("Regenschirm", "umbrella", False),
     ("taxi", "taxi", True), ("Apfel", "pear", False), ("кактус", "cactus", False)],
)  # fmt: skip
def test_names_that_are_spelled_nearly_as_in_english_are_set_apart(name, english, alike):
    assert looks_english((name,), (english,)) == alike


def test_folders_without_names_or_images_are_refused(tmp_path, emoji):
    with pytest.raises(InputError, match="holds no names of languages; expected annotations/<language>"):
        read_names(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no images of emoji; expected emoji\.json and img/"):
        read_images(tmp_path / "empty", "emoji", {})
    (emoji / "cldr" / "annotations" / "de" / "annotations.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        read_names(emoji / "cldr")
    write_json(emoji / "cldr" / "annotations" / "de" / "annotations.json", {"annotations": [1]})
    with pytest.raises(InputError, match="does not have the form of CLDR's annotations"):
        read_names(emoji / "cldr")


def test_languages_are_compared_with_english(emoji):
    names = read_names(emoji / "cldr")
    images = read_images(emoji / "emoji", "emoji", names.by_language["en"])
    german = LanguageNames("emoji", {"de": names.by_language["de"]})
    with pytest.raises(InputError, match="no English names"):
        measure_languages(GuessingModelOfFiles(), german, images)
    with pytest.raises(InputError, match="Only 3 of the 3 images have names"):
        measure_languages(GuessingModelOfFiles(), names, dict(list(images.items())[:3]))


def test_real_packages_are_read():
    cldr, i18n, emoji = (EXTRA / name for name in ("cldr-annotations-full", "i18n-iso-countries",
                                                   "emoji-datasource-google"))  # fmt: skip
    if not all((path / "package").is_dir() for path in (cldr, i18n, emoji)):
        pytest.skip("needs the unpacked npm packages: set WORDSIGHT_EXTRA_DATA")
    names = read_names(i18n)
    assert len(names.by_language) > 60
    assert names.by_language["de"]["JP"] == ("Japan",)
    assert len(read_images(emoji, "country", {})) > 240
    assert read_images(emoji, "emoji", {})["🐶"].name == "1f436.png"
