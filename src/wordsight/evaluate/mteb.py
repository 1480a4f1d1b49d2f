"""Models of this package as mteb evaluates them: on the tasks of MTEB and MIEB, in images, texts, or both.

    import mteb
    from wordsight.evaluate.mteb import MTEBModel

    mteb.evaluate(MTEBModel("mini"), mteb.get_tasks(tasks=["CIFAR10ZeroShot"]))

Written against mteb 2.26, whose `EncoderProtocol` it satisfies; mteb is not a dependency, and is imported when it asks.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluate.embedder import ImageEmbedder, ImageTextEmbedder
from wordsight.evaluate.models import open_embedder
from wordsight.images.skipped import Skipped
from wordsight.zeroshot.class_embeddings import normalise_rows

Floats = NDArray[np.float32]


class MTEBModel:
    """A model as mteb's tasks call it.

    model: what `open_embedder` takes (a name, a file, the address of a server), or an embedder. revision, device: as
        mteb passes them; a model is found by its name alone, on the device that it chooses.

    Inputs with both an image and a text are embedded as the normalised sum of the two, as mteb's CLIP models do but for
    each having unit length first. Raises: what `open_embedder` raises.
    """

    def __init__(
        self, model: str | ImageEmbedder, revision: str | None = None, *, device: str | None = None, **_: Any
    ) -> None:
        if isinstance(model, str):
            model = open_embedder(model)
        self.embedder = model

    @property
    def mteb_model_meta(self) -> Any:
        """mteb's `ModelMeta`: "wordsight/NAME" with the fingerprint as revision, by which it keeps results."""
        from mteb.models import ModelMeta

        name = re.sub(r"[^\w.+-]+", "_", self.embedder.name).strip("_")
        modalities = ["image"]
        if isinstance(self.embedder, ImageTextEmbedder):
            modalities = ["text", "image"]
        facts = {
            "name": f"wordsight/{name}",
            "revision": self.embedder.fingerprint,
            "similarity_fn_name": _scoring().COSINE,
            "modalities": modalities,
            "use_instructions": False,
        }
        return ModelMeta.create_empty(facts)

    def encode(self, inputs: Any, *, task_metadata: Any, hf_split: str, hf_subset: str, **_: Any) -> Floats:
        """Unit embeddings (N, D) of the rows of a DataLoader: of their images, their texts, or both.

        Raises: InputError for rows with neither, for texts and a model that embeds images only, and for an image that
            cannot be embedded: a task's score needs all.
        """
        columns = set(inputs.dataset.features)
        if {"image", "text"} <= columns:
            return self.get_fused_embeddings(inputs)
        if "image" in columns:
            return self.get_image_embeddings(inputs)
        if "text" in columns:
            return self.get_text_embeddings(inputs)
        raise InputError(
            f"The task {task_metadata.name} has the columns {sorted(columns)}, of which this model embeds neither: "
            "expected 'image' or 'text'."
        )

    def get_text_embeddings(self, texts: Any, **_: Any) -> Floats:
        """Unit embeddings of the texts of a DataLoader, (N, D)."""
        model = self.embedder
        if not isinstance(model, ImageTextEmbedder):
            raise InputError(
                f"The model {model.name!r} embeds images only, but the task has texts; choose another task."
            )
        return np.concatenate([model.embed_texts(list(batch["text"])) for batch in texts])

    def get_image_embeddings(self, images: Any, **_: Any) -> Floats:
        """Unit embeddings of the images of a DataLoader, (N, D)."""
        rows: list[Floats] = []
        with contextlib.closing(self.embedder.stream_images(_images(images))) as answers:
            for answer in answers:
                if isinstance(answer, Skipped):
                    raise InputError(f"Image {len(rows) + 1} of the task cannot be embedded: {answer.reason}")
                rows.append(answer[1])
        return np.stack(rows)

    def get_fused_embeddings(self, inputs: Any, **_: Any) -> Floats:
        """Normalised sums of the unit embeddings of image and text of each row, (N, D)."""
        return normalise_rows(self.get_image_embeddings(inputs) + self.get_text_embeddings(inputs))

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines of all pairs, (N, M), as mteb computes them."""
        from mteb.similarity_functions import cos_sim

        return cos_sim(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines of corresponding rows, (N,), as mteb computes them."""
        from mteb.similarity_functions import pairwise_cos_sim

        return pairwise_cos_sim(embeddings1, embeddings2)


def _images(loader: Any) -> Generator[Any, None, None]:
    for batch in loader:
        yield from batch["image"]


def _scoring() -> Any:
    from mteb.models.model_meta import ScoringFunction

    return ScoringFunction
