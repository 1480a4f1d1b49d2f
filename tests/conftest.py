"""What holds for every test: time on a busy machine says nothing, and workers of pytest-xdist share the processors."""

import os

from hypothesis import settings

settings.register_profile("wordsight", deadline=None)  # a first example may load a model, beside another worker
settings.load_profile("wordsight")

if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    # before torch is imported; subprocesses of the tests inherit it
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
