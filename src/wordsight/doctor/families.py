"""Facts of released models, apart from any checkpoint: the table that a spec's facts are held against."""

from __future__ import annotations

from wordsight.spec import OPENAI_MEAN, OPENAI_STD, Activation, Triple

# (width, layers) of a transformer → heads. Nothing in the tensors tells the number of heads, and a wrong one runs.
# Sources: Radford et al. 2021, table 20; Ilharco et al. 2021, open_clip model_configs; Zhai et al. 2023, Alabdulmohsin
# et al. 2023 (so400m); Cherti et al. 2023 (H/14, g/14, bigG/14).
IMAGE_HEADS: dict[tuple[int, int], int] = {
    (384, 12): 6,
    (768, 12): 12,
    (1024, 24): 16,
    (1152, 27): 16,
    (1280, 32): 16,
    (1408, 40): 16,
    (1536, 40): 16,
    (1664, 48): 16,
}
TEXT_HEADS: dict[tuple[int, int], int] = {
    (384, 12): 6,
    (512, 12): 8,
    (640, 12): 10,
    (768, 12): 12,
    (1024, 12): 16,
    (1024, 24): 16,
    (1152, 27): 16,
    (1280, 24): 20,
    (1280, 32): 20,
}

# (mean, std) in use → where. Sources: the preprocessor configurations of each release.
NORMALISATIONS: dict[tuple[Triple, Triple], str] = {
    (OPENAI_MEAN, OPENAI_STD): "OpenAI's CLIP and those trained like it",
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): "SigLIP, and a few CLIPs of open_clip",
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)): "ImageNet's statistics: CLIPA, some later CLIPs",
    ((127 / 255, 127 / 255, 127 / 255), (128 / 255, 128 / 255, 128 / 255)): "EfficientNet-Lite",
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)): "MobileCLIP",
}
FAMILY_NORMALISATION: dict[str, tuple[Triple, Triple]] = {
    "clip": (OPENAI_MEAN, OPENAI_STD),
    "siglip": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}

# Training data in a released name → activation. Source: openai/CLIP model.py (QuickGELU); open_clip's pretrained.py
# (`quick_gelu=True` entries). DFN and LAION-400M have both kinds and are left out.
RELEASE_ACTIVATION: dict[str, Activation] = {
    "openai": "quick_gelu",
    "metaclip": "quick_gelu",
    "laion2b": "gelu",
    "datacomp": "gelu",
    "commonpool": "gelu",
}
