"""Heads that predict a text from an image: its words in no order, or one token after another.

Both are the baselines of Radford et al. 2021, Figure 2; here their words are the tokenizer's tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wordsight.nn.transformer import Attention, ResidualBlock, initialise_blocks, run_block
from wordsight.spec import TextTower, TokenizerSpec

NOT_PREDICTED = -100  # the target that torch's cross-entropy ignores


class BagOfWordsHead(nn.Linear):
    """Features (B,D) to one logit for each token of the vocabulary, (B,V) (Joulin et al. 2016, §3.1)."""

    def __init__(self, embed_dim: int, vocab_size: int) -> None:
        super().__init__(embed_dim, vocab_size)
        nn.init.normal_(self.weight, std=0.02)
        nn.init.zeros_(self.bias)


def bag_of_words(tokens_BT: Tensor, tokenizer: TokenizerSpec, vocab_size: int) -> Tensor:
    """Tokens that each text has, (B,V) uint8 of 0 and 1, without those that begin, end and fill it."""
    words_BT = _before_end(tokens_BT, tokenizer)
    if tokenizer.bos_id is not None:
        words_BT = words_BT & (tokens_BT != tokenizer.bos_id)
    # Whatever is not a word is counted in one column more, which is then cut off.
    columns_BT = tokens_BT.masked_fill(~words_BT, vocab_size)
    bags_BV = torch.zeros(len(tokens_BT), vocab_size + 1, dtype=torch.uint8, device=tokens_BT.device)
    return bags_BV.scatter_(1, columns_BT, 1)[:, :-1]


class CaptionDecoder(nn.Module):
    """A causal transformer that reads an image: the logits of each next token (Desai & Johnson 2021, VirTex, §3).

    It is as wide and deep as the spec's text tower; each block attends to the text so far, then to the image. The
    embeddings of tokens also weigh the logits (Press & Wolf 2017).
    """

    def __init__(self, tower: TextTower, embed_dim: int) -> None:
        super().__init__()
        width = tower.width
        self.checkpointing = False
        self.token_embedding = nn.Embedding(tower.vocab_size, width)
        self.positional_embedding = nn.Parameter(torch.randn(tower.context_length, width) * 0.01)
        self.image = nn.Linear(embed_dim, width)
        self.ln_image = nn.LayerNorm(width, eps=tower.norm_eps)
        self.resblocks = nn.ModuleList(ReadingBlock(tower) for _ in range(tower.layers))
        self.ln_final = nn.LayerNorm(width, eps=tower.norm_eps)
        initialise_blocks(self.resblocks, width)
        nn.init.normal_(self.token_embedding.weight, std=0.02)

    def forward(self, tokens_BT: Tensor, places_BSD: Tensor) -> Tensor:
        """Logits (B,T,V) of the token after each of (B,T), of images whose places are (B,S,D)."""
        image_BSE = self.ln_image(self.image(places_BSD))
        x_BTE = self.token_embedding(tokens_BT) + self.positional_embedding[: tokens_BT.shape[1]]
        for block in self.resblocks:
            x_BTE = run_block(block, self.checkpointing, x_BTE, image_BSE)
        logits_BTV: Tensor = self.ln_final(x_BTE) @ self.token_embedding.weight.T
        return logits_BTV


class ReadingBlock(ResidualBlock):
    """A causal residual block that also attends to an image, between the text and the MLP (Vaswani et al. 2017)."""

    def __init__(self, tower: TextTower) -> None:
        super().__init__(tower.width, tower.heads, tower.mlp_width, tower.activation, tower.norm_eps)
        self.ln_cross = nn.LayerNorm(tower.width, eps=tower.norm_eps)
        self.cross = Attention(tower.width, tower.heads)

    def forward(self, x_BTE: Tensor, image_BSE: Tensor) -> Tensor:  # type: ignore[override]
        """Return (B,T,E) of the text (B,T,E) and the image (B,S,E)."""
        x_BTE = x_BTE + self.attn(self.ln_1(x_BTE), causal=True)
        x_BTE = x_BTE + self.cross(self.ln_cross(x_BTE), image_BSE)
        update: Tensor = self.mlp(self.ln_2(x_BTE))
        return x_BTE + update


def next_tokens(tokens_BT: Tensor, tokenizer: TokenizerSpec) -> tuple[Tensor, Tensor]:
    """Input and targets of a decoder, both (B,T-1): the end too, nothing behind it."""
    told_BT = _before_end(tokens_BT, tokenizer)
    # A token is to be predicted where the one before it is still of the text: the end is.
    targets_BT = tokens_BT[:, 1:].masked_fill(~told_BT[:, :-1], NOT_PREDICTED)
    return tokens_BT[:, :-1], targets_BT


def _before_end(tokens_BT: Tensor, tokenizer: TokenizerSpec) -> Tensor:
    """Return (B,T) bool: the positions before the first end-of-text token."""
    return (tokens_BT == tokenizer.eos_id).cumsum(dim=1) == 0
