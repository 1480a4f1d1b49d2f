"""The text tower (Radford et al. 2021, §2.4; SigLIP's: Zhai et al. 2023)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wordsight.nn.transformer import Transformer
from wordsight.spec import ModelSpec


class TextTransformer(nn.Module):
    """Token ids to features: embeddings, a transformer, the vector at one position, a projection."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        tower = spec.text
        self.spec = spec
        self.token_embedding = nn.Embedding(tower.vocab_size, tower.width)
        self.positional_embedding = nn.Parameter(torch.randn(tower.context_length, tower.width) * 0.01)
        self.transformer = Transformer(
            tower.width,
            tower.layers,
            tower.heads,
            mlp_width=tower.mlp_width,
            activation=tower.activation,
            norm_eps=tower.norm_eps,
        )
        self.ln_final = nn.LayerNorm(tower.width, eps=tower.norm_eps)
        self.text_projection = nn.Parameter(torch.randn(tower.width, spec.embed_dim) * tower.width**-0.5)
        if tower.projection_bias:
            self.text_projection_bias = nn.Parameter(torch.zeros(spec.embed_dim))
        nn.init.normal_(self.token_embedding.weight, std=0.02)  # 0.02 and 0.01: OpenAI's, as in GPT-2

    def encode_text(self, tokens_BT: Tensor) -> Tensor:
        """Features (B,D), not normalised, of token ids (B,T)."""
        x_BTE = self.token_embedding(tokens_BT) + self.positional_embedding[: tokens_BT.shape[1]]
        at_B = self.text_positions(tokens_BT)
        x_BE = self.ln_final(self.transformer(x_BTE, causal=self.spec.text.causal, at_B=at_B)[:, 0])
        x_BD: Tensor = x_BE @ self.text_projection
        if self.spec.text.projection_bias:
            x_BD = x_BD + self.text_projection_bias
        return x_BD

    def text_positions(self, tokens_BT: Tensor) -> Tensor:
        """For each text the position (B,) whose vector stands for it."""
        if self.spec.text.pooling == "argmax":
            return tokens_BT.argmax(dim=1)  # the end-of-text token has the highest id of OpenAI's vocabulary
        if self.spec.text.pooling == "eos":
            return (tokens_BT == self.spec.tokenizer.eos_id).int().argmax(dim=1)  # the first: padding may repeat the id
        return tokens_BT.new_full((tokens_BT.shape[0],), tokens_BT.shape[1] - 1)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Return `encode_text(tokens_BT)`."""
        return self.encode_text(tokens_BT)
