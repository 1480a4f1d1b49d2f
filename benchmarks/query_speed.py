"""Speed, recall and memory of searching an index, cold and warm, against FAISS and usearch on the same vectors.

    python benchmarks/query_speed.py [--sizes 10000,100000,1000000] [--rounds 5] [--folder DIR] [--quick]

Cold: `wordsight search "red coat"` as a process of its own, at 100,000 items (--cold-size), and its parts. Warm: in
turns, every contender answers the same queries one by one; p50 and p99 of one query, recall@10 against a float32
product over all vectors. Ours returns whole rows (path, metadata, text, vector), the others row numbers. Each uses its
own default for threads. Memory is measured in a process of its own that opens the saved index and runs 50 queries:
private (anonymous), and mapped (the system's file cache, which it may reclaim).

The vectors: unit, 512 dimensions, n / 100 centres picked by Zipf's law in a space whose spread falls as i^-0.6, noise
of 0.7 of it around them, all shifted from the origin by 0.9: fall and mean cosine (0.11) match the bundled model's
embeddings of 900 product images and 900 photos (i^-0.64, 0.11). Queries come from the same mixture and are not in the
index. Rows go to results/query_speed.jsonl. The full run takes hours on two cores (graphs and codebooks of a million
vectors: --leave-out), 25 GB of disk and 14 GB of memory; --quick: two minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import harness
import numpy as np

from wordsight.index import IndexInfo, Row, create_index, open_index
from wordsight.index.lance import maintenance as upkeep

DIM, K, QUERIES = 512, 10, 200
CHUNK = 20_000
COLOURS = ["red", "blue", "green", "black", "white", "grey", "yellow"]
THINGS = ["coat", "hat", "beach", "dog", "city", "wedding", "receipt", "garden", "car", "snow", "portrait"]
NEVER, ALWAYS = 10**9, 0  # values of EXACT_LIMIT: never an ANN index, or one from the first row on


# vectors


def mixture(n: int, dim: int, centres: int, seed: int) -> Iterator[np.ndarray]:
    """Yield n unit vectors (float32) of the mixture that the module's docstring describes, a chunk at a time."""
    shape = np.random.default_rng(0)  # centres and axes are those of the mixture, whatever the seed of the draw
    spread_D = (1 + np.arange(dim, dtype=np.float32)) ** -0.6
    axes_DD = np.linalg.qr(shape.normal(size=(dim, dim)))[0].astype(np.float32)
    centres_CD = shape.normal(size=(centres, dim)).astype(np.float32) * spread_D
    centres_CD[:, 0] += 0.9
    draw = np.random.default_rng(seed)
    for start in range(0, n, CHUNK):
        size = min(CHUNK, n - start)
        picked_N = draw.zipf(1.3, size=size) % centres
        noise_ND = draw.standard_normal((size, dim), dtype=np.float32) * spread_D
        vectors_ND = (centres_CD[picked_N] + 0.7 * noise_ND) @ axes_DD
        yield vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True)


def write_vectors(path: Path, n: int) -> np.ndarray:
    """Write n vectors to a .npy file, and return it mapped."""
    out = np.lib.format.open_memmap(path, "w+", np.float32, (n, DIM))
    start = 0
    for chunk_ND in mixture(n, DIM, max(1, n // 100), seed=1):
        out[start : start + len(chunk_ND)] = chunk_ND
        start += len(chunk_ND)
    out.flush()
    return np.load(path, mmap_mode="r")


def exact(vectors_ND: np.ndarray, queries_QD: np.ndarray) -> np.ndarray:
    """The K nearest rows of each query (Q, K), by a product over all vectors."""
    scores_QN = np.concatenate(
        [queries_QD @ np.asarray(vectors_ND[s : s + CHUNK]).T for s in range(0, len(vectors_ND), CHUNK)], axis=1
    )
    return np.argpartition(-scores_QN, K, axis=1)[:, :K]


# contenders: build(vectors, folder) → saves; opened(folder) → a function from a query to row numbers


def rows_of(vectors_ND: np.ndarray, start: int) -> list[Row]:
    """Rows as for a folder of photos."""
    rows = []
    for i, vector in enumerate(vectors_ND, start):
        path = f"/photos/{COLOURS[i % 7]}_{THINGS[i % 11]}_{i:07d}.jpg"
        facts = {"size": 2_000_000, "mtime_ns": 1_700_000_000_000_000_000 + i, "width": 4000, "height": 3000}
        text = path[8:-4].replace("_", " ")
        rows.append(Row(path, "/photos", path, f"{i:032x}", np.asarray(vector), text=text, **facts))  # type: ignore[arg-type]
    return rows


def build_ours(vectors_ND: np.ndarray, folder: Path, info: IndexInfo | None = None) -> None:
    """Fill an index as `wordsight index` does, some rows at a time, and optimise it once."""
    index = create_index(folder, info or IndexInfo("none", "0" * 32, vectors_ND.shape[1], "2026-01-01T00:00:00Z"))
    for start in range(0, len(vectors_ND), 2048):
        index.add(rows_of(vectors_ND[start : start + 2048], start))
    index.optimise()
    index.close()


def build_exact(vectors_ND: np.ndarray, folder: Path) -> None:
    """Build ours without an ANN index."""
    upkeep.EXACT_LIMIT = NEVER
    build_ours(vectors_ND, folder)


def build_ann(vectors_ND: np.ndarray, folder: Path) -> None:
    """Build ours with an ANN index, without a snapshot."""
    upkeep.EXACT_LIMIT = ALWAYS
    build_ours(vectors_ND, folder)


def open_ours(folder: Path, limit: int) -> Callable[[np.ndarray], list[int]]:
    """Search of an index of ours."""
    upkeep.EXACT_LIMIT = limit
    index = open_index(folder)
    return lambda query_D: [int(match.row.id[-11:-4]) for match in index.nearest(query_D, K)]


def build_faiss(kind: str) -> Callable[[np.ndarray, Path], None]:
    """Function that builds a FAISS index of a kind ("Flat", "HNSW32", "IVF…,PQ64") and saves it."""

    def build(vectors_ND: np.ndarray, folder: Path) -> None:
        import faiss

        n = len(vectors_ND)
        name = kind.format(lists=max(1, int(4 * n**0.5)))
        index = faiss.index_factory(vectors_ND.shape[1], name, faiss.METRIC_INNER_PRODUCT)
        if hasattr(index, "do_polysemous_training"):
            index.do_polysemous_training = False  # takes minutes, for a kind of search that is not used here
        if not index.is_trained:
            step = max(1, n // 200_000)
            index.train(np.ascontiguousarray(vectors_ND[::step]))
        for start in range(0, n, CHUNK):
            index.add(np.ascontiguousarray(vectors_ND[start : start + CHUNK]))
        faiss.write_index(index, str(folder / "index.faiss"))

    return build


def open_faiss(folder: Path) -> Callable[[np.ndarray], list[int]]:
    """Search of a FAISS index: 32 lists are probed, 64 candidates kept in a graph."""
    import faiss

    index = faiss.read_index(str(folder / "index.faiss"))
    if hasattr(index, "nprobe"):
        index.nprobe = 32
    if hasattr(index, "hnsw"):
        index.hnsw.efSearch = 64
    found: Callable[[np.ndarray], list[int]] = lambda query_D: index.search(query_D[None], K)[1][0].tolist()  # noqa: E731
    return found


def build_usearch(vectors_ND: np.ndarray, folder: Path) -> None:
    """Build usearch's HNSW graph with its own settings."""
    from usearch.index import Index

    index = Index(ndim=vectors_ND.shape[1], metric="cos", dtype="f32")
    for start in range(0, len(vectors_ND), CHUNK):
        part_ND = np.ascontiguousarray(vectors_ND[start : start + CHUNK])
        index.add(np.arange(start, start + len(part_ND)), part_ND)
    index.save(str(folder / "index.usearch"))


def open_usearch(folder: Path) -> Callable[[np.ndarray], list[int]]:
    """Search of a usearch index, loaded."""
    from usearch.index import Index

    index = Index.restore(str(folder / "index.usearch"))
    return lambda query_D: index.search(query_D, K).keys.tolist()


CONTENDERS: dict[
    str, tuple[Callable[[np.ndarray, Path], None], Callable[[Path], Callable[[np.ndarray], list[int]]]]
] = {
    "wordsight exact": (build_exact, lambda folder: open_ours(folder, NEVER)),
    "wordsight ANN": (build_ann, lambda folder: open_ours(folder, ALWAYS)),
    "faiss Flat": (build_faiss("Flat"), open_faiss),
    "faiss IVF,PQ64": (build_faiss("IVF{lists},PQ64"), open_faiss),
    "faiss HNSW32": (build_faiss("HNSW32"), open_faiss),
    "usearch HNSW": (build_usearch, open_usearch),
}


# measurements


def folder_of(base: Path, name: str) -> Path:
    """Folder of a contender's saved index."""
    return base / name.replace(" ", "_").replace(",", "_")


def resident() -> tuple[int, int]:
    """Resident memory of the process in bytes: private, mapped from files (Linux)."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) * 1024, int(lines["RssFile"].split()[0]) * 1024


def measure_memory(name: str, base: Path) -> None:
    """Print the MiB by which a process grows that opens a saved index and searches it (the child process's part)."""
    queries_QD = np.load(base / "queries.npy")[:50]
    before = resident()
    search = CONTENDERS[name][1](folder_of(base, name))
    for query_D in queries_QD:
        search(query_D)
    grown = [(after - start) / 2**20 for after, start in zip(resident(), before, strict=True)]
    print(json.dumps({"private_mib": grown[0], "mapped_mib": grown[1]}))


def in_child(*arguments: str) -> dict[str, float]:
    """Run this file in a process of its own and return the JSON that it prints."""
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The measured process failed:\n{done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def warm_rows(size: int, rounds: int, names: list[str], base: Path) -> Iterator[dict[str, Any]]:
    """Build every contender, then time their queries in turns; yield a row for each."""
    base.mkdir(parents=True)
    vectors_ND = write_vectors(base / "vectors.npy", size)
    queries_QD = np.concatenate(list(mixture(QUERIES, DIM, max(1, size // 100), seed=2)))
    np.save(base / "queries.npy", queries_QD)
    truth_QK = exact(vectors_ND, queries_QD)
    built: dict[str, float] = {}
    for name in names:
        folder = folder_of(base, name)
        folder.mkdir()
        start = time.perf_counter()
        in_child("--build", name, "--folder", str(base))
        built[name] = time.perf_counter() - start
        print(f"  {size:,} {name}: built in {built[name]:.0f} s", file=sys.stderr)
    memory = {name: in_child("--memory", name, "--folder", str(base)) for name in names}

    searches = {}
    for name in names:
        # the limit is read at each search, and both of ours live in this one process
        limit = {"wordsight exact": NEVER, "wordsight ANN": ALWAYS}.get(name, NEVER)
        searches[name] = (CONTENDERS[name][1](folder_of(base, name)), limit)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    hits = dict.fromkeys(names, 0)
    for turn in range(rounds + 1):  # the first one warms up
        for name in names[:: -1 if turn % 2 else 1]:
            search, upkeep.EXACT_LIMIT = searches[name]
            for query_D, best_K in zip(queries_QD, truth_QK, strict=True):
                start = time.perf_counter()
                found = search(query_D)
                taken = time.perf_counter() - start
                if turn:
                    seconds[name].append(taken)
                else:
                    hits[name] += len(set(found) & set(best_K.tolist()))
    for name in names:
        files = [path for path in folder_of(base, name).rglob("*") if path.is_file()]
        yield {
            "rows": size,
            "index": name,
            "p50_ms": 1000 * float(np.percentile(seconds[name], 50)),
            "p99_ms": 1000 * float(np.percentile(seconds[name], 99)),
            "recall@10": hits[name] / (K * QUERIES),
            **memory[name],
            "disk_mib": sum(path.stat().st_size for path in files) / 2**20,
            "build_s": built[name],
        }


COLD = {
    "python -c pass": "pass",
    "import wordsight.cli.search": "import wordsight.cli.search",
    "model and text": "import wordsight\nwordsight.load('mini').embed_texts(['red coat'])",
    "open and search": (
        "import numpy as np\nfrom wordsight.index import open_index\nindex = open_index(sys.argv[1])\n"
        "index.nearest(np.eye(1, index.info.dim, dtype=np.float32)[0], 10)"
    ),
    "open and match text": (
        "from wordsight.index import open_index\nopen_index(sys.argv[1]).match_text('red coat', 10)"
    ),
}


def cold_rows(size: int, rounds: int, base: Path) -> Iterator[dict[str, Any]]:
    """Time whole processes: the command itself, and its parts."""
    from wordsight import load

    model = load("mini")
    info = IndexInfo("mini", model.fingerprint, model.spec.embed_dim, "2026-01-01T00:00:00Z")
    vectors_ND = np.concatenate(list(mixture(size, info.dim, max(1, size // 100), seed=1)))
    folder = base / "cold"
    build_ours(vectors_ND, folder, info)

    def command() -> None:
        done = subprocess.run(
            [sys.executable, "-c", "from wordsight.cli import main; main()", "search", "red coat", "--in", str(folder)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode not in (0, 1):
            raise RuntimeError(f"wordsight search failed:\n{done.stderr[-2000:]}")
        if done.stderr:
            print(done.stderr, file=sys.stderr)

    calls: dict[str, Callable[[], object]] = {'wordsight search "red coat"': command}
    calls |= {name: (lambda body=body: harness.fresh_process(body, str(folder))) for name, body in COLD.items()}
    for name, times in harness.alternate(calls, rounds).items():
        yield {"rows": size, "process": name, "seconds": median(times), "spread": harness.spread(times)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="10000,100000,1000000", help="Numbers of vectors, separated by commas.")
    parser.add_argument("--cold-size", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--folder", type=Path, help="Folder to build indexes in, removed after (default: a temporary one)."
    )
    parser.add_argument(
        "--leave-out", default="", help="Contenders to leave out, separated by semicolons: " + "; ".join(CONTENDERS)
    )
    parser.add_argument("--quick", action="store_true", help="Smoke run: small sizes, one round.")
    parser.add_argument("--build", help=argparse.SUPPRESS)
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.build:
        CONTENDERS[given.build][0](
            np.load(given.folder / "vectors.npy", mmap_mode="r"), folder_of(given.folder, given.build)
        )
        print("{}")
        return
    if given.memory:
        measure_memory(given.memory, given.folder)
        return
    sizes = [2000] if given.quick else [int(size) for size in given.sizes.split(",")]
    cold_size, rounds = (2000, 1) if given.quick else (given.cold_size, given.rounds)
    left_out = {name.strip() for name in given.leave_out.split(";")}
    names = [name for name in CONTENDERS if name not in left_out]

    limit = upkeep.EXACT_LIMIT
    base = Path(tempfile.mkdtemp(prefix="query_speed-", dir=given.folder))
    try:
        cold = list(cold_rows(cold_size, rounds, base))
        print(harness.table(cold), end="\n\n", flush=True)
        warm = []
        for size in sizes:
            warm += warm_rows(size, rounds, names, base / str(size))
            print(harness.table(warm[-len(names) :]), end="\n\n", flush=True)
            shutil.rmtree(base / str(size))
    finally:
        shutil.rmtree(base)
    settings = {"kind": "settings", "exact_limit": limit, "threads": os.environ.get("OMP_NUM_THREADS")}
    rows = [settings, *({"kind": "cold", **row} for row in cold), *({"kind": "warm", **row} for row in warm)]
    if not given.quick:
        print(harness.write_rows("query_speed", rows))


if __name__ == "__main__":
    main()
