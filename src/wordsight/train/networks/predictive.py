"""Networks that predict the text of an image: its words, or its tokens one by one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from wordsight.nn.heads import NOT_PREDICTED, BagOfWordsHead, CaptionDecoder, bag_of_words, next_tokens
from wordsight.spec import ModelSpec
from wordsight.train.batch import Batch, Features
from wordsight.train.networks.images_only import ImagesOnly, unscaled


class BagOfWords(ImagesOnly):
    """An image tower and a logit for each token: which of them are in the text (Joulin et al. 2016)."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.head = BagOfWordsHead(spec.embed_dim, spec.text.vocab_size)

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Pixels, and indicators (B,V) of the tokens of each text."""
        return self.normalise(batch.pixels_BCHW), self._bags(batch.tokens_BT)

    def forward(self, first: Tensor, second: Tensor) -> Features:
        """Logits (B,V) of images (B,3,S,S), and the bags (B,V) unchanged."""
        return unscaled(self.head(self.visual(first)).float(), second)

    def score_texts(self, pixels_BCHW: Tensor, tokens_KT: Tensor) -> Tensor:
        """Mean log-probability (B,K) of each prompt's tokens; pixels normalised, as `forward` takes them."""
        log_p_BV: Tensor = self.head(self.visual(pixels_BCHW)).float().log_softmax(dim=-1)
        bags_KV = self._bags(tokens_KT).float()
        return log_p_BV @ (bags_KV / bags_KV.sum(dim=1, keepdim=True).clamp_min(1)).T

    def _bags(self, tokens_BT: Tensor) -> Tensor:
        return bag_of_words(tokens_BT, self.spec.tokenizer, self.texts.vocab_size)


class Captioner(ImagesOnly):
    """An image tower and a decoder that writes the text, token by token (Desai & Johnson 2021)."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.decoder = CaptionDecoder(spec.text, spec.embed_dim)

    def passes(self) -> list[tuple[nn.Module, str]]:
        """Forward passes of the image tower and of the decoder."""
        return [(self.visual, "tokens"), (self.decoder, "forward")]

    def forward(self, first: Tensor, second: Tensor) -> Features:
        """Logits (B,T-1,V) of images (B,3,S,S) and token ids (B,T), and the ids they are to predict."""
        read_BT, targets_BT = next_tokens(second, self.spec.tokenizer)
        return unscaled(self.decoder(read_BT, self._positions(first)).float(), targets_BT)

    def score_texts(self, pixels_BCHW: Tensor, tokens_KT: Tensor) -> Tensor:
        """Log-likelihood per token (B,K) of each prompt; pixels normalised, as `forward` takes them."""
        positions_BSD = self._positions(pixels_BCHW)
        scores = [self._likelihood(positions_BSD, tokens_T) for tokens_T in tokens_KT]  # all at once would be B·K·T·V
        return torch.stack(scores, dim=1)

    def _positions(self, pixels_BCHW: Tensor) -> Tensor:
        tower: Any = self.visual
        positions_BSD: Tensor = tower.tokens(pixels_BCHW)
        return positions_BSD

    def _likelihood(self, positions_BSD: Tensor, tokens_T: Tensor) -> Tensor:
        """Mean log-probability (B,) of one text's tokens."""
        read_1T, targets_1T = next_tokens(tokens_T[None], self.spec.tokenizer)
        length = int((targets_1T != NOT_PREDICTED).sum())
        read_BT = read_1T[:, :length].expand(len(positions_BSD), -1)
        log_p_BTV: Tensor = self.decoder(read_BT, positions_BSD).float().log_softmax(dim=-1)
        target_BT = targets_1T[:, :length].expand(len(positions_BSD), -1)
        return log_p_BTV.gather(2, target_BT[:, :, None])[:, :, 0].mean(dim=1)
