"""OpenVINO, imported so that it makes no network calls.

`import openvino` loads its model converter, which announces the import to an analytics server (a name look-up and a
POST in a thread, and files in the home folder) unless the package `openvino_telemetry` cannot be imported: then it
falls back on its own stub. So that package is hidden while openvino loads. Everything here that needs openvino takes
`ov` and `ops` from this module.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Make `import openvino_telemetry` fail within the block; openvino and nncf then use their silent stubs.

    Source: `openvino/tools/ovc/telemetry_utils.py` and `nncf/telemetry/wrapper.py`, both `except ImportError`.
    """
    name = "openvino_telemetry"
    before: types.ModuleType | None = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before


with without_telemetry():
    import openvino as ov
    import openvino.opset13 as ops

__all__ = ["ops", "ov", "without_telemetry"]
