"""Retrieval by texts and by images: recall worked by hand, and of models that know more and less."""

import dataclasses

import numpy as np
import pytest
import torch
from labelled_squares import build_clip, open_model
from random_models import random_checkpoint
from taught_model import taught_checkpoint

from wordsight.doctor.whatif import CAPTIONS
from wordsight.errors import InputError
from wordsight.evaluate.retrieval.captioned import CaptionedSet
from wordsight.evaluate.retrieval.measure import (
    compare_recall,
    count_as_clip_benchmark,
    estimate_recall,
    evaluate_retrieval,
    measure_embeddings,
    measure_retrieval,
)
from wordsight.evaluate.retrieval.ranks import rank_positives
from wordsight.evaluate.retrieval.report import build_report, draw_charts
from wordsight.samples import sample_images
from wordsight.train.in_training import InTraining


def test_a_model_that_knows_better_scores_better():
    checkpoint = taught_checkpoint()
    model = open_model(checkpoint)
    images = {path.name: path for path in sample_images()}
    images = [images[name] for name in CAPTIONS]
    captions = list(enumerate(CAPTIONS.values()))
    found = measure_retrieval(model, images, captions, model.spec.preprocess, ks=(1, 5))
    assert found["text→image R@1"].value == found["image→text R@1"].value == 1.0
    network = build_clip(checkpoint)
    with InTraining(network, model.spec, model.tokenizer) as in_training:
        assert measure_retrieval(in_training, images, captions, model.spec.preprocess, ks=(1, 5)) == found
    random = open_model(random_checkpoint(model.spec))
    assert measure_retrieval(random, images, captions, model.spec.preprocess)["text→image R@1"].value < 1


def test_recall_is_the_share_of_queries_with_a_positive_among_the_first():
    gallery_ND = np.eye(4)
    queries_QD = np.array([[1.0, 0.5, 0.2, 0], [1.0, 0.5, 0.2, 0], [1.0, 0.5, 0.2, 0]])
    found = estimate_recall(queries_QD, gallery_ND, [[0], [2, 1], [3]], ks=(1, 2, 4))
    assert {k: (one.value, one.n) for k, one in found.items()} == {1: (1 / 3, 3), 2: (2 / 3, 3), 4: (1.0, 3)}


def test_recall_in_parts_is_recall(monkeypatch):
    rng = np.random.default_rng(0)
    queries_QD, gallery_ND = rng.normal(size=(50, 8)), rng.normal(size=(30, 8))
    positives = [[int(n)] for n in rng.integers(0, 30, 50)]
    whole = estimate_recall(queries_QD, gallery_ND, positives)
    monkeypatch.setattr("wordsight.evaluate.retrieval.ranks._SCORES", 100)
    assert estimate_recall(queries_QD, gallery_ND, positives) == whole


def test_a_model_whose_vectors_are_all_the_same_finds_nothing():
    same_ND = np.ones((6, 3))
    assert estimate_recall(same_ND, same_ND, [[n] for n in range(6)], ks=(1,))[1].value == 0


def test_queries_without_positives_are_refused():
    with pytest.raises(InputError, match="2 queries have 1 sets of positives"):
        estimate_recall(np.eye(2), np.eye(2), [[0]])
    with pytest.raises(InputError, match="each needs at least one"):
        estimate_recall(np.eye(2), np.eye(2), [[0], []])


def test_true_recall_is_the_share_of_answers_and_hit_recall_whether_there_is_any():
    gallery_ND = np.array([[0.9], [0.8], [0.7], [0.6], [0.5]])
    ranks = rank_positives(np.ones((1, 1)), gallery_ND, [[1, 4]])
    assert ranks.answers[0].tolist() == [1, 4]
    assert [ranks.hit_recall(k)[0] for k in (1, 2, 4, 5)] == [0, 1, 1, 1]
    assert [ranks.true_recall(k)[0] for k in (1, 2, 4, 5)] == [0, 0.5, 0.5, 1]


def test_equal_scores_go_before_an_answer():
    ranks = rank_positives(np.ones((1, 1)), np.array([[0.5], [0.5], [0.5], [0.4]]), [[0, 1]])
    assert ranks.answers[0].tolist() == [1, 2]


def clip_benchmark_recall(scores, positive_pairs, k):
    """CLIP_benchmark's `recall_at_k`, then its "at least one", as its zeroshot_retrieval.py has them."""
    nb_texts, nb_images = scores.shape
    topk_indices = torch.topk(scores, k, dim=1)[1]
    nb_positive = positive_pairs.sum(dim=1)
    topk_indices_onehot = torch.nn.functional.one_hot(topk_indices, num_classes=nb_images)
    nb_true_positive = (topk_indices_onehot * positive_pairs.view(nb_texts, 1, nb_images)).sum(dim=(1, 2))
    actual = nb_true_positive / nb_positive
    return actual, (actual > 0).float().mean().item()


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def noisy_pairs(images=40, dim=8, seed=0):
    """Embeddings of images, of one to five texts each near its image, and the image of each text."""
    rng = np.random.default_rng(seed)
    image_ND = unit(rng.normal(size=(images, dim)))
    owner_Q = np.repeat(np.arange(images), rng.integers(1, 6, images))
    return image_ND, unit(image_ND[owner_Q] + 0.4 * rng.normal(size=(len(owner_Q), dim))), owner_Q


def test_recall_is_clip_benchmarks_to_the_last_digit():
    image_ND, text_QD, owner_Q = noisy_pairs()
    scores = torch.tensor(text_QD @ image_ND.T)
    positive = torch.zeros_like(scores, dtype=torch.bool)
    positive[torch.arange(len(scores)), torch.tensor(owner_Q)] = True
    there, back = measure_embeddings(image_ND, text_QD, [(int(n), f"text {q}") for q, n in enumerate(owner_Q)])
    named = count_as_clip_benchmark(image_ND, text_QD, owner_Q.tolist())
    for k in (1, 5, 10):
        _, image_recall = clip_benchmark_recall(scores, positive, k)
        actual, text_recall = clip_benchmark_recall(scores.T, positive.T, k)
        assert (
            np.float32(there.hit[k].value)
            == np.float32(named[f"image_retrieval_recall@{k}"])
            == np.float32(image_recall)
        )
        assert (
            np.float32(back.hit[k].value) == np.float32(named[f"text_retrieval_recall@{k}"]) == np.float32(text_recall)
        )
        assert back.true[k].value == pytest.approx(actual.mean().item(), abs=1e-7)


def test_images_with_the_same_caption_are_all_its_answers():
    image_ND = np.eye(3)
    text_QD = np.array([[0.8, 0.6, 0], [0.8, 0.6, 0], [0, 0, 1.0]])
    pairs = [(0, "A dog."), (1, "a  dog."), (2, "a cat.")]
    there, back = measure_embeddings(image_ND, text_QD, pairs, ks=(1, 2))
    assert there.hit[1].value == 1  # image 0 is first for both, and both images have this caption
    assert there.true[1].value == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert (back.hit[1].value, back.true[2].value) == (1, 1)
    own = count_as_clip_benchmark(image_ND, text_QD, [0, 1, 2], ks=(1,))
    assert own["image_retrieval_recall@1"] == pytest.approx(2 / 3)


def test_captions_that_are_all_alike_find_nothing_by_chance_but_are_right_for_every_image():
    image_ND, text_QD = np.eye(6), np.ones((6, 6)) / np.sqrt(6)
    there, _ = measure_embeddings(image_ND, text_QD, [(n, "a photo") for n in range(6)], ks=(1,))
    assert (there.hit[1].value, there.chance[1]) == (1, 1)
    assert count_as_clip_benchmark(image_ND, text_QD, range(6), ks=(1,))["image_retrieval_recall@1"] == 0


def test_captions_of_one_image_are_resampled_together():
    image_ND, text_QD, _ = noisy_pairs()
    text_QD = np.repeat(text_QD[: len(image_ND)], 5, axis=0)
    pairs = [(n // 5, f"text {n}") for n in range(len(text_QD))]
    together = measure_embeddings(image_ND, text_QD, pairs)[0].hit[5]
    apart = estimate_recall(text_QD, image_ND, [[n] for n, _ in pairs])[5]
    assert together.value == apart.value
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_chance_is_the_share_of_random_rankings_that_hit():
    image_ND, text_QD, owner_Q = noisy_pairs(images=12)
    _, back = measure_embeddings(image_ND, text_QD, [(int(n), f"text {q}") for q, n in enumerate(owner_Q)])
    rng = np.random.default_rng(0)
    own = [np.flatnonzero(owner_Q == n) for n in range(12)]
    drawn = [np.isin(rng.permutation(len(owner_Q))[:5], one).any() for one in own for _ in range(4000)]
    assert back.chance[5] == pytest.approx(np.mean(drawn), abs=0.01)


class Known:
    """A model that knows the embedding of each image and text, and cannot read one image."""

    scale, bias = 100.0, None

    def __init__(self, name, image_ND, texts):
        self.name, self.fingerprint, self.image_ND, self.texts = name, name, image_ND, texts

    def stream_images(self, images):
        for image in images:
            yield (image, self.image_ND[int(image[0, 0, 0])])

    def embed_texts(self, texts):
        return np.stack([self.texts[text] for text in texts])


def known_set(images=40):
    image_ND, text_QD, owner_Q = noisy_pairs(images)
    captions = [tuple(f"text {q}" for q in np.flatnonzero(owner_Q == n)) for n in range(images)]
    pixels = [np.full((2, 2, 3), n, np.uint8) for n in range(images)]
    data = CaptionedSet("known", pixels, tuple(map(str, range(images))), tuple(captions))
    return data, image_ND, {f"text {q}": row_D for q, row_D in enumerate(text_QD)}


def test_models_are_compared_on_the_same_images_and_the_report_says_so():
    data, image_ND, texts = known_set()
    good = evaluate_retrieval(Known("good", image_ND, texts), data, cache=False)
    rng = np.random.default_rng(1)
    bad = evaluate_retrieval(Known("bad", unit(rng.normal(size=image_ND.shape)), texts), data, cache=False)
    difference = compare_recall(bad, good, 1)
    assert difference.value == pytest.approx(good.text_to_image.hit[1].value - bad.text_to_image.hit[1].value)
    assert difference.low > 0
    report = build_report([bad, good], "wordsight eval retrieval known", charts=draw_charts([bad, good]))
    assert "good is better than bad by" in report.answer
    three = build_report([bad, good, dataclasses.replace(good, model="other")], "").answer
    assert "These intervals hold for all 2 comparisons at once." in three
    assert [section.title for section in report.sections] == [
        "Recall",
        "Gains",
        "Failures of bad",
        "Failures of good",
    ]
    query, found = report.sections[2].parts[0].tiles[:2]
    assert query[1] == "rank {}: “{}”".format(*find_last(bad.features.image_MD, data.captions, texts))
    words = query[1].partition("“")[2].rstrip("”")
    assert np.array_equal(found[0], data.images[int((bad.features.image_MD @ texts[words]).argmax())])
    assert report.data["results"][0]["metrics"]["image_retrieval_recall@5"] == bad.text_to_image.hit[5].value
    other = dataclasses.replace(data, captions=tuple((*texts_of, "text 0") for texts_of in data.captions))
    with pytest.raises(InputError, match="'bad' and 'good' are on different images"):
        compare_recall(bad, evaluate_retrieval(Known("good", image_ND, texts), other, cache=False), 1)


def find_last(image_ND, captions, texts):
    """Rank of its image, and words, of the caption whose image comes last, by sorting the images for each."""
    ranks = {}
    for place, words in ((place, words) for place, own in enumerate(captions) for words in own):
        scored = sorted(range(len(image_ND)), key=lambda n: -float(image_ND[n] @ texts[words]))
        ranks[words] = scored.index(place) + 1
    last = max(ranks, key=ranks.get)
    return ranks[last], last


def test_a_shared_caption_is_said_in_the_report():
    data, image_ND, texts = known_set(10)
    shared = dataclasses.replace(data, captions=tuple((*own, "text 0") for own in data.captions))
    result = evaluate_retrieval(Known("good", image_ND, texts), shared, cache=False)
    assert result.shared == 1
    said = build_report([result], "").sections[0].text
    assert "Captions that several images have: 1." in said
    assert "By CLIP_benchmark's count" in said


def test_captions_that_do_not_tell_images_apart_are_called_that():
    data, image_ND, texts = known_set(10)
    alike = dataclasses.replace(data, captions=(("text 0",),) * 10)
    answer = build_report([evaluate_retrieval(Known("good", image_ND, texts), alike, cache=False)], "").answer
    assert "Most images share their captions, so this tells little: a random ranking reaches 100.0 %." in answer


def test_two_images_that_are_all_found_are_not_certainty():
    pairs = [(0, "a"), (0, "b"), (1, "c"), (1, "d")]
    image_ND = np.eye(2, dtype=np.float32)
    there, back = measure_embeddings(image_ND, image_ND[[0, 0, 1, 1]], pairs, ks=(1,))
    for found in (there.hit[1], there.true[1], back.hit[1]):
        assert (found.value, found.high) == (1.0, 1.0)
        assert found.low == pytest.approx(0.342, abs=1e-3)  # Wilson's of two of two
