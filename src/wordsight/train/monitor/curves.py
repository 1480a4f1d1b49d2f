"""`curves.png`: a run's whole log on one page."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from wordsight.errors import MissingExtraError
from wordsight.train.monitor.reports import RunResult, TrainWarning, Watcher
from wordsight.train.monitor.run_log import column, read_log

CURVES = "curves.png"
_RAW, _MEAN, _LINE, _OTHERS = "#b7c9e2", "#1f4e8c", "#b3402e", ("#1f4e8c", "#2e8b57", "#b3402e", "#7a5195")
_POINTS = 60  # with fewer, no running mean is drawn


class Curves(Watcher):
    """Draws `curves.png` when a run ends or is stopped. Without matplotlib it warns at the start."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            warnings.warn(
                f"There will be no {CURVES}: {MissingExtraError('Drawing curves', 'matplotlib', 'train')}",
                TrainWarning,
                stacklevel=3,
            )
            self.folder = None  # type: ignore[assignment]

    def on_end(self, result: RunResult | None) -> None:
        """Draw; a finished run does not fail because of its curves."""
        if self.folder is None:
            return
        try:
            draw(self.folder)
        except Exception as error:
            warnings.warn(f"{CURVES} could not be drawn ({error}).", TrainWarning, stacklevel=2)


def draw(folder: str | Path) -> Path | None:
    """Draw `curves.png` of the log in a run's folder and return its path; None where no step was logged.

    Raises: InputError without a log, MissingExtraError without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("Drawing curves", "matplotlib", "train") from None
    folder = Path(folder)
    log = _Log(read_log(folder))
    if not column(log.records, "loss")[0]:
        return None
    page = Figure(figsize=(16, 7.5), dpi=110, layout="constrained")
    page.suptitle(_title(folder, log.start), fontsize=13)
    for axes, panel in zip(page.subplots(2, 4).flat, _PANELS, strict=True):
        panel(axes, log)
        axes.set_xlabel("step", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    path = folder / CURVES
    page.savefig(path)
    return path


class _Log:
    """Records of a log, and that of the last start of the run."""

    def __init__(self, records: Sequence[dict[str, Any]]) -> None:
        self.records = records
        self.start: dict[str, Any] = next((one for one in reversed(records) if one["kind"] == "start"), {})


def _title(folder: Path, start: dict[str, Any]) -> str:
    config, hardware = start.get("config", {}), start.get("hardware", {})
    said = [folder.resolve().name, config.get("model", {}).get("name"), config.get("objective", {}).get("name")]
    if "batch" in config:
        said.append(f"batch {config['batch']:,}")
    if "steps" in start:
        said.append(f"{start['steps']:,} steps")
    device = hardware.get("device", "")
    if start.get("processes", 1) > 1:
        device = f"{start['processes']} × {device}"
    said.append(device)
    return "   ·   ".join(str(one) for one in said if one)


def _loss(axes: Any, log: _Log) -> None:
    _curve(axes, log.records, "loss", "loss")
    steps, chances = column(log.records, "chance_loss")
    if chances:  # of each batch: repeated captions make guessing easier
        axes.plot(steps, chances, color="0.5", linestyle="--", linewidth=0.9)
        axes.annotate(f"chance level: {chances[-1]:.2f}", (steps[-1], chances[-1]), fontsize=8, ha="right", va="bottom")
    elif log.start.get("chance_loss") is not None:
        _level(axes, log.start["chance_loss"], f"chance level: {log.start['chance_loss']:.2f}")


def _scale(axes: Any, log: _Log) -> None:
    values = _curve(axes, log.records, "scale", "scale of the cosines")
    if values and max(values) > 50:
        _level(axes, 100, "clip: 100")


def _grad_norm(axes: Any, log: _Log) -> None:
    values = _curve(axes, log.records, "grad_norm", "gradient norm")
    if values and min(values) > 0:
        from matplotlib.ticker import LogLocator, NullFormatter

        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    clip = log.start.get("config", {}).get("optim", {}).get("clip")
    if values and clip and max(values) > clip / 3:
        _level(axes, clip, f"clipped at {clip:g}")


def _figures(axes: Any, log: _Log) -> None:
    """Draw the figures measured on held-out images, with their intervals."""
    axes.set_title("held-out images", fontsize=10)
    measured = [record for record in log.records if record["kind"] == "figures"]
    names = list(dict.fromkeys(name for record in measured for name in record["figures"]))
    for name, colour in zip(names, _OTHERS * len(names), strict=False):
        points = [(record["step"], record["figures"][name]) for record in measured if name in record["figures"]]
        steps = [step for step, _ in points]
        low, high = ([one[end] for _, one in points] for end in ("low", "high"))
        shown = f"{name.replace('zero_shot', 'zero-shot').replace('_', ' ')}: {points[-1][1]['value']:.1%} at the end"
        axes.plot(steps, [one["value"] for _, one in points], marker="o", ms=3.5, color=colour, label=shown)
        axes.fill_between(steps, low, high, color=colour, alpha=0.15, lw=0)
    if names:
        _shares(axes, [record["figures"][name]["high"] for record in measured for name in record["figures"]])
        axes.legend(fontsize=8, frameon=False)
    else:
        _nothing(axes, "none were measured\n(watch.zero_shot)")


def _panel(name: str, title: str, *, share: bool = False) -> Callable[..., None]:
    def panel(axes: Any, log: _Log) -> None:
        values = _curve(axes, log.records, name, title)
        if values and share:
            _shares(axes, values)

    return panel


def _shares(axes: Any, values: Sequence[float]) -> None:
    """Let an axis go from 0 % to a little more than the highest value, to 10 % at least."""
    axes.set_ylim(0, min(1.02, max(0.1, 1.05 * max(values))))
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")


_PANELS = (
    _loss,
    _panel("recall_at_1", "recall@1 within the batch", share=True),
    _figures,
    _panel("lr", "learning rate"),
    _scale,
    _grad_norm,
    _panel("samples_per_s", "samples/s"),
    _panel("wait_share", "waiting for data", share=True),
)


def _curve(axes: Any, records: Sequence[dict[str, Any]], name: str, title: str) -> list[float]:
    """Draw one number: every logged step lightly, a running mean over it. Returns the values."""
    axes.set_title(title, fontsize=10)
    steps, values = column(records, name)
    if not values:
        _nothing(axes, "the objective has none")
        return values
    wide = len(values) // 25
    if len(values) < _POINTS or name == "lr":
        axes.plot(steps, values, color=_MEAN, lw=1.4)
    else:
        axes.plot(steps, values, color=_RAW, lw=0.8)
        axes.plot(steps, _running_mean(values, wide), color=_MEAN, lw=1.6)
    return values


def _running_mean(values: Sequence[float], wide: int) -> list[float]:
    """Mean of the values within `wide` before and after each, fewer at the ends."""
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    ends = [(max(0, i - wide), min(len(values), i + wide + 1)) for i in range(len(values))]
    return [(sums[stop] - sums[begin]) / (stop - begin) for begin, stop in ends]


def _level(axes: Any, value: float, words: str) -> None:
    """Draw a labelled dashed line."""
    axes.axhline(value, color=_LINE, lw=1, ls="--")
    axes.annotate(words, (0.99, value), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8,
                  color=_LINE)  # fmt: skip


def _nothing(axes: Any, words: str) -> None:
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color="#777777", fontsize=9)
