"""Heads that predict texts: what they are asked for, and that a decoder reads the image and never reads on."""

import dataclasses

import pytest
import random_models
import torch

from wordsight.nn.heads import NOT_PREDICTED, BagOfWordsHead, CaptionDecoder, bag_of_words, next_tokens
from wordsight.nn.simclr import ProjectionHead
from wordsight.nn.transformer import set_checkpointing

# Ids below 50, as in random_models: 48 begins a text, 49 ends it, and the padding, 0, is also a word.
TOKENIZER = dataclasses.replace(random_models.CLIP.tokenizer, bos_id=48, eos_id=49)
TOKENS = torch.tensor([
    [48, 5, 7, 5, 49, 0, 0],  # a word twice
    [48, 0, 49, 0, 0, 0, 0],  # the word that is also the padding
    [48, 49, 0, 0, 0, 0, 0],  # no word
    [48, 1, 2, 3, 4, 6, 49],  # full
])  # fmt: skip


def test_a_bag_has_each_word_once_and_no_other_token():
    bags_BV = bag_of_words(TOKENS, TOKENIZER, 50)
    assert bags_BV.shape == (4, 50)
    assert [row.nonzero().flatten().tolist() for row in bags_BV] == [[5, 7], [0], [], [1, 2, 3, 4, 6]]
    assert bags_BV.max() == 1


def test_a_tokenizer_without_a_first_token_has_its_words_from_the_start():
    bags_BV = bag_of_words(torch.tensor([[5, 7, 49, 0]]), dataclasses.replace(TOKENIZER, bos_id=None), 50)
    assert bags_BV[0].nonzero().flatten().tolist() == [5, 7]


def test_each_token_is_to_be_predicted_from_those_before_it_the_end_too():
    read_BT, targets_BT = next_tokens(TOKENS, TOKENIZER)
    none = NOT_PREDICTED
    assert torch.equal(read_BT, TOKENS[:, :-1])
    assert targets_BT.tolist() == [
        [5, 7, 5, 49, none, none],
        [0, 49, none, none, none, none],
        [49, none, none, none, none, none],
        [1, 2, 3, 4, 6, 49],
    ]


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return CaptionDecoder(random_models.text(), embed_dim=16).double()


def test_a_decoder_does_not_read_on(decoder):
    tokens_BT, places_BSD = (
        torch.tensor([[48, 5, 7, 9], [48, 5, 3, 4]]),
        torch.randn(1, 6, 16).double().expand(2, -1, -1),
    )
    logits_BTV = decoder(tokens_BT, places_BSD)
    assert logits_BTV.shape == (2, 4, 50)
    torch.testing.assert_close(logits_BTV[0, :2], logits_BTV[1, :2])
    assert not torch.allclose(logits_BTV[0, 2], logits_BTV[1, 2])


def test_a_decoder_reads_every_place_of_the_image(decoder):
    tokens_BT, places_BSD = torch.tensor([[48, 5]]), torch.randn(1, 6, 16).double().requires_grad_()
    decoder(tokens_BT, places_BSD).square().sum().backward()
    assert (places_BSD.grad.abs().amax(dim=(0, 2)) > 0).all()


def test_every_parameter_of_a_decoder_learns(decoder):
    logits_BTV = decoder(TOKENS[:, :-1], torch.randn(4, 6, 16).double())
    logits_BTV.square().sum().backward()
    for name, parameter in decoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_a_decoder_is_checkpointed_too(decoder):
    results = []
    for on in (False, True):
        set_checkpointing(decoder.train(), on)
        decoder.zero_grad()
        torch.manual_seed(1)
        decoder(TOKENS[:, :-1], torch.randn(4, 6, 16).double()).square().sum().backward()
        results.append([p.grad.clone() for p in decoder.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_a_new_decoder_expects_nothing():
    """Its first loss is near ln(vocabulary): the logits' spread is small against it."""
    torch.manual_seed(0)
    decoder = CaptionDecoder(random_models.text(vocab_size=1000), embed_dim=16)
    logits_BTV = decoder(TOKENS[:, :-1], torch.randn(4, 6, 16))
    loss = torch.nn.functional.cross_entropy(logits_BTV.flatten(0, 1), torch.randint(0, 1000, (24,)))
    assert loss.item() == pytest.approx(torch.tensor(1000.0).log().item(), abs=0.2)


def test_the_heads_are_small_maps_of_features():
    features_BD = torch.randn(4, 16)
    assert BagOfWordsHead(16, 50)(features_BD).shape == (4, 50)
    assert ProjectionHead(16)(features_BD).shape == (4, 128)
