"""Runs of indexing that are killed at random points: python killed_runs.py FOLDER INDEX KILLS SEED.

Everything is imported once, and each run is a fork of that; what it uses (Lance, threads) starts after the fork. After
each kill another fork opens the index and writes what it holds as a line of JSON; the last line is of a run to the end.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import lance  # noqa: F401  (so that forks need not)
import pyarrow.dataset  # noqa: F401
from indexing import colour_model, write_images

from wordsight.gallery import Gallery
from wordsight.ingest.scan import scan
from wordsight.update.run import UpdateOptions, update


def index_all(folder, where):
    """Bring the index up to date in many small commits."""
    with Gallery.create(where, model=colour_model()) as gallery:
        gallery.index.set_note("sources", {str(folder): {}})
        update(gallery.index, gallery.model, scan([folder]), [str(folder)], options=UpdateOptions(commit_rows=8))
        gallery.index.optimise()


def content(where):
    """Everything in the index: id → digest, text, vector."""
    with Gallery.open(where, model=colour_model()) as gallery:
        ids = [version.id for version in gallery.index.row_versions()]
        assert len(ids) == len(set(ids)) == len(gallery)
        rows = gallery.index.get(ids)
        if rows:
            assert gallery.index.nearest(rows[0].vector, 1)[0].score > 0.999
        return {row.id: [row.content_hash, row.text, row.vector.round(5).tolist()] for row in rows}


def forked(work):
    """Run `work` in a fork and return its process id."""
    if child := os.fork():
        return child
    try:
        work()
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)


def finished(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def show(where):
    child = forked(lambda: print(json.dumps(content(where)), flush=True))
    assert finished(child) == 0, "the index does not open"


def main(folder, where, kills, seed):
    chance = random.Random(seed)
    print(json.dumps({}), flush=True)
    start = time.monotonic()
    assert finished(forked(lambda: index_all(folder, where))) == 0
    whole = time.monotonic() - start  # of a run over the images that there are at first
    show(where)
    for n in range(kills):
        write_images(folder, range(1000 + 20 * n, 1020 + 20 * n))
        child = forked(lambda: index_all(folder, where))
        time.sleep(chance.uniform(0, whole))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        show(where)
    assert finished(forked(lambda: index_all(folder, where))) == 0
    show(where)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
