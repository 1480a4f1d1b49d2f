"""A CLIP server as most are written: FastAPI and transformers, one forward pass a request; for `serve_load.py`.

python benchmarks/plain_server.py FOLDER PORT
"""

from __future__ import annotations

import base64
import io
import sys
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI
from PIL import Image
from transformers import CLIPImageProcessor, CLIPModel, PreTrainedTokenizerFast


def make_app(folder: str) -> FastAPI:
    """Application with `POST /v1/embeddings` for texts and data URIs of images."""
    model = CLIPModel.from_pretrained(folder).eval()
    processor = CLIPImageProcessor.from_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    app = FastAPI()

    @app.get("/readyz")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/v1/embeddings")
    def embed(asked: dict[str, Any]) -> dict[str, Any]:
        with torch.inference_mode():
            if asked.get("modality") == "image":
                images = [Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) for uri in asked["input"]]
                pixels = processor(images=[image.convert("RGB") for image in images], return_tensors="pt")
                features = model.get_image_features(**pixels).pooler_output
            else:
                tokens = tokenizer(asked["input"], padding=True, truncation=True, return_tensors="pt")
                features = model.get_text_features(**tokens).pooler_output
            features = features / features.norm(dim=-1, keepdim=True)
        data = [{"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(features.tolist())]
        return {"object": "list", "data": data, "model": folder}

    return app


if __name__ == "__main__":
    uvicorn.run(make_app(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
