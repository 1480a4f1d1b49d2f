"""Read and embed on a Ray cluster: the same `Reader` and the same model as here, in actors of a Ray Data job."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import os
import pickle
import warnings
from collections.abc import Generator, Iterable
from typing import Any

import numpy as np

from wordsight.errors import InputError, MissingExtraError
from wordsight.index.base import IndexInfo, check_same_model
from wordsight.model import Model, load
from wordsight.update.reader import Reader, Task
from wordsight.update.run import Embed

# Tasks (a path and what is said of it, about a kilobyte each) that one job holds: some 20 MB of the driver's memory.
TASKS_PER_JOB = 16_384
BATCH = 64


def embedder(model: Model) -> Embed:
    """Embedder on the cluster that `RAY_ADDRESS` names, else on one that is started on this machine.

    The driver lists the sources and writes the index; the nodes must see the sources under the same paths, and the
    model under the name that it was loaded by. Nothing is reported to Ray's makers, and no dashboard is started.
    Raises: MissingExtraError without ray; InputError for a model that other machines could not load.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("Indexing on a cluster", "ray", "ray") from error
    if not model.loaded_from:
        raise InputError("The model was not loaded by a name or path, so the cluster's machines cannot load it.")
    if not ray.is_initialized():
        _start(ray)
    worker = {
        "model": model.loaded_from,
        "backend": model.encoder.backend,
        "precision": model.encoder.precision,
        "made_with": IndexInfo(model.spec.name, model.fingerprint, model.spec.embed_dim, ""),
    }

    def embed(tasks: Iterable[Task], reader: Reader) -> Generator[tuple[Task, Any], None, None]:
        rest = iter(tasks)
        while chunk := list(itertools.islice(rest, TASKS_PER_JOB)):
            yield from _job(ray, worker, chunk, reader)

    return embed


def _start(ray: Any) -> None:
    """Connect to the user's cluster, or start one here."""
    here = {} if os.environ.get("RAY_ADDRESS") else {"include_dashboard": False}
    with warnings.catch_warnings():
        # Lance warns of any fork; Ray's forks at once become other programs
        warnings.filterwarnings("ignore", message="lance is not fork-safe")
        ray.init(log_to_driver=False, logging_level="ERROR", **here)
    for name in ("ray.data", "ray._private"):  # which tell how a job goes, as our own bar does
        logging.getLogger(name).setLevel(logging.ERROR)


def _job(
    ray: Any, worker: dict[str, Any], tasks: list[Task], reader: Reader
) -> Generator[tuple[Task, Any], None, None]:
    """Embed some tasks on all nodes, one actor each; yield the answers as they come."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    nodes = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    nodes = [int(cpus) for cpus in nodes if cpus >= 1]
    rows = [{"number": n, "task": ray.cloudpickle.dumps(task)} for n, task in enumerate(tasks)]
    answers = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // BATCH)).map_batches(
        EmbeddingActor,
        fn_constructor_kwargs={**worker, "reader": reader},
        batch_size=BATCH,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=len(nodes)),
        num_cpus=min(nodes),
    )
    for row in answers.iter_rows():
        facts, answer = pickle.loads(row["answer"])
        yield dataclasses.replace(tasks[row["number"]], facts=facts), answer


class EmbeddingActor:
    """A model on one node. Called with tasks, it returns what `Model.stream_read` makes of them there."""

    def __init__(self, model: str, backend: str, precision: str, made_with: IndexInfo, reader: Reader) -> None:
        self.model = load(model, backend, precision)
        check_same_model(
            made_with, f"{model!r} on a node of the cluster", self.model.fingerprint, self.model.spec.embed_dim
        )
        self.reader = reader

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        """Embed one batch: columns number and task → number and answer, both pickled."""
        tasks = [pickle.loads(task) for task in batch["task"]]
        read = self.model.stream_read(tasks, self.reader)
        answers = [pickle.dumps((self.reader.finish(task).facts, answer)) for task, answer in read]
        return {"number": batch["number"], "answer": np.array(answers, object)}
