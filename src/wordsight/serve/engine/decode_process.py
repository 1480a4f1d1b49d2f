"""One process that decodes (`decode_worker`): started when it is asked, killed when it takes too long."""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import ImageError
from wordsight.images.memory import most_bytes
from wordsight.serve.engine.decode_worker import describe_preprocess
from wordsight.spec import Preprocess

_BESIDE_IMAGE = 1 << 30  # bytes of address space that the process may take beside what an image may
_MOST = 16 << 30  # where images have no limit
_PIPE = 1 << 20  # bytes that a pipe holds, so that an image passes in one piece

Command = Sequence[str]


def worker_command() -> Command:
    """Command that starts a worker with its limit of memory."""
    limit = int(min(most_bytes(), _MOST)) + _BESIDE_IMAGE
    return (sys.executable, "-m", "wordsight.serve.engine.decode_worker", str(limit))


class DecodeProcess:
    """A worker process, asked by one thread at a time.

    seconds: after which an image's process is killed. most_pixels: of an image, by its header.
    command: starts another worker than `decode_worker`.
    """

    def __init__(self, seconds: float, most_pixels: int, command: Command | None = None) -> None:
        self.seconds = seconds
        self.most_pixels = most_pixels
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline = math.inf
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process's id, None where none runs."""
        return self._process.pid if self._process else None

    def read_pixels(self, source: str | bytes | os.PathLike[str], spec: Preprocess) -> NDArray[np.uint8]:
        """Pixels (S, S, 3) of an image. Raises: ImageError with the reason alone."""
        pixels = self.ask(source, {"preprocess": describe_preprocess(spec)})
        return np.frombuffer(pixels, np.uint8).reshape(spec.image_size, spec.image_size, 3)

    def ask(self, source: str | bytes | os.PathLike[str], work: Mapping[str, Any]) -> bytes:
        """Bytes that the worker makes of an image. work: what it shall make (see `decode_worker`).

        A process that something else ended is started again once, in case the image was not to blame.
        Raises: ImageError with the reason alone.
        """
        for attempt in (1, 2):
            self.start()
            self._deadline = time.monotonic() + self.seconds
            try:
                return self._exchange(source, work)
            except ImageError:
                raise
            except (OSError, ValueError) as error:  # the process ended
                late = time.monotonic() >= self._deadline
                self.end()
                if late:
                    raise ImageError(f"took longer than {self.seconds:g} seconds to decode") from error
                if attempt == 2:
                    raise ImageError("ended the process that decodes it, or needs too much memory") from error
            except BaseException:  # an interrupt: what is left of the answer would be read as the next one's
                self.end()
                raise
            finally:
                self._deadline = math.inf
        raise AssertionError("both attempts return or raise")

    def check(self) -> None:
        """Kill the process where its image takes too long; called now and then by another thread."""
        process = self._process
        if process is not None and time.monotonic() >= self._deadline:
            process.kill()

    def start(self) -> subprocess.Popen[bytes]:
        """Start the process where it does not run. Raises: ImageError after `close`."""
        if self._closed:
            raise ImageError("was not decoded, as the server stops")
        if self._process is None or self._process.poll() is not None:
            self.end()
            single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            self._process = subprocess.Popen(
                list(self._command or worker_command()),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **single, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            _widen(self._process)
        return self._process

    def end(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with contextlib.suppress(OSError, ValueError):
                process.communicate()

    def close(self) -> None:
        """End the process for good."""
        self._closed = True
        self.end()

    def _exchange(self, source: str | bytes | os.PathLike[str], work: Mapping[str, Any]) -> bytes:
        """Write a request and read its answer. Raises: ImageError; OSError or ValueError where the process ended."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        is_path = not isinstance(source, bytes)
        content = source if isinstance(source, bytes) else os.fsencode(source)
        facts = {"path": is_path, "bytes": len(content), "most_pixels": self.most_pixels}
        process.stdin.write(json.dumps({**facts, **work}).encode() + b"\n")
        process.stdin.write(content)
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        if "error" in answer:
            raise ImageError(answer["error"])
        made = process.stdout.read(answer["bytes"])
        if len(made) != answer["bytes"]:
            raise ValueError(f"{len(made)} of {answer['bytes']} bytes")
        return made


def _widen(process: subprocess.Popen[bytes]) -> None:
    """Let the pipes hold an image's pixels, where the system can."""
    if sys.platform != "linux":
        return
    import fcntl

    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
