"""Settings of every test: no deadlines, processors shared among workers, support modules for child processes."""

import os

from hypothesis import settings
from project import SUPPORT

settings.register_profile("wordsight", deadline=None)  # a first example may load a model, beside another worker
settings.load_profile("wordsight")

if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    # before torch is imported; subprocesses of the tests inherit it
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))

# child processes import the support modules as tests do
_PATHS = (str(SUPPORT), str(SUPPORT / "processes"), os.environ.get("PYTHONPATH", ""))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, _PATHS))
