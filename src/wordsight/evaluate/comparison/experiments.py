"""Which of the results in a folder are compared: those of one experiment, and one draw of each few-shot method."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from wordsight.errors import InputError
from wordsight.evaluate.comparison.results import Result, Unread, find_results

TASKS = {"zeroshot": "zero-shot", "fewshot": "few-shot", "suite": "suite"}  # in the order in which one is taken
_DRAW = re.compile(r"(?P<method>.+?) (?P<shots>(?:\d+|all) shots) seed (?P<seed>\d+)")
_SHOTS = {"1 shots": "1 shot", "all shots": "all images"}


@dataclass(frozen=True)
class Choice:
    """Results to compare. remarks: what else the folders hold, and which draws stand for their methods."""

    results: list[Result]
    unread: list[Unread]
    remarks: list[str] = field(default_factory=list)


def choose_results(paths: Sequence[str | Path], task: str | None = None) -> Choice:
    """Results in files, as they are, and of one experiment in folders: experiments test on different images.

    task: a key of `TASKS`; by default the first that a folder holds. Of a few-shot method with a number of shots the
    first draw is taken: draws are not contenders. Accuracies of other tools are always taken.
    Raises: InputError as `find_results`, and where no folder holds results of the task.
    """
    results, unread = find_results(paths)
    folders = {given for given in map(str, paths) if Path(given).expanduser().is_dir()}
    searched = [result for result in results if result.given in folders]
    if not searched:
        return Choice(results, unread)
    held = _count_tasks(searched)
    task = task or next((name for name in TASKS if name in held), None)
    if task is not None and task not in held:
        there = " and ".join(_count_results(name, number) for name, number in held.items()) or "results of other tools"
        raise InputError(f"There are no {TASKS[task]} results in {', '.join(sorted(folders))}, but {there}.")
    remarks: list[str] = []
    others = [f"{_count_results(name, number)} (--task {name})" for name, number in held.items() if name != task]
    held_by = "the folder holds" if len(folders) == 1 else "the folders hold"
    if task is not None and others:
        remarks.append(f"Only {TASKS[task]} results are compared; {held_by} {' and '.join(others)} too.")
    taken = [each for each in results if each.given not in folders or each.task in ("", task)]
    if task != "zeroshot":
        taken = _take_first_draws(taken, folders, remarks)
        taken = _take_common_methods(taken, folders, remarks)
    return Choice(taken, unread, remarks)


def _count_tasks(results: Iterable[Result]) -> dict[str, int]:
    found = [result.task for result in results]
    return {name: found.count(name) for name in TASKS if name in found}


def _count_results(task: str, number: int) -> str:
    return f"{number:,} {TASKS[task]} result{'s' * (number != 1)}"


def _take_first_draws(results: list[Result], folders: set[str], remarks: list[str]) -> list[Result]:
    """Results with one draw of each method and number of shots, called by these alone."""
    first: dict[tuple[str, ...], tuple[int, Result]] = {}
    kept: list[Result] = []
    draws: dict[tuple[str, ...], int] = {}
    for result in results:
        drawn = _DRAW.fullmatch(result.method)
        if drawn is None or result.given not in folders:
            kept.append(result)
            continue
        shots = _SHOTS.get(drawn["shots"], drawn["shots"])
        method = f"{drawn['method']} {shots}"
        key = (result.given, result.dataset, result.model, method, result.precision, result.prompts)
        seed = int(drawn["seed"])
        draws[key] = draws.get(key, 0) + 1
        if key not in first or seed < first[key][0]:
            first[key] = seed, replace(result, method=method)
    most = max(draws.values(), default=1)
    if most > 1:
        seeds = " and ".join(sorted({str(seed) for seed, _ in first.values()}, key=int))
        remarks.append(
            f"Of up to {most} draws of the shots, the one with seed {seeds} stands for each method; other draws would "
            "give others, which the curves of `wordsight eval fewshot` show."
        )
    return kept + [result for _, result in first.values()]


def _take_common_methods(results: list[Result], folders: set[str], remarks: list[str]) -> list[Result]:
    """Results by methods that all datasets have, as far as two are left: without, there would be no mean over them."""
    datasets = {result.dataset for result in results}
    if len(datasets) < 2:
        return results
    held: dict[str, set[str]] = {}
    for result in results:
        held.setdefault(result.method, set()).add(result.dataset)
    rare = [name for name, sets in held.items() if len(sets) < len(datasets)]
    kept = [each for each in results if each.method not in rare or each.given not in folders]
    if not rare or len({(each.model, each.method) for each in kept}) < 2:
        return results
    remarks.append(f"Not on all {len(datasets)} datasets, so left out: {', '.join(sorted(rare))}.")
    return kept
