"""The models that are known by name: where they are, what they are, under which licence, and how good they are.

A literal dictionary; nothing is fetched or computed at import. Sources: open_clip's `pretrained.py` (places,
activations, preprocessing) and `docs/openclip_results.csv` (parameters, zero-shot top-1), OpenAI's `clip/clip.py`
(URLs that hold their SHA-256), big_vision's `README_siglip2.md`, MetaCLIP's `README.md`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from wordsight.errors import CheckpointError
from wordsight.spec import OPENAI_MEAN, OPENAI_STD, ModelSpec, Preprocess, VitTower

if TYPE_CHECKING:  # whose arrays the names do without: completion on Tab is quick
    from wordsight.checkpoint import Checkpoint


class Entry(TypedDict, total=False):
    """One model. `hub` (preferred) and `url` say where it is; `sha256` may be the first digits only.

    activation "timm": as the SigLIP tower of that name has it; the configuration on the hub says which. preprocess:
    "clip", "half" (mean and std 0.5), "squash" (to a square, CLIP's mean and std) or "siglip" (to a square, 0.5).
    params: millions, both towers. top1: zero-shot per cent on ImageNet-1k, as published in `top1_source`.
    head_width: of the image tower, where it is not 64.
    """

    hub: str
    url: str
    sha256: str
    activation: Literal["quick_gelu", "gelu", "timm"]
    preprocess: Literal["clip", "half", "squash", "siglip"]
    image_size: int
    embed_dim: int
    head_width: int
    params: float
    licence: str
    top1: float
    top1_source: str


_OPENAI = "https://openaipublic.azureedge.net/clip/models"
_RELEASES = "https://github.com/mlfoundations/open_clip/releases/download/v0.2-weights"
_METACLIP = "https://dl.fbaipublicfiles.com/MMPT/metaclip"
_RESULTS = "open_clip docs/openclip_results.csv"
_SIGLIP2 = "big_vision README_siglip2.md"
_METACLIP_README = "MetaCLIP README.md"
_APPLE = "Apple AMLR"

# fmt: off
MODELS: dict[str, Entry] = {
    # OpenAI (Radford et al. 2021)
    "RN50/openai": {"url": f"{_OPENAI}/afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762/RN50.pt",
        "sha256": "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762", "activation": "quick_gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 1024, "params": 102.01, "licence": "MIT",
        "top1": 59.82, "top1_source": _RESULTS},
    "RN101/openai": {"url": f"{_OPENAI}/8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599/RN101.pt",
        "sha256": "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599", "activation": "quick_gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 512, "params": 119.69, "licence": "MIT",
        "top1": 62.28, "top1_source": _RESULTS},
    "RN50x4/openai": {
        "url": f"{_OPENAI}/7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd/RN50x4.pt",
        "sha256": "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd", "activation": "quick_gelu",
        "preprocess": "clip", "image_size": 288, "embed_dim": 640, "params": 178.3, "licence": "MIT", "top1": 66.27,
        "top1_source": _RESULTS},
    "RN50x16/openai": {
        "url": f"{_OPENAI}/52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa/RN50x16.pt",
        "sha256": "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa", "activation": "quick_gelu",
        "preprocess": "clip", "image_size": 384, "embed_dim": 768, "params": 290.98, "licence": "MIT",
        "top1": 70.72, "top1_source": _RESULTS},
    "RN50x64/openai": {
        "url": f"{_OPENAI}/be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c/RN50x64.pt",
        "sha256": "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c", "activation": "quick_gelu",
        "preprocess": "clip", "image_size": 448, "embed_dim": 1024, "params": 623.26, "licence": "MIT",
        "top1": 73.91, "top1_source": _RESULTS},
    "ViT-B-32/openai": {
        "url": f"{_OPENAI}/40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt",
        "sha256": "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af", "activation": "quick_gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 512, "params": 151.28, "licence": "MIT",
        "top1": 63.32, "top1_source": _RESULTS},
    "ViT-B-16/openai": {
        "url": f"{_OPENAI}/5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f/ViT-B-16.pt",
        "sha256": "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f", "activation": "quick_gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 512, "params": 149.62, "licence": "MIT",
        "top1": 68.34, "top1_source": _RESULTS},
    "ViT-L-14/openai": {
        "url": f"{_OPENAI}/b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836/ViT-L-14.pt",
        "sha256": "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836", "activation": "quick_gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 768, "params": 427.62, "licence": "MIT",
        "top1": 75.54, "top1_source": _RESULTS},
    "ViT-L-14-336/openai": {
        "url": f"{_OPENAI}/3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02/ViT-L-14-336px.pt",
        "sha256": "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02", "activation": "quick_gelu",
        "preprocess": "clip", "image_size": 336, "embed_dim": 768, "params": 427.94, "licence": "MIT",
        "top1": 76.56, "top1_source": _RESULTS},
    # LAION-400M, LAION-2B (Schuhmann et al. 2022; Cherti et al. 2023)
    "ViT-B-32/laion400m_e31": {"hub": "timm/vit_base_patch32_clip_224.laion400m_e31",
        "url": f"{_RELEASES}/vit_b_32-quickgelu-laion400m_e31-d867053b.pt", "sha256": "d867053b",
        "activation": "quick_gelu", "preprocess": "clip", "image_size": 224, "embed_dim": 512, "params": 151.28,
        "licence": "MIT", "top1": 62.94, "top1_source": _RESULTS},
    "ViT-B-32/laion400m_e32": {"hub": "timm/vit_base_patch32_clip_224.laion400m_e32",
        "url": f"{_RELEASES}/vit_b_32-quickgelu-laion400m_e32-46683a32.pt", "sha256": "46683a32",
        "activation": "quick_gelu", "preprocess": "clip", "image_size": 224, "embed_dim": 512, "params": 151.28,
        "licence": "MIT", "top1": 62.93, "top1_source": _RESULTS},
    "ViT-B-32/laion2b_e16": {"hub": "timm/vit_base_patch32_clip_224.laion2b_e16",
        "url": f"{_RELEASES}/vit_b_32-laion2b_e16-af8dbd0c.pth", "sha256": "af8dbd0c", "activation": "gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 512, "params": 151.28, "licence": "MIT",
        "top1": 65.65, "top1_source": _RESULTS},
    "ViT-B-32/laion2b_s34b_b79k": {"hub": "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "activation": "gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 512, "params": 151.28, "licence": "MIT",
        "top1": 66.56, "top1_source": _RESULTS},
    "ViT-B-16/laion400m_e31": {"hub": "timm/vit_base_patch16_clip_224.laion400m_e31",
        "url": f"{_RELEASES}/vit_b_16-laion400m_e31-00efa78f.pt", "sha256": "00efa78f", "activation": "gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 512, "params": 149.62, "licence": "MIT",
        "top1": 66.98, "top1_source": _RESULTS},
    "ViT-B-16/laion400m_e32": {"hub": "timm/vit_base_patch16_clip_224.laion400m_e32",
        "url": f"{_RELEASES}/vit_b_16-laion400m_e32-55e67d44.pt", "sha256": "55e67d44", "activation": "gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 512, "params": 149.62, "licence": "MIT",
        "top1": 67.05, "top1_source": _RESULTS},
    "ViT-B-16/laion2b_s34b_b88k": {"hub": "laion/CLIP-ViT-B-16-laion2B-s34B-b88K", "activation": "gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 512, "params": 149.62, "licence": "MIT",
        "top1": 70.23, "top1_source": _RESULTS},
    "ViT-B-16-plus-240/laion400m_e31": {"hub": "timm/vit_base_patch16_plus_clip_240.laion400m_e31",
        "url": f"{_RELEASES}/vit_b_16_plus_240-laion400m_e31-8fb26589.pt", "sha256": "8fb26589",
        "activation": "gelu", "preprocess": "clip", "image_size": 240, "embed_dim": 640, "params": 208.38,
        "licence": "MIT", "top1": 69.04, "top1_source": _RESULTS},
    "ViT-B-16-plus-240/laion400m_e32": {"url": f"{_RELEASES}/vit_b_16_plus_240-laion400m_e32-699c4b84.pt",
        "sha256": "699c4b84", "activation": "gelu", "preprocess": "clip", "image_size": 240, "embed_dim": 640,
        "params": 208.38, "licence": "MIT", "top1": 69.19, "top1_source": _RESULTS},
    "ViT-L-14/laion400m_e31": {"hub": "timm/vit_large_patch14_clip_224.laion400m_e31",
        "url": f"{_RELEASES}/vit_l_14-laion400m_e31-69988bb6.pt", "sha256": "69988bb6", "activation": "gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 768, "params": 427.62, "licence": "MIT",
        "top1": 72.71, "top1_source": _RESULTS},
    "ViT-L-14/laion400m_e32": {"hub": "timm/vit_large_patch14_clip_224.laion400m_e32",
        "url": f"{_RELEASES}/vit_l_14-laion400m_e32-3d133497.pt", "sha256": "3d133497", "activation": "gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 768, "params": 427.62, "licence": "MIT",
        "top1": 72.77, "top1_source": _RESULTS},
    "ViT-L-14/laion2b_s32b_b82k": {"hub": "laion/CLIP-ViT-L-14-laion2B-s32B-b82K", "activation": "gelu",
        "preprocess": "half", "image_size": 224, "embed_dim": 768, "params": 427.62, "licence": "MIT",
        "top1": 75.25, "top1_source": _RESULTS},
    "ViT-H-14/laion2b_s32b_b79k": {"hub": "laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "activation": "gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 1024, "head_width": 80, "params": 986.11,
        "licence": "MIT", "top1": 77.96, "top1_source": _RESULTS},
    "ViT-g-14/laion2b_s12b_b42k": {"hub": "laion/CLIP-ViT-g-14-laion2B-s12B-b42K", "activation": "gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 1024, "head_width": 88, "params": 1366.68,
        "licence": "MIT", "top1": 76.63, "top1_source": _RESULTS},
    "ViT-g-14/laion2b_s34b_b88k": {"hub": "laion/CLIP-ViT-g-14-laion2B-s34B-b88K", "activation": "gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 1024, "head_width": 88, "params": 1366.68,
        "licence": "MIT", "top1": 78.47, "top1_source": _RESULTS},
    "ViT-bigG-14/laion2b_s39b_b160k": {"hub": "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k", "activation": "gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 1280, "head_width": 104, "params": 2539.57,
        "licence": "MIT", "top1": 80.09, "top1_source": _RESULTS},
    # DataComp, CommonPool (Gadre et al. 2023)
    "ViT-B-32/datacomp_xl_s13b_b90k": {"hub": "laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K", "activation": "gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 512, "params": 151.28, "licence": "MIT",
        "top1": 69.17, "top1_source": _RESULTS},
    "ViT-B-32-256/datacomp_s34b_b86k": {"hub": "laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K",
        "activation": "gelu", "preprocess": "clip", "image_size": 256, "embed_dim": 512, "params": 151.29,
        "licence": "MIT", "top1": 72.81, "top1_source": _RESULTS},
    "ViT-B-16/datacomp_xl_s13b_b90k": {"hub": "laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K", "activation": "gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 512, "params": 149.62, "licence": "MIT",
        "top1": 73.49, "top1_source": _RESULTS},
    "ViT-B-16/datacomp_l_s1b_b8k": {"hub": "laion/CLIP-ViT-B-16-DataComp.L-s1B-b8K", "activation": "gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 512, "params": 149.62, "licence": "MIT", "top1": 63.1,
        "top1_source": _RESULTS},
    "ViT-B-16/commonpool_l_clip_s1b_b8k": {"hub": "laion/CLIP-ViT-B-16-CommonPool.L.clip-s1B-b8K",
        "activation": "gelu", "preprocess": "clip", "image_size": 224, "embed_dim": 512, "params": 149.62,
        "licence": "MIT", "top1": 57.77, "top1_source": _RESULTS},
    "ViT-L-14/datacomp_xl_s13b_b90k": {"hub": "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K", "activation": "gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 768, "params": 427.62, "licence": "MIT",
        "top1": 79.21, "top1_source": _RESULTS},
    "ViT-L-14/commonpool_xl_clip_s13b_b90k": {"hub": "laion/CLIP-ViT-L-14-CommonPool.XL.clip-s13B-b90K",
        "activation": "gelu", "preprocess": "clip", "image_size": 224, "embed_dim": 768, "params": 427.62,
        "licence": "MIT", "top1": 76.37, "top1_source": _RESULTS},
    "ViT-L-14/commonpool_xl_laion_s13b_b90k": {"hub": "laion/CLIP-ViT-L-14-CommonPool.XL.laion-s13B-b90K",
        "activation": "gelu", "preprocess": "clip", "image_size": 224, "embed_dim": 768, "params": 427.62,
        "licence": "MIT", "top1": 75.45, "top1_source": _RESULTS},
    "ViT-L-14/commonpool_xl_s13b_b90k": {"hub": "laion/CLIP-ViT-L-14-CommonPool.XL-s13B-b90K", "activation": "gelu",
        "preprocess": "clip", "image_size": 224, "embed_dim": 768, "params": 427.62, "licence": "MIT",
        "top1": 72.29, "top1_source": _RESULTS},
    # Data filtering networks (Fang et al. 2023)
    "ViT-B-16/dfn2b": {"hub": "apple/DFN2B-CLIP-ViT-B-16", "activation": "quick_gelu", "preprocess": "clip",
        "image_size": 224, "embed_dim": 512, "params": 149.62, "licence": _APPLE, "top1": 76.24,
        "top1_source": _RESULTS},
    "ViT-L-14/dfn2b": {"hub": "apple/DFN2B-CLIP-ViT-L-14", "activation": "quick_gelu", "preprocess": "clip",
        "image_size": 224, "embed_dim": 768, "params": 427.62, "licence": _APPLE, "top1": 81.41,
        "top1_source": _RESULTS},
    "ViT-H-14/dfn5b": {"hub": "apple/DFN5B-CLIP-ViT-H-14", "activation": "quick_gelu", "preprocess": "squash",
        "image_size": 224, "embed_dim": 1024, "head_width": 80, "params": 986.11, "licence": _APPLE, "top1": 83.44,
        "top1_source": _RESULTS},
    "ViT-H-14-378/dfn5b": {"hub": "apple/DFN5B-CLIP-ViT-H-14-378", "activation": "quick_gelu",
        "preprocess": "squash", "image_size": 378, "embed_dim": 1024, "head_width": 80, "params": 986.71,
        "licence": _APPLE, "top1": 84.37, "top1_source": _RESULTS},
    # MetaCLIP (Xu et al. 2023)
    "ViT-B-32/metaclip_400m": {"hub": "timm/vit_base_patch32_clip_224.metaclip_400m",
        "url": f"{_METACLIP}/b32_400m.pt", "activation": "quick_gelu", "preprocess": "clip", "image_size": 224,
        "embed_dim": 512, "params": 151.28, "licence": "CC-BY-NC-4.0", "top1": 65.58, "top1_source": _RESULTS},
    "ViT-B-32/metaclip_fullcc": {"hub": "timm/vit_base_patch32_clip_224.metaclip_2pt5b",
        "url": f"{_METACLIP}/b32_fullcc2.5b.pt", "activation": "quick_gelu", "preprocess": "clip",
        "image_size": 224, "embed_dim": 512, "params": 151.28, "licence": "CC-BY-NC-4.0", "top1": 67.66,
        "top1_source": _RESULTS},
    "ViT-B-16/metaclip_400m": {"hub": "timm/vit_base_patch16_clip_224.metaclip_400m",
        "url": f"{_METACLIP}/b16_400m.pt", "activation": "quick_gelu", "preprocess": "clip", "image_size": 224,
        "embed_dim": 512, "params": 149.62, "licence": "CC-BY-NC-4.0", "top1": 70.8, "top1_source": _RESULTS},
    "ViT-B-16/metaclip_fullcc": {"hub": "timm/vit_base_patch16_clip_224.metaclip_2pt5b",
        "url": f"{_METACLIP}/b16_fullcc2.5b.pt", "activation": "quick_gelu", "preprocess": "clip",
        "image_size": 224, "embed_dim": 512, "params": 149.62, "licence": "CC-BY-NC-4.0", "top1": 72.12,
        "top1_source": _RESULTS},
    "ViT-L-14/metaclip_400m": {"hub": "timm/vit_large_patch14_clip_224.metaclip_400m",
        "url": f"{_METACLIP}/l14_400m.pt", "activation": "quick_gelu", "preprocess": "clip", "image_size": 224,
        "embed_dim": 768, "params": 427.62, "licence": "CC-BY-NC-4.0", "top1": 76.2, "top1_source": _RESULTS},
    "ViT-L-14/metaclip_fullcc": {"hub": "timm/vit_large_patch14_clip_224.metaclip_2pt5b",
        "url": f"{_METACLIP}/l14_fullcc2.5b.pt", "activation": "quick_gelu", "preprocess": "clip",
        "image_size": 224, "embed_dim": 768, "params": 427.62, "licence": "CC-BY-NC-4.0", "top1": 79.17,
        "top1_source": _RESULTS},
    "ViT-H-14/metaclip_fullcc": {"hub": "timm/vit_huge_patch14_clip_224.metaclip_2pt5b",
        "url": f"{_METACLIP}/h14_fullcc2.5b.pt", "activation": "quick_gelu", "preprocess": "clip",
        "image_size": 224, "embed_dim": 1024, "head_width": 80, "params": 986.11, "licence": "CC-BY-NC-4.0",
        "top1": 80.51, "top1_source": _RESULTS},
    "ViT-bigG-14/metaclip_fullcc": {"hub": "timm/vit_gigantic_patch14_clip_224.metaclip_2pt5b",
        "url": f"{_METACLIP}/G14_fullcc2.5b.pt", "activation": "quick_gelu", "preprocess": "clip",
        "image_size": 224, "embed_dim": 1280, "head_width": 104, "params": 2539.57, "licence": "CC-BY-NC-4.0",
        "top1": 82.1, "top1_source": _METACLIP_README},
    # SigLIP (Zhai et al. 2023)
    "ViT-B-16-SigLIP/webli": {"hub": "timm/ViT-B-16-SigLIP", "activation": "timm", "preprocess": "siglip",
        "image_size": 224, "embed_dim": 768, "params": 203.16, "licence": "Apache-2.0", "top1": 76.04,
        "top1_source": _RESULTS},
    "ViT-B-16-SigLIP-256/webli": {"hub": "timm/ViT-B-16-SigLIP-256", "activation": "timm", "preprocess": "siglip",
        "image_size": 256, "embed_dim": 768, "params": 203.2, "licence": "Apache-2.0", "top1": 76.53,
        "top1_source": _RESULTS},
    "ViT-B-16-SigLIP-i18n-256/webli": {"hub": "timm/ViT-B-16-SigLIP-i18n-256", "activation": "timm",
        "preprocess": "siglip", "image_size": 256, "embed_dim": 768, "params": 370.63, "licence": "Apache-2.0",
        "top1": 75.13, "top1_source": _RESULTS},
    "ViT-B-16-SigLIP-384/webli": {"hub": "timm/ViT-B-16-SigLIP-384", "activation": "timm", "preprocess": "siglip",
        "image_size": 384, "embed_dim": 768, "params": 203.45, "licence": "Apache-2.0", "top1": 78.49,
        "top1_source": _RESULTS},
    "ViT-B-16-SigLIP-512/webli": {"hub": "timm/ViT-B-16-SigLIP-512", "activation": "timm", "preprocess": "siglip",
        "image_size": 512, "embed_dim": 768, "params": 203.79, "licence": "Apache-2.0", "top1": 79.14,
        "top1_source": _RESULTS},
    "ViT-L-16-SigLIP-256/webli": {"hub": "timm/ViT-L-16-SigLIP-256", "activation": "timm", "preprocess": "siglip",
        "image_size": 256, "embed_dim": 1024, "params": 652.15, "licence": "Apache-2.0", "top1": 80.45,
        "top1_source": _RESULTS},
    "ViT-L-16-SigLIP-384/webli": {"hub": "timm/ViT-L-16-SigLIP-384", "activation": "timm", "preprocess": "siglip",
        "image_size": 384, "embed_dim": 1024, "params": 652.48, "licence": "Apache-2.0", "top1": 82.07,
        "top1_source": _RESULTS},
    "ViT-SO400M-14-SigLIP/webli": {"hub": "timm/ViT-SO400M-14-SigLIP", "activation": "timm", "preprocess": "siglip",
        "image_size": 224, "embed_dim": 1152, "params": 877.36, "licence": "Apache-2.0", "top1": 82.03,
        "top1_source": _RESULTS},
    "ViT-SO400M-14-SigLIP-384/webli": {"hub": "timm/ViT-SO400M-14-SigLIP-384", "activation": "timm",
        "preprocess": "siglip", "image_size": 384, "embed_dim": 1152, "params": 877.96, "licence": "Apache-2.0",
        "top1": 83.08, "top1_source": _RESULTS},
    # SigLIP 2 (Tschannen et al. 2025)
    "ViT-B-32-SigLIP2-256/webli": {"hub": "timm/ViT-B-32-SigLIP2-256", "activation": "timm", "preprocess": "siglip",
        "image_size": 256, "embed_dim": 768, "licence": "Apache-2.0", "top1": 74.0, "top1_source": _SIGLIP2},
    "ViT-B-16-SigLIP2/webli": {"hub": "timm/ViT-B-16-SigLIP2", "activation": "timm", "preprocess": "siglip",
        "image_size": 224, "embed_dim": 768, "licence": "Apache-2.0", "top1": 78.2, "top1_source": _SIGLIP2},
    "ViT-B-16-SigLIP2-256/webli": {"hub": "timm/ViT-B-16-SigLIP2-256", "activation": "timm", "preprocess": "siglip",
        "image_size": 256, "embed_dim": 768, "licence": "Apache-2.0", "top1": 79.1, "top1_source": _SIGLIP2},
    "ViT-B-16-SigLIP2-384/webli": {"hub": "timm/ViT-B-16-SigLIP2-384", "activation": "timm", "preprocess": "siglip",
        "image_size": 384, "embed_dim": 768, "licence": "Apache-2.0", "top1": 80.6, "top1_source": _SIGLIP2},
    "ViT-B-16-SigLIP2-512/webli": {"hub": "timm/ViT-B-16-SigLIP2-512", "activation": "timm", "preprocess": "siglip",
        "image_size": 512, "embed_dim": 768, "licence": "Apache-2.0", "top1": 81.2, "top1_source": _SIGLIP2},
    "ViT-L-16-SigLIP2-256/webli": {"hub": "timm/ViT-L-16-SigLIP2-256", "activation": "timm", "preprocess": "siglip",
        "image_size": 256, "embed_dim": 1024, "licence": "Apache-2.0", "top1": 82.5, "top1_source": _SIGLIP2},
    "ViT-L-16-SigLIP2-384/webli": {"hub": "timm/ViT-L-16-SigLIP2-384", "activation": "timm", "preprocess": "siglip",
        "image_size": 384, "embed_dim": 1024, "licence": "Apache-2.0", "top1": 83.1, "top1_source": _SIGLIP2},
    "ViT-L-16-SigLIP2-512/webli": {"hub": "timm/ViT-L-16-SigLIP2-512", "activation": "timm", "preprocess": "siglip",
        "image_size": 512, "embed_dim": 1024, "licence": "Apache-2.0", "top1": 83.5, "top1_source": _SIGLIP2},
    "ViT-SO400M-14-SigLIP2/webli": {"hub": "timm/ViT-SO400M-14-SigLIP2", "activation": "timm",
        "preprocess": "siglip", "image_size": 224, "embed_dim": 1152, "licence": "Apache-2.0", "top1": 83.2,
        "top1_source": _SIGLIP2},
    "ViT-SO400M-14-SigLIP2-378/webli": {"hub": "timm/ViT-SO400M-14-SigLIP2-378", "activation": "timm",
        "preprocess": "siglip", "image_size": 378, "embed_dim": 1152, "licence": "Apache-2.0", "top1": 84.1,
        "top1_source": _SIGLIP2},
    "ViT-SO400M-16-SigLIP2-256/webli": {"hub": "timm/ViT-SO400M-16-SigLIP2-256", "activation": "timm",
        "preprocess": "siglip", "image_size": 256, "embed_dim": 1152, "licence": "Apache-2.0", "top1": 83.4,
        "top1_source": _SIGLIP2},
    "ViT-SO400M-16-SigLIP2-384/webli": {"hub": "timm/ViT-SO400M-16-SigLIP2-384", "activation": "timm",
        "preprocess": "siglip", "image_size": 384, "embed_dim": 1152, "licence": "Apache-2.0", "top1": 84.1,
        "top1_source": _SIGLIP2},
    "ViT-SO400M-16-SigLIP2-512/webli": {"hub": "timm/ViT-SO400M-16-SigLIP2-512", "activation": "timm",
        "preprocess": "siglip", "image_size": 512, "embed_dim": 1152, "licence": "Apache-2.0", "top1": 84.3,
        "top1_source": _SIGLIP2},
    "ViT-gopt-16-SigLIP2-256/webli": {"hub": "timm/ViT-gopt-16-SigLIP2-256", "activation": "timm",
        "preprocess": "siglip", "image_size": 256, "embed_dim": 1536, "licence": "Apache-2.0", "top1": 84.5,
        "top1_source": _SIGLIP2},
    "ViT-gopt-16-SigLIP2-384/webli": {"hub": "timm/ViT-gopt-16-SigLIP2-384", "activation": "timm",
        "preprocess": "siglip", "image_size": 384, "embed_dim": 1536, "licence": "Apache-2.0", "top1": 85.0,
        "top1_source": _SIGLIP2},
}
# fmt: on

# OpenAI's own names
ALIASES: dict[str, str] = {
    "RN50": "RN50/openai",
    "RN101": "RN101/openai",
    "RN50x4": "RN50x4/openai",
    "RN50x16": "RN50x16/openai",
    "RN50x64": "RN50x64/openai",
    "ViT-B/32": "ViT-B-32/openai",
    "ViT-B/16": "ViT-B-16/openai",
    "ViT-L/14": "ViT-L-14/openai",
    "ViT-L/14@336px": "ViT-L-14-336/openai",
}
_HALF = (0.5, 0.5, 0.5)


def names() -> list[str]:
    """Every name that `find` knows: "mini", the catalogue's and OpenAI's own."""
    return ["mini", *MODELS, *ALIASES]


def find(name: str) -> str | None:
    """Catalogue's name of what a user wrote, or None.

    OpenAI's spelling, open_clip's `-quickgelu` suffix and its `model:tag` notation are understood; the
    match is case-insensitive.
    """
    wanted = name.strip().replace("-quickgelu/", "/").replace("-quickgelu:", "/")
    if wanted.count(":") == 1:
        wanted = wanted.replace(":", "/")
    by_lower = {known.lower(): known for known in MODELS} | {alias.lower(): known for alias, known in ALIASES.items()}
    return by_lower.get(wanted.lower())


def find_by_file(file: str) -> str | None:
    """Name of the model that was published under this file name, if it is unmistakable."""
    found = [name for name, entry in MODELS.items() if entry.get("url", "").endswith(f"/{file}")]
    if len(found) != 1:
        return None
    return found[0]


def build_preprocess(name: str) -> Preprocess:
    """Preprocessing of a catalogued model."""
    entry = MODELS[name]
    kind = entry["preprocess"]
    mean, std = OPENAI_MEAN, OPENAI_STD
    if kind in ("half", "siglip"):
        mean = std = _HALF
    return Preprocess(
        image_size=entry["image_size"],
        resize="squash" if kind in ("squash", "siglip") else "shortest",
        mean=mean,
        std=std,
    )


def add_facts(checkpoint: Checkpoint, name: str) -> Checkpoint:
    """Checkpoint with what the catalogue knows of it: activation, heads, preprocessing.

    What a configuration beside the weights states wins, and the provenance tells where the catalogue says otherwise;
    what was filled in by a rule or a default comes from the catalogue. SigLIP's facts all are in its configuration.

    Raises: CheckpointError for a file that cannot be that model.
    """
    entry, spec = MODELS[name], checkpoint.spec
    if entry["activation"] == "timm" and spec.family != "siglip":
        raise CheckpointError(f"{name} needs its configuration and tokenizer beside it: use hf-hub:{entry['hub']}.")
    sizes = (spec.image.image_size, spec.embed_dim)
    if sizes != (entry["image_size"], entry["embed_dim"]):
        raise CheckpointError(
            f"The file takes images of {sizes[0]} px and gives {sizes[1]} dimensions, but {name} has "
            f"{entry['image_size']} px and {entry['embed_dim']}; it is another model."
        )
    if entry["activation"] == "timm":
        return checkpoint
    for place, value in _known_facts(name, spec).items():
        part, field = place.split(".")
        held = getattr(spec, part)
        before = spec.provenance.get(place, spec.provenance.get(part, "a rule"))
        stated = "rule" not in before and "default" not in before
        if stated and getattr(held, field) == value:
            continue
        origin = f"{before}; the catalogue says {value}"
        if not stated:
            origin = f"catalogue: {name}"
            held = dataclasses.replace(held, **{field: value})
        spec = dataclasses.replace(spec, **{part: held}, provenance={**spec.provenance, place: origin})
    return dataclasses.replace(checkpoint, spec=spec)


def _known_facts(name: str, spec: ModelSpec) -> dict[str, Any]:
    """Place in the spec → the catalogue's value, of what no shape tells."""
    entry, preprocess = MODELS[name], build_preprocess(name)
    facts: dict[str, Any] = {
        f"preprocess.{field}": getattr(preprocess, field) for field in ("resize", "interpolation", "mean", "std")
    }
    facts["text.activation"] = entry["activation"]
    if isinstance(spec.image, VitTower):
        facts["image.activation"] = entry["activation"]
        facts["image.heads"] = spec.image.width // entry.get("head_width", 64)
    return facts


def apply_name(checkpoint: Checkpoint, name: str) -> Checkpoint:
    """Checkpoint under its catalogue name, with its licence."""
    licence = MODELS[name].get("licence", "unknown")
    provenance = {**checkpoint.spec.provenance, "licence": "catalogue"}
    spec = dataclasses.replace(checkpoint.spec, name=name, licence=licence, provenance=provenance)
    return dataclasses.replace(checkpoint, spec=spec)
