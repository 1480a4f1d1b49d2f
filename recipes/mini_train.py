"""Training of `mini`'s image head against fixed teacher texts, on cached features (locked-image tuning).

Losses: symmetric InfoNCE on real pairs; the same on class prototypes; KL to the trunk's class posterior.
A pair (image, text) off the diagonal is left out of the negatives when the text is also true of the image.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse
import torch
import torch.nn.functional as F
from mini_data import LearnImage
from torch import Tensor, nn

KINDS = {"usual": 0.5, "synonym": 0.68, "hypernym": 0.88, "gloss": 1.0}  # a class's texts: cumulative shares
CAPTIONED = ("flickr8k-train", "coco3k7", "coco-val", "ade20k")
# Share of the batch of each group of sources.
SHARES = {
    "flickr8k-train": 0.38, "coco3k7": 0.20, "coco-val": 0.005, "ade20k": 0.02, "transfer": 0.13, "clothing": 0.07,
    "fashion": 0.09, "grocery": 0.015, "grocery-iconic": 0.002, "emoji-google": 0.015, "emoji-twitter": 0.01,
    "emoji-fluent": 0.013, "stamps": 0.015, "openclipart": 0.05,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """Settings for training a head."""

    steps: int = 1000
    batch: int = 1024
    prototypes: int = 512
    width: int = 768
    layers: int = 1
    dropout: float = 0.5
    text_dropout: float = 0.3
    text_noise: float = 0.01
    weight_decay: float = 0.3
    learning_rate: float = 1e-3
    class_weight: float = 1.0
    kl_weight: float = 0.5
    proto_weight: float = 1.0
    ema: float = 0.995
    warmup: int = 100
    shares: dict[str, float] = field(default_factory=lambda: dict(SHARES))


def dropout(x: Tensor, share: float, training: bool) -> Tensor:
    """Dropout by bytes: several times faster than torch's on a CPU, and the share is a multiple of 1/256."""
    if not training or share == 0:
        return x
    keep = torch.frombuffer(bytearray(random.randbytes(x.numel())), dtype=torch.uint8).view(x.shape) >= int(256 * share)
    return x * keep * (1 / (1 - int(256 * share) / 256))


class Head(nn.Module):
    """Image head: standardise, linear, residual MLPs, project; plus class vectors weighted by the posterior."""

    def __init__(
        self, mean_F: Tensor, scale_F: Tensor, embed_dim: int, config: HeadConfig, class_vectors_KD: Tensor
    ) -> None:
        super().__init__()
        self.register_buffer("mean", mean_F)
        self.register_buffer("scale", scale_F)
        self.input = nn.Linear(len(mean_F), config.width)
        self.mlp = nn.ModuleList(
            nn.ModuleDict(
                {"c_fc": nn.Linear(config.width, 2 * config.width), "c_proj": nn.Linear(2 * config.width, config.width)}
            )
            for _ in range(config.layers)
        )
        self.proj = nn.Parameter(torch.randn(config.width, embed_dim) * config.width**-0.5)
        self.class_vectors = nn.Parameter(class_vectors_KD.clone())
        self.dropout = config.dropout

    def forward(self, pooled_BF: Tensor, posterior_BK: Tensor) -> Tensor:
        """Image features (B,D), not normalised."""
        x = dropout((pooled_BF - self.mean) * self.scale, self.dropout * 0.4, self.training)
        h = self.input(x)
        for block in self.mlp:
            inner = dropout(F.gelu(block["c_fc"](dropout(h, self.dropout, self.training))), self.dropout, self.training)
            h = h + block["c_proj"](inner)
        return dropout(h, self.dropout * 0.5, self.training) @ self.proj + posterior_BK @ self.class_vectors


class TextHead(nn.Module):
    """Residual MLP over the frozen teacher's embedding."""

    def __init__(self, embed_dim: int, dropout: float) -> None:
        super().__init__()
        self.c_fc, self.c_proj = nn.Linear(embed_dim, 2 * embed_dim), nn.Linear(2 * embed_dim, embed_dim)
        nn.init.zeros_(self.c_proj.weight)
        nn.init.zeros_(self.c_proj.bias)
        self.dropout = dropout

    def forward(self, x_BD: Tensor) -> Tensor:
        """Text features (B,D), not normalised."""
        h = dropout(F.gelu(self.c_fc(x_BD * 10)), self.dropout, self.training)
        return x_BD * 3 + self.c_proj(h)


@dataclass
class Tables:
    """Everything a step needs, as arrays in memory.

    features_VF: float16 pooled features of every view; posterior by `posterior()`. view_rows: rows of each image.
    has: sparse (images, texts) 1 where the text is true of the image; class_has likewise for the trunk's classes.
    """

    images: Sequence[LearnImage]
    features_VF: Tensor
    views: list[np.ndarray]
    texts: list[str]
    texts_of: list[np.ndarray]
    has: scipy.sparse.csr_matrix
    class_texts: list[dict[str, np.ndarray]]
    class_has: scipy.sparse.csr_matrix
    class_prompts: np.ndarray
    pair_texts: np.ndarray  # (P,3): class, class, text "a X and a Y"
    classifier: tuple[Tensor, Tensor]
    shift_KF: Tensor  # where the pooled features move for each class (see `class_shifts`)
    mean_F: Tensor
    scale_F: Tensor
    teacher: Tensor  # (N,D) float16
    pools: dict[str, np.ndarray]
    neutral_NF: Tensor  # natural images' features with their own class's shift taken away: where prototypes start

    def posterior(self, pooled_BF: Tensor) -> Tensor:
        """The trunk's class posterior from its pooled features."""
        weight, bias = self.classifier
        with torch.autocast("cpu", torch.bfloat16):
            logits = F.linear(pooled_BF[:, : weight.shape[1]], weight, bias)
        return logits.float().softmax(-1)


def class_shifts(features_NF: Tensor, weight_KC: Tensor) -> Tensor:
    """Where each class's mean lies from the overall mean, guessed from the trunk's classifier.

    Linear discriminant analysis read backwards says S w_k for a linear classifier's row w_k; S^(1/2) w_k lies nearer to
    the true class means (cosine 0.54 against 0.39 for S w_k and 0.46 for w_k, 117 classes of the learn sets). The
    covariance between all pooled features and the last ones carries the shift to the earlier stages. Scaled so that a
    class's own logit rises as much as it does on its images (7.7).
    """
    x = features_NF.double()
    x = x - x.mean(0)
    channels = weight_KC.shape[1]
    covariance = x.T @ x[:, :channels] / len(x)
    values, vectors = torch.linalg.eigh(covariance[:channels])
    rows = weight_KC.double() - weight_KC.double().mean(0)
    whitened = (rows @ vectors) * values.clamp(min=1e-6) ** -0.5 @ vectors.T
    shifts = (whitened @ covariance.T).float()
    return shifts * (7.7 / (shifts[:, :channels] * weight_KC).sum(1).mean())


def prototypes(t: Tables, classes: Tensor, rng: torch.Generator, strength: Tensor) -> Tensor:
    """Pseudo-features (B,F): real ones, moved from their own class to the wanted one."""
    rows = torch.randint(len(t.neutral_NF), (len(classes),), generator=rng)
    moved = t.neutral_NF[rows].float() + t.shift_KF[classes] * strength[:, None]
    channels = t.classifier[0].shape[1]
    moved[:, :channels] = moved[:, :channels].clamp(min=0)
    return moved


def contrast(image_BD: Tensor, text_BD: Tensor, scale: Tensor, also_true_BB: Tensor) -> Tensor:
    """Symmetric InfoNCE; `also_true_BB[i, j]` leaves text j out of image i's negatives (the diagonal stays)."""
    logits = scale * F.normalize(image_BD, dim=-1) @ F.normalize(text_BD, dim=-1).T
    logits = logits.masked_fill(also_true_BB & ~torch.eye(len(logits), dtype=torch.bool), -1e4)
    target = torch.arange(len(logits))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


class Sampler:
    """Draws the image–text pairs and the class–text pairs of a step."""

    def __init__(self, tables: Tables, config: HeadConfig, seed: int) -> None:
        self.t, self.c = tables, config
        self.rng = np.random.default_rng(seed)
        self.names = [n for n in config.shares if n in tables.pools]
        shares = np.array([config.shares[n] for n in self.names])
        self.shares = shares / shares.sum()
        # Classes by how often: every class alike.

    def pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, Tensor]:
        """(images, view rows, texts, also true) of one batch; no image twice."""
        counts = self.rng.multinomial(self.c.batch, self.shares)
        chosen = [
            self.rng.choice(self.t.pools[n], min(c, len(self.t.pools[n])), replace=False)
            for n, c in zip(self.names, counts, strict=True)
        ]
        images = np.concatenate(chosen)
        rows = np.array(
            [
                v[0] if self.rng.random() < 0.3 else v[self.rng.integers(len(v))]
                for v in (self.t.views[p] for p in images)
            ]
        )
        texts = np.array([self.rng.choice(self.t.texts_of[p]) for p in images])
        return images, rows, texts, torch.from_numpy(self.t.has[images][:, texts].toarray() > 0)

    def classes(self) -> tuple[np.ndarray, np.ndarray, Tensor]:
        """(classes, texts, also true) of one batch of prototypes."""
        classes = self.rng.choice(len(self.t.class_texts), self.c.prototypes, replace=False)
        kinds = self.rng.random(len(classes))
        texts = []
        for k, u in zip(classes, kinds, strict=True):
            options = self.t.class_texts[k]
            kind = next(name for name, limit in KINDS.items() if u < limit)
            texts.append(self.rng.choice(options.get(kind, options["usual"])))
        chosen = np.array(texts)
        return classes, chosen, torch.from_numpy(self.t.class_has[classes][:, chosen].toarray() > 0)

    def compositions(self, count: int) -> np.ndarray:
        """Rows (class, class, text) of "a X and a Y"."""
        return self.t.pair_texts[self.rng.integers(len(self.t.pair_texts), size=count)]


def learning_rate(step: int, config: HeadConfig) -> float:
    """Warm-up, then cosine to a hundredth."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


class WeightAverage:
    """Exponential moving average of parameters (Polyak & Juditsky 1992), with a warm start."""

    def __init__(self, modules: Sequence[nn.Module], decay: float) -> None:
        self.parameters = [p for m in modules for p in m.parameters()]
        self.decay, self.steps = decay, 0
        self.kept = [p.detach().clone() for p in self.parameters]

    def update(self) -> None:
        """Take in the parameters after a step."""
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 10))
        torch._foreach_lerp_(self.kept, [p.detach() for p in self.parameters], 1 - decay)

    def swap(self) -> None:
        """Exchange the average with the parameters (call again to undo)."""
        for p, k in zip(self.parameters, self.kept, strict=True):
            held = p.detach().clone()
            p.data.copy_(k)
            k.copy_(held)


def parameter_groups(modules: Sequence[nn.Module], decay: float) -> list[dict[str, object]]:
    """Weight decay on matrices only."""
    every = [p for m in modules for p in m.parameters()]
    return [
        {"params": [p for p in every if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in every if p.ndim <= 1], "weight_decay": 0.0},
    ]


def image_loss(t: Tables, c: HeadConfig, sampler: Sampler, generator: torch.Generator, head: Head, scale: Tensor,
               embed: object, prompts_KD: Tensor) -> tuple[Tensor, dict[str, float]]:  # fmt: skip
    """The three losses of one step; `embed`: text numbers → text features; `prompts_KD`: the classes' prompts."""
    images, rows, texts, also = sampler.pairs()
    classes, names, also_class = sampler.classes()
    composed = sampler.compositions(c.prototypes // 8)
    strength = 0.8 + 1.2 * torch.rand(len(classes), generator=generator)
    pooled = t.features_VF[rows].float()
    pseudo = prototypes(t, torch.from_numpy(classes), generator, strength)
    strong = torch.full((len(composed),), 1.6)
    first, second = (prototypes(t, torch.from_numpy(composed[:, k]), generator, strong) for k in (0, 1))
    two = (first + second) / 2
    every = torch.cat([pooled, pseudo, two])
    posterior = t.posterior(every)
    with torch.autocast("cpu", torch.bfloat16):
        image = head(every, posterior).float()
        text = embed(np.concatenate([texts, names, composed[:, 2]])).float()  # type: ignore[operator]
    n, k, m = len(pooled), len(pseudo), len(two)
    pairs = contrast(image[:n], text[:n], scale, also)
    mask = torch.zeros(k + m, k + m, dtype=torch.bool)
    mask[:k, :k] = also_class
    # "a X and a Y" is not a negative of X's pseudo-image's composition partners, nor the reverse.
    shares = torch.from_numpy((composed[:, :2, None] == classes[None, None, :]).any(1))
    mask[k:, :k], mask[:k, k:] = shares, shares.T
    proto = contrast(image[n : n + k + m], text[n : n + k + m], scale, mask)
    natural = torch.from_numpy(np.isin([t.images[p].source for p in images], NATURAL))
    logits = scale.detach() * F.normalize(image[:n][natural], dim=-1) @ prompts_KD.T
    kl = F.kl_div(logits.log_softmax(-1), posterior[:n][natural], reduction="batchmean")
    loss = c.class_weight * pairs + c.proto_weight * proto + c.kl_weight * kl
    return loss, {"pairs": float(pairs.detach()), "proto": float(proto.detach()), "kl": float(kl.detach())}


NATURAL = (
    "flickr8k-train",
    "coco3k7",
    "coco-val",
    "transfer/caltech101",
    "transfer/imagewoof",
    "transfer/dogs120",
    "transfer/birds50",
)


def train_head(
    t: Tables, c: HeadConfig, seed: int, evaluate: object = None, every: int = 250, *, student: Tensor | None = None,
    start: Head | None = None,
) -> tuple[Head, nn.Module, nn.Parameter, list[dict[str, float]]]:  # fmt: skip
    """Train the image head and the teacher's text head together; averaged weights are returned.

    evaluate: called with (head, text head) at every `every` steps; what it returns is kept in the history.
    student: fixed unit embeddings (N,D) of the texts, in place of the teacher's and its text head.
    start: the head to continue from.
    """
    torch.manual_seed(seed)
    random.seed(seed)
    generator = torch.Generator().manual_seed(seed)
    table, text_head = student, nn.Identity()
    if table is None:
        table = t.teacher
        text_head = TextHead(table.shape[1], c.text_dropout)
    vectors = table[t.class_prompts].float()
    head = Head(t.mean_F, t.scale_F, table.shape[1], c, (vectors - vectors.mean(0)) * 3)
    if start is not None:
        head.load_state_dict(start.state_dict())
    log_scale = nn.Parameter(torch.tensor(math.log(20.0)))
    groups = [*parameter_groups([head, text_head], c.weight_decay), {"params": [log_scale], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=c.learning_rate, betas=(0.9, 0.98))
    average, sampler, history = WeightAverage([head, text_head], c.ema), Sampler(t, c, seed), []

    def embed(numbers: np.ndarray) -> Tensor:
        x = table[numbers].float()
        return text_head(x + c.text_noise * torch.randn(x.shape, generator=generator))

    for step in range(c.steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, c)
        if step % 10 == 0:
            with torch.no_grad():
                prompts_KD = F.normalize(text_head(table[t.class_prompts].float()), dim=-1)
        loss, parts = image_loss(t, c, sampler, generator, head, log_scale.exp().clamp(max=100), embed, prompts_KD)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(average.parameters, 5.0)
        optimiser.step()
        average.update()
        if evaluate is not None and ((step + 1) % every == 0 or step + 1 == c.steps):
            average.swap()
            head.eval(), text_head.eval()
            history.append({"step": step + 1, "scale": float(log_scale.exp()), **parts, **evaluate(head, text_head)})  # type: ignore[operator]
            print(" ".join(f"{k} {v:.3g}" for k, v in history[-1].items()), flush=True)
            head.train(), text_head.train()
            average.swap()
    average.swap()
    return head.eval(), text_head.eval(), log_scale, history
