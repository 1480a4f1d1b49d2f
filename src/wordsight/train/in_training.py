"""A network in training that exposes the Model interface: texts and pixels in, unit vectors out, the run unaffected."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from wordsight.errors import InputError
from wordsight.model import unit_rows
from wordsight.spec import ModelSpec
from wordsight.text.tokenizer import Tokenizer
from wordsight.train.compute.parallel import unwrap

_TEXTS_AT_ONCE = 256


class InTraining:
    """A network with the interface of a loaded model, without leaving torch: `with InTraining(…) as model`.

    Inside, the network is in eval mode without gradients; after, each module has the mode it had (a locked tower stays
    in eval mode) and torch's random state is restored, so that a run is bit-identical with and without evaluation.
    network: a `Network`, a bare `CLIP`, or one wrapped by DDP or torch.compile; of FSDP an unsharded copy.
    autocast: makes the context in which the run computes, such as bf16.
    """

    fingerprint = ""  # changing weights have none, and nothing of them is cached

    def __init__(
        self,
        network: nn.Module,
        spec: ModelSpec,
        tokenizer: Tokenizer,
        *,
        autocast: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext,
    ) -> None:
        self.network, self.spec, self.tokenizer, self.autocast = unwrap(network), spec, tokenizer, autocast
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> InTraining:
        device = self.device
        self._stack.enter_context(torch.random.fork_rng([device] if device.type == "cuda" else []))
        self._stack.enter_context(_in_eval_mode(self.network))
        self._stack.enter_context(torch.no_grad())  # not inference_mode: a mask made in it could not be trained with
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def device(self) -> torch.device:
        """Device that the network computes on."""
        return next(self.network.parameters()).device

    @property
    def scores_texts(self) -> bool:
        """Whether the network scores texts for images itself, having no text embeddings (predictive objectives)."""
        return hasattr(self.network, "score_texts")

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors (N,D) of texts."""
        texts = [texts] if isinstance(texts, str) else list(texts)
        clip = self._clip()
        parts = []
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            some = texts[start : start + _TEXTS_AT_ONCE]
            with self.autocast():
                features_BD = clip.encode_text(self._tokens(some))
            parts.append(unit_rows(features_BD.float().cpu().numpy(), [repr(text) for text in some]))
        return np.concatenate(parts)

    def embed_pixels(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Unit vectors (B,D) of uint8 pixels (B,S,S,3)."""
        clip = self._clip()
        with self.autocast():
            features_BD = clip.encode_image(self._normalised(pixels_BHWC))
        return unit_rows(features_BD.float().cpu().numpy(), ["an image"] * len(pixels_BHWC))

    def score(self, pixels_BHWC: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Scores (B,K) of texts for uint8 pixels (B,S,S,3), of predictive networks."""
        with self.autocast():
            scores_BK = cast(Any, self.network).score_texts(self._normalised(pixels_BHWC), self._tokens(texts))
        return np.asarray(scores_BK.float().cpu().numpy())

    def _clip(self) -> Any:
        clip = getattr(self.network, "clip", self.network)
        if hasattr(clip, "encode_text"):
            return clip
        raise InputError(
            f"A {type(self.network).__name__} has no text tower, so its zero-shot accuracy cannot be measured; set "
            "watch.zero_shot=none, or choose another objective."
        )

    def _tokens(self, texts: Sequence[str]) -> Tensor:
        return torch.from_numpy(self.tokenizer(texts).ids.astype(np.int64)).to(self.device)

    def _normalised(self, pixels_BHWC: np.ndarray) -> Tensor:
        preprocess = self.spec.preprocess
        mean, std = (torch.tensor(v, device=self.device) for v in (preprocess.mean, preprocess.std))
        pixels = torch.from_numpy(np.ascontiguousarray(pixels_BHWC)).to(self.device)
        return ((pixels / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()


@contextlib.contextmanager
def _in_eval_mode(network: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
