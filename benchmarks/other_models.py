"""Relatives of the bundled model with other objectives, to check on models unlike mini the constants fitted on mini.

    python benchmarks/other_models.py sigmoid models/siglip [--steps 160]
    python benchmarks/other_models.py info_nce models/infonce --scale 60

`sigmoid` is SigLIP's loss (Zhai et al. 2023): scale and bias are learnt, from 10 and -10. `info_nce` holds the scale at
`--scale` (mini's own is 22.4), so that its cosines spread differently. Both begin with mini's weights: the text
tower learns, and of the image tower a D×D map of its features, which is multiplied into its last matrices, so that the
images go through the trunk once. Trained on flickr8k-train and coco3k7 of `$WORDSIGHT_DATA`, measured on flickr8k-a,
which is not used for training. Prints recall@10 (text to image), scale, bias and the distribution of cosines, as JSON.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import math
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

import wordsight
from wordsight.nn.clip import build_text_tower, load_tensors, to_tensors
from wordsight.train.batch import Features, Ids
from wordsight.train.loss.objectives import info_nce, sigmoid
from wordsight.weights.read import read_checkpoint
from wordsight.weights.write import write_checkpoint

DATA = Path(os.environ.get("WORDSIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
LEARN, MEASURE = ("flickr8k-train", "coco3k7"), "flickr8k-a"


def read_pairs(name: str) -> dict[Path, list[str]]:
    """Captions of each image."""
    pairs: dict[Path, list[str]] = defaultdict(list)
    with (DATA / name / "captions.tsv").open(encoding="utf-8") as file:
        for image, caption in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            pairs[DATA / name / "images" / image].append(caption)
    return {image: captions for image, captions in pairs.items() if image.exists()}


class Relative(nn.Module):
    """Mini's text tower, a map (D,D) of its image embeddings, a scale and a bias."""

    def __init__(self, objective: str, scale: float) -> None:
        super().__init__()
        start = read_checkpoint("mini")
        self.learns_scale = objective == "sigmoid"
        self.text = build_text_tower(start.spec)
        load_tensors(self.text, {k: v for k, v in start.tensors.items() if not k.startswith(("visual.", "logit_"))})
        self.map_DD = nn.Parameter(torch.eye(start.spec.embed_dim))
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)), requires_grad=self.learns_scale)
        self.bias = nn.Parameter(torch.tensor(-10.0 if self.learns_scale else 0.0), requires_grad=self.learns_scale)

    def forward(self, image_BD: Tensor, tokens_BT: Tensor) -> Features:
        """Unit rows of both sides."""
        text_BD = normalize(self.text.encode_text(tokens_BT), dim=-1)
        return Features(normalize(image_BD @ self.map_DD, dim=-1), text_BD, self.log_scale.exp(), self.bias)

    def save(self, folder: Path, how: str) -> None:
        """Write the model in wordsight's layout, with the map multiplied into the image tower."""
        start = read_checkpoint("mini")
        map_DD = self.map_DD.detach().numpy().astype(np.float64)
        tensors = {**start.tensors, **to_tensors(self.text.state_dict())}
        for name in ("visual.proj", "visual.class_vectors"):
            tensors[name] = (start.tensors[name].astype(np.float64) @ map_DD).astype(np.float32)
        tensors["logit_scale"] = self.log_scale.detach().numpy()
        bias = self.bias.item() if self.learns_scale else None
        if bias is not None:
            tensors["logit_bias"] = self.bias.detach().numpy()
        spec = dataclasses.replace(
            start.spec, name=folder.name, logit_scale=self.log_scale.item(), logit_bias=bias, source=how
        )
        write_checkpoint(dataclasses.replace(start, spec=spec, tensors=tensors, folder=None), folder, "wordsight")


def learn(model: Relative, objective: str, pairs: dict[Path, list[str]], args: argparse.Namespace) -> None:
    """Train with AdamW, a linear warm-up over a tenth of the steps and a cosine to 0."""
    mini = wordsight.load("mini")
    if args.features is not None and args.features.exists():
        image_ND = torch.from_numpy(np.load(args.features))
    else:
        image_ND = torch.from_numpy(mini.embed_images(list(pairs)))
        if args.features is not None:
            np.save(args.features, image_ND.numpy())
    captions = [mini.tokenizer(texts).ids for texts in pairs.values()]
    slow = [model.log_scale, model.bias]
    groups = [
        {"params": list(model.text.parameters()), "lr": args.lr},
        {"params": [model.map_DD], "lr": args.lr, "weight_decay": 0.0},
        {"params": [p for p in slow if p.requires_grad], "lr": 0.03, "weight_decay": 0.0},  # a few steps must suffice
    ]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]], betas=(0.9, 0.98), weight_decay=0.1)
    warm = max(1, args.steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda s: min((s + 1) / warm, 0.5 + 0.5 * math.cos(math.pi * s / args.steps)),
    )
    chance = np.random.default_rng(args.seed)
    loss_of = sigmoid if objective == "sigmoid" else info_nce
    order: list[int] = []
    for step in range(args.steps):
        if len(order) < args.batch:
            order += chance.permutation(len(captions)).tolist()
        rows, order = order[: args.batch], order[args.batch :]
        ids_BT = np.stack([captions[i][chance.integers(len(captions[i]))] for i in rows]).astype(np.int64)
        ids_BT = ids_BT[:, : int((ids_BT != 0).sum(1).max())]
        place_B = torch.tensor(rows)
        texts = [hash(tuple(row)) for row in ids_BT.tolist()]
        loss = loss_of(model(image_ND[place_B], torch.from_numpy(ids_BT)), Ids(place_B, torch.tensor(texts)))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 25 == 0:
            print(f"step {step} loss {loss.item():.3f} scale {model.log_scale.exp().item():.1f} "
                  f"bias {model.bias.item():.2f}", flush=True)  # fmt: skip


def measure(name: str | Path) -> dict[str, object]:
    """Recall@10 of images by their captions on the images never trained on, and the distribution of the cosines."""
    model, pairs = wordsight.load(name, precision="f32"), read_pairs(MEASURE)
    image_ND = model.embed_images(list(pairs))
    of_Q = np.repeat(np.arange(len(pairs)), [len(texts) for texts in pairs.values()])
    cosine_QN = model.embed_texts([text for texts in pairs.values() for text in texts]) @ image_ND.T
    own_Q = cosine_QN[np.arange(len(of_Q)), of_Q]
    others = np.delete(cosine_QN.ravel(), np.arange(len(of_Q)) * len(pairs) + of_Q)
    rank_Q = (cosine_QN > own_Q[:, None]).sum(1)
    spread = {"own": own_Q, "others": others}
    return {
        "model": str(name), "recall@1": round(float((rank_Q < 1).mean()), 3),
        "recall@10": round(float((rank_Q < 10).mean()), 3), "scale": round(model.scale, 2), "bias": model.bias,
        **{f"cosine of {k}": [round(float(v.mean()), 3), round(float(v.std()), 3)] for k, v in spread.items()},
    }  # fmt: skip


def main() -> None:
    """Train, save and measure beside mini."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("objective", choices=("sigmoid", "info_nce"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=10.0)
    parser.add_argument("--steps", type=int, default=160)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--lr", type=float, default=4e-4)
    parser.add_argument("--features", type=Path, help="file (.npy) that keeps image embeddings for the next run")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    pairs = {image: texts for name in LEARN for image, texts in read_pairs(name).items()}
    model = Relative(args.objective, args.scale)
    learn(model, args.objective, pairs, args)
    how = f"benchmarks/other_models.py {args.objective}, {args.steps} steps of {args.batch}, from mini"
    model.save(args.folder, how)
    for name in ("mini", args.folder):
        print(json.dumps(measure(name)))


if __name__ == "__main__":
    main()
