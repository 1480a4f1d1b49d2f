"""The same weights in other runtimes: transformers or plain torch, and ONNX Runtime."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch

from wordsight.checkpoint import Checkpoint
from wordsight.nn.clip import build_image_tower, build_text_tower, load_tensors
from wordsight.spec import Preprocess

Encode = Callable[[np.ndarray], np.ndarray]


def vit_b_32(folder: Path, layers: int = 12) -> Path:
    """Save a CLIP of transformers' default configuration, which is ViT-B/32, with random weights."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    towers: dict[str, Any] = {name: {"num_hidden_layers": layers} for name in ("vision_config", "text_config")}
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(**towers)).save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)
    return folder


def write_tokenizer(folder: Path) -> Path:
    """Put CLIP's tokenizer, as transformers reads it, beside a model."""
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    from wordsight.text.tokenizer import _clip_bpe

    start, end = "<|startoftext|>", "<|endoftext|>"
    engine = tokenizers.Tokenizer.from_str(_clip_bpe().to_str())
    engine.post_processor = TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(mark, engine.token_to_id(mark)) for mark in (start, end)]
    )
    names = {"bos_token": start, "eos_token": end, "unk_token": end, "pad_token": end}
    PreTrainedTokenizerFast(tokenizer_object=engine, model_max_length=77, **names).save_pretrained(folder)
    return folder


def tiny_clip(folder: Path) -> Path:
    """Save a CLIP of 512-dimensional vectors whose towers are nearly empty, with random weights."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    small = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1}
    torch.manual_seed(0)
    config = CLIPConfig(
        projection_dim=512, text_config=small, vision_config={**small, "image_size": 64, "patch_size": 32}
    )
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def normalised(pixels_BHWC: np.ndarray, spec: Preprocess) -> np.ndarray:
    """Float32 pixels (B,3,S,S) as the other runtimes take them; not part of what is timed."""
    mean, std = (np.array(v, np.float32) for v in (spec.mean, spec.std))
    return np.ascontiguousarray(((pixels_BHWC / np.float32(255) - mean) / std).transpose(0, 3, 1, 2))


def in_transformers(folder: Path, precision: torch.dtype) -> dict[str, Encode]:
    """Both towers of a Hugging Face folder, run by transformers."""
    from transformers import CLIPModel

    model = CLIPModel.from_pretrained(folder).eval().to(precision)

    @torch.inference_mode()
    def images(pixels_BCHW: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(pixels_BCHW).to(precision)
        return model.get_image_features(pixel_values=pixels).pooler_output.float().numpy()

    @torch.inference_mode()
    def texts(tokens_BT: np.ndarray) -> np.ndarray:
        tokens = torch.from_numpy(tokens_BT).long()
        mask = torch.ones_like(tokens)  # as from its tokenizer for texts of equal length
        return model.get_text_features(input_ids=tokens, attention_mask=mask).pooler_output.float().numpy()

    return {"images": images, "texts": texts}


def in_torch(checkpoint: Checkpoint, precision: torch.dtype) -> dict[str, Encode]:
    """Both towers of a checkpoint as plain torch modules, for models that transformers does not know."""
    towers = {name: tower.to(precision) for name, tower in modules(checkpoint).items()}

    @torch.inference_mode()
    def images(pixels_BCHW: np.ndarray) -> np.ndarray:
        return towers["images"](torch.from_numpy(pixels_BCHW).to(precision)).float().numpy()

    @torch.inference_mode()
    def texts(tokens_BT: np.ndarray) -> np.ndarray:
        return towers["texts"](torch.from_numpy(tokens_BT).long()).float().numpy()

    return {"images": images, "texts": texts}


def modules(checkpoint: Checkpoint) -> dict[str, torch.nn.Module]:
    """Towers as torch modules with the checkpoint's tensors."""
    image, text = build_image_tower(checkpoint.spec), build_text_tower(checkpoint.spec)
    load_tensors(image, checkpoint.tensors, prefix="visual.")
    load_tensors(text, {name: checkpoint.tensors[name] for name in text.state_dict()})
    return {"images": image.eval(), "texts": text.eval()}


def export_onnx(checkpoint: Checkpoint, folder: Path) -> dict[str, Path]:
    """Write both towers as ONNX files with any batch size and text length."""
    size = checkpoint.spec.image.image_size
    examples = {
        "images": (torch.zeros(2, 3, size, size), {0: "batch"}),
        "texts": (torch.zeros(2, 8, dtype=torch.int64), {0: "batch", 1: "length"}),
    }
    files = {}
    for name, module in modules(checkpoint).items():
        example, axes = examples[name]
        files[name] = folder / f"{name}.onnx"
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module, (example,), str(files[name]), dynamo=False, opset_version=17,
                input_names=["x"], output_names=["y"], dynamic_axes={"x": axes, "y": {0: "batch"}},
            )  # fmt: skip
    return files


def in_onnxruntime(files: dict[str, Path]) -> dict[str, Encode]:
    """Exported towers, run by ONNX Runtime in float32 on all cores, with its own graph optimisations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    sessions = {
        name: onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        for name, file in files.items()
    }

    def images(pixels_BCHW: np.ndarray) -> np.ndarray:
        return np.asarray(sessions["images"].run(None, {"x": pixels_BCHW})[0])

    def texts(tokens_BT: np.ndarray) -> np.ndarray:
        return np.asarray(sessions["texts"].run(None, {"x": tokens_BT.astype(np.int64)})[0])

    return {"images": images, "texts": texts}
