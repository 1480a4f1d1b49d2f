"""A candidate in a process of its own, whose memory and speed are then its own: `python -m … REQUEST ANSWER`.

The request is a pickle that `run_candidate` wrote into a private folder a moment before; nothing else reads pickles.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wordsight.errors import WordsightError
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.zeroshot.templates import Templates

WARM_UP = 8  # images before the timed ones: enough for every thread to have its tower


@dataclass(frozen=True)
class Request:
    """Measurement that a process is asked for. timed: numbers of the images to time; none: predict all instead.

    predictions: file to write, where all are predicted.
    """

    model: str
    precision: str
    backend: str
    data: LabelledSet
    templates: Templates | None
    timed: tuple[int, ...] = ()
    predictions: Path | None = None


def run_candidate(request: Request, folder: Path) -> dict[str, Any]:
    """Measure a candidate in a fresh process. Returns its figures, or {"failed": the reason}."""
    asked, answer = folder / "request.pickle", folder / "answer.json"
    asked.write_bytes(pickle.dumps(request))
    answer.unlink(missing_ok=True)
    command = [sys.executable, "-m", "wordsight.evaluate.picking.worker", str(asked), str(answer)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")
    if answer.exists():
        figures: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return figures
    if done.returncode < 0:
        return {"failed": f"its process was killed (signal {-done.returncode}), as when memory is short"}
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return {"failed": f"its process ended with {done.returncode}: {last}"}


def measure(request: Request) -> dict[str, Any]:
    """Figures of a request, in the process that was started for it."""
    from wordsight.evaluate.models import open_image_text_embedder

    _check_native(request)
    started = time.perf_counter()
    model = open_image_text_embedder(request.model, backend=request.backend, precision=request.precision)
    if request.predictions is not None:
        return _predict(request, model)
    model.embed_texts(["a photo of a cat."])
    _embed(model, [request.data.images[request.timed[0]]])
    ready = time.perf_counter()
    images = [request.data.images[place] for place in request.timed]
    _embed(model, images[:WARM_UP])
    begun = time.perf_counter()
    _embed(model, images)
    return {
        "seconds": time.perf_counter() - begun,
        "images": len(images),
        "start_seconds": ready - started,
        "peak_bytes": read_peak_memory(),
    }


def read_peak_memory() -> int | None:
    """Most memory that this process has held, in bytes; None where the system does not say."""
    try:  # Linux: of this process alone
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _check_native(request: Request) -> None:
    """Raise InputError for int8 where the processor would only emulate it; `load` refuses bf16 by itself."""
    from wordsight.errors import InputError

    if request.precision != "int8":
        return
    from wordsight.encoder.openvino.encoder import processor_precisions

    if "int8" not in processor_precisions():
        raise InputError(f"this processor has only {', '.join(processor_precisions())}")


def _embed(model: Any, images: list[Any]) -> None:
    for _ in model.stream_images(images):
        pass


def _predict(request: Request, model: Any) -> dict[str, Any]:
    from wordsight.evaluate.predictions import write_predictions
    from wordsight.evaluate.zeroshot.run import run_zero_shot

    assert request.predictions is not None
    run = run_zero_shot(model, request.data, templates=request.templates)
    write_predictions(request.predictions, run.predictions)
    return {"skipped": len(run.features.skipped), "precision": run.predictions.origin.precision}


def main(asked: str, answer: str) -> None:
    """Answer a request; an error of the user's making is an answer too."""
    request = pickle.loads(Path(asked).read_bytes())
    try:
        figures = measure(request)
    except (WordsightError, MemoryError) as error:
        figures = {"failed": str(error) or type(error).__name__}
    Path(answer).write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
