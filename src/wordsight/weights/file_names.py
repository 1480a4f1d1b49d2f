"""Names of the files of every layout: the one list from which readers, writers and downloads take theirs."""

from __future__ import annotations

# configuration
SPEC = "wordsight.json"
HF_CONFIG = "config.json"
OPEN_CLIP_CONFIG = "open_clip_config.json"
ADAPTER_CONFIG = "adapter_config.json"  # PEFT's
MODULES = "modules.json"  # sentence-transformers'
PROCESSORS = ("preprocessor_config.json", "processor_config.json")

# tokenizers: what a checkpoint carries along, so that the folder stays whole in every layout that is a folder
TOKENIZER_JSON = "tokenizer.json"
SENTENCEPIECE = ("spiece.model", "tokenizer.model")
TOKENIZER_CONFIGS = ("tokenizer_config.json", "special_tokens_map.json")
TOKENIZER_KEPT = (TOKENIZER_JSON, *TOKENIZER_CONFIGS, *SENTENCEPIECE)
TOKENIZER_MERGES = ("vocab.json", "merges.txt")  # read for comparison with CLIP's own, not kept

# weights, the preferred name first
WORDSIGHT_WEIGHTS = ("model.safetensors",)
OPEN_CLIP_WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_model.safetensors.index.json",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
HF_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
WRITTEN = {"hf": HF_WEIGHTS[0], "open_clip": OPEN_CLIP_WEIGHTS[0], "wordsight": WORDSIGHT_WEIGHTS[0]}
INDEX = ".index.json"  # extension of the table of shards
CHECKPOINT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")

# what is read beside the weights
SMALL_FILES = (
    HF_CONFIG, OPEN_CLIP_CONFIG, SPEC, ADAPTER_CONFIG, MODULES, *PROCESSORS, *TOKENIZER_KEPT, *TOKENIZER_MERGES,
)  # fmt: skip
# what is fetched of a repository's weights: safetensors before pickles, of open_clip's first where both are there
FETCHED_WEIGHTS = tuple(sorted((*OPEN_CLIP_WEIGHTS, *HF_WEIGHTS), key=lambda name: ".bin" in name))
