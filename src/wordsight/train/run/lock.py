"""One run at a time in a folder: two would overwrite each other's checkpoints and log.

Not `writer_lock`: a lock of that kind is inherited by forked data workers, which may outlive a killed run, and some
network drives have none.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from wordsight.errors import TrainError

LOCK = ".lock"
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # some network drives; there the run continues unlocked


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold a folder, which is created if needed, until the block ends; the system releases it if the process dies.

    Raises: TrainError where another process holds it, and for a place that cannot be written.
    """
    number = _acquire(folder)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / LOCK).unlink()
        os.close(number)


def _acquire(folder: Path) -> int:
    """Open and lock the lock file. Its last holder may have removed it between the two: then try again."""
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            number = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                _lock(number)
                if os.path.samestat(os.fstat(number), os.stat(path)):
                    return number
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(number)
                raise
            os.close(number)
    except BlockingIOError as error:
        raise TrainError(
            f"Another run is already using {folder}; wait for it to end, stop it, or choose another folder."
        ) from error
    except (OSError, ValueError) as error:  # a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise TrainError(f"The run's folder {folder} cannot be used ({reason}); choose another place.") from error


def _lock(number: int) -> None:
    """Lock an open file for this process only, not for its forks, which may outlive it for a moment.

    Raises: BlockingIOError where another process has it.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.lockf(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            raise BlockingIOError(error.errno, error.strerror) from error
        if error.errno not in _WITHOUT_LOCKS:
            raise
