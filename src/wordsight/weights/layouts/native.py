"""wordsight's own layout: `wordsight.json` (the spec), `model.safetensors` under canonical names, tokenizer files."""

from __future__ import annotations

FILE = "wordsight.json"
WEIGHTS = "model.safetensors"
