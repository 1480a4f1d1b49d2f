"""Settings of every test: no deadlines, shared processors, support modules for child processes, no traces in /tmp."""

import os
import shutil
import tempfile

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


def pytest_configure(config):
    """Make one temporary folder of all that tests, their children and libraries leave; workers of xdist inherit it."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ["TMPDIR"] = tempfile.tempdir = config.wordsight_temporary = tempfile.mkdtemp(prefix="wordsight-")


def pytest_unconfigure(config):
    """Remove it."""
    shutil.rmtree(getattr(config, "wordsight_temporary", ""), ignore_errors=True)
