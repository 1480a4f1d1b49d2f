"""Drawn faces of a few people: those of one person are alike in hair, skin and shirt."""

import itertools

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sklearn.cluster import AgglomerativeClustering, KMeans

from wordsight.errors import InputError
from wordsight.evaluate.limits.findings import Findings, answer_people, build_report
from wordsight.evaluate.limits.people import measure_people
from wordsight.evaluate.other_features import open_pixels
from wordsight.metrics import adjusted_rand_index
from wordsight.metrics.clustering import cluster_by_kmeans, cluster_by_linkage

PEOPLE = {"person one": ("saddlebrown", "red"), "person two": ("black", "blue"), "person three": ("gold", "green")}


def draw_face(hair, shirt, number):
    rng = np.random.default_rng(number)
    x, y = rng.integers(-3, 4, 2)
    image = Image.new("RGB", (64, 64), (200 + number, 205, 210))
    draw = ImageDraw.Draw(image)
    draw.rectangle((12 + x, 48, 52 + x, 64), shirt)
    draw.ellipse((18 + x, 8 + y, 46 + x, 44 + y), hair)
    draw.ellipse((21 + x, 16 + y, 43 + x, 48 + y), "bisque")
    for eye in (26, 36):
        draw.ellipse((eye + x, 28 + y, eye + 3 + x, 31 + y), "black")
    return image


@pytest.fixture
def portraits(tmp_path):
    for name, number in itertools.product(PEOPLE, range(5)):
        (tmp_path / name).mkdir(exist_ok=True)
        draw_face(*PEOPLE[name], number).save(tmp_path / name / f"{number}.png")
    return tmp_path


def test_faces_that_differ_are_grouped_by_person(portraits):
    result = measure_people(open_pixels("pixels:16"), portraits)
    assert (result.n, result.people) == (15, tuple(sorted(PEOPLE)))
    assert result.kmeans.value == result.linkage.value == result.nearest.value == 1
    assert result.adjusted_rand == 1
    assert result.nearest_chance == pytest.approx(4 / 14)
    assert 0.4 < result.chance < result.chance_high < 0.8  # of 3 × 5, matched as well as can be
    assert "better than chance" in answer_people(result)


def test_names_of_people_are_not_in_the_figures(portraits):
    figures = str(measure_people(open_pixels("pixels:16"), portraits).to_dict())
    assert not any(name in figures for name in PEOPLE)


def test_mixed_portraits_are_at_chance(portraits):
    """Everybody's folder holds the same faces."""
    for name, number in itertools.product(PEOPLE, range(5)):
        draw_face(*list(PEOPLE.values())[number % 3], number).save(portraits / name / f"{number}.png")
    result = measure_people(open_pixels("pixels:16"), portraits)
    assert "no better than chance" in answer_people(result)


def test_the_report_speaks_of_consent(portraits):
    report = build_report(
        Findings("pixels", people=measure_people(open_pixels("pixels:16"), portraits)), "wordsight eval limits"
    )
    assert report.sections[-1].title == "Consent and limits"
    assert "identify nobody" in report.sections[-1].text
    assert "Do not use it to identify people" in report.answer


@pytest.mark.parametrize("missing", ["person", "portrait"])
def test_too_few_people_or_portraits_are_refused(portraits, missing):
    for path in (portraits / "person two").iterdir():
        if missing == "portrait" and path.name == "0.png":
            continue
        path.write_bytes(b"unreadable")
    if missing == "person":
        for path in (portraits / "person three").iterdir():
            path.write_bytes(b"unreadable")
    with pytest.raises(InputError, match="expected two people or more, with two portraits or more each"):
        measure_people(open_pixels("pixels:16"), portraits)


@pytest.mark.parametrize("seed", range(3))
def test_clusters_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    blobs_ND = np.repeat(rng.normal(size=(4, 6)) * 2, 10, axis=0) + rng.normal(size=(40, 6)) * 0.5
    ours = cluster_by_kmeans(blobs_ND, 4)
    theirs = KMeans(4, n_init=20, random_state=0).fit(blobs_ND).labels_
    assert adjusted_rand_index(ours, theirs) == 1
    linked = AgglomerativeClustering(4, metric="cosine", linkage="average").fit(blobs_ND).labels_
    assert adjusted_rand_index(cluster_by_linkage(blobs_ND, 4), linked) == 1


def test_kmeans_with_fewer_different_vectors_than_clusters():
    assert len(np.unique(cluster_by_kmeans(np.ones((5, 2)), 3))) == 1
