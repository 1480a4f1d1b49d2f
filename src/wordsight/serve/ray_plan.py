"""Deployments of a server on a Ray cluster: how each scales, and how the arguments of `serve run` say so."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wordsight.errors import InputError, did_you_mean
from wordsight.serve.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """How a deployment scales.

    least, most: replicas. cpus: of each. ongoing: calls that a replica works on at a time; queued: calls that wait in
    each caller for a replica to be free, beyond which they are refused.
    """

    least: int = 1
    most: int = 8
    cpus: float = 1.0
    ongoing: int = 8
    queued: int = 64

    def options(self) -> dict[str, Any]:
        """Options of a Ray deployment."""
        return {
            "autoscaling_config": {
                "min_replicas": self.least,
                "max_replicas": self.most,
                "target_ongoing_requests": max(1, self.ongoing // 2),
            },
            "max_ongoing_requests": self.ongoing,
            "max_queued_requests": self.queued,
            "ray_actor_options": {"num_cpus": self.cpus},
        }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Deployments of a server. settings: those of `wordsight serve`; the port is that of Ray's own proxy.

    search, bulk: encoders of each lane; ingress: of the application.
    """

    settings: Settings
    search: Scaling = field(default_factory=Scaling)
    bulk: Scaling = field(default_factory=Scaling)
    ingress: Scaling = field(default_factory=lambda: Scaling(most=4, ongoing=256, queued=1024))


def read_plan(args: Mapping[str, Any]) -> Plan:
    """Deployments that arguments ask for: see `build`."""
    flat = dict(_flatten(args))
    galleries = {key.removeprefix("gallery."): str(flat.pop(key)) for key in list(flat) if key.startswith("gallery.")}
    defaults = Plan(settings=Settings())
    scaling = {part: _read_scaling(part, getattr(defaults, part), flat) for part in ("search", "bulk", "ingress")}
    token_file = flat.pop("token_file", None)
    given: dict[str, Any] = {"page": False}
    for key, value in flat.items():
        if key not in _SETTINGS:
            known = (*_SETTINGS, "gallery.NAME", "token_file", "search.most", "bulk.most", "ingress.most")
            raise InputError(f"There is no argument {key!r}; there are: {', '.join(known)}.{did_you_mean(key, known)}")
        given[key] = _SETTINGS[key](value)
    token = Path(token_file).read_text(encoding="utf-8").strip() if token_file else None
    return Plan(settings=Settings(galleries=galleries, token=token, **given), **scaling)


def _flatten(args: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in args.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _read_scaling(part: str, default: Scaling, flat: dict[str, Any]) -> Scaling:
    changes = {}
    for one in dataclasses.fields(Scaling):
        key = f"{part}.{one.name}"
        if key in flat:
            kind = type(getattr(default, one.name))
            value = flat.pop(key)
            try:
                changes[one.name] = kind(value)
            except (TypeError, ValueError):
                raise InputError(f"The argument {key} is {value!r}, expected a number.") from None
    return dataclasses.replace(default, **changes)


def _as_bool(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).lower() in ("1", "true", "yes", "on")


def _as_names(value: Any) -> tuple[str, ...]:
    given = value.split(",") if isinstance(value, str) else value
    return tuple(str(one).strip() for one in given)


# settings that arguments may give → how they are read
_SETTINGS: dict[str, Callable[[Any], Any]] = {
    "model": str, "backend": str, "precision": str, "host": str, "mcp": _as_bool, "page": _as_bool,
    "public": _as_bool, "allowed_hosts": _as_names,
}  # fmt: skip
