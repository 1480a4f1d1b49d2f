"""Report on retrieval: both directions, both recalls, what models differ by, and the captions that fail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wordsight.evaluate.report.names import name_briefly
from wordsight.evaluate.report.sections import Chart, ImageTiles, Report, Section, Table
from wordsight.evaluate.report.words import describe_gain, format_gain, percent
from wordsight.evaluate.retrieval.measure import Direction, Retrieval, compare_recall

_ALIKE = 0.1  # share of first hits of a random ranking, above which captions do not tell images apart
_DIRECTIONS = {"text_to_image": "text → image", "image_to_text": "image → text"}


def build_report(results: Sequence[Retrieval], command: str, *, charts: Sequence[Chart] = (), seed: int = 0) -> Report:
    """Report on one set by one model or more; differences are to the first. charts: as `draw_charts` makes them."""
    figures: dict[str, Any] = {"results": [result.to_dict() for result in results]}
    results = name_briefly(results)
    data = results[0].data
    sections = [
        Section("Recall", _explain(results[0]), [*(_recall_table(results, name) for name in _DIRECTIONS), *charts]),
        *([_differences(results, seed)] if len(results) > 1 else []),
        *(_failures(result) for result in results if result.failures),
    ]
    if data.left_out:
        sections.append(Section("Left out", "\n".join(data.left_out)))
    return Report(f"Retrieval on {data.name}", _answer(results), command, sections, figures)


def draw_charts(results: Sequence[Retrieval]) -> list[Chart]:
    """Hit recall at k of each model, a chart for each direction. Raises: MissingExtraError without matplotlib."""
    from wordsight.evaluate.report.line_charts import Series, line_chart

    charts: list[Chart] = []
    results = name_briefly(results)
    for name, words in _DIRECTIONS.items():
        directions = {result.model: getattr(result, name) for result in results}
        ks = list(getattr(results[0], name).hit)
        series = [
            Series.from_estimates(model, [direction.hit[k] for k in ks]) for model, direction in directions.items()
        ]
        chance = getattr(results[0], name).chance
        series.append(Series("random ranking", [chance[k] for k in ks]))
        caption = f"Hit recall at k, {words}, with 95 % intervals over images"
        charts.append(line_chart(series, [str(k) for k in ks], caption=caption, x_title="k", y_title="hit recall"))
    return charts


def _answer(results: Sequence[Retrieval]) -> str:
    first = results[0]
    there, back = first.text_to_image, first.image_to_text
    ks = list(there.hit)
    low, high = ks[0], ks[-1]
    text = (
        f"{first.model} puts a caption's image {_among(low)} for {there.hit[low]:.1%} of the captions and "
        f"{_among(high)} for {there.hit[high]:.1%}, of {there.gallery:,} images of {first.data.name}; a caption of an "
        f"image is {_among(low)} for {back.hit[low]:.1%} of the images."
    )
    if there.chance[low] > _ALIKE:
        random = percent(there.chance[low])
        text += f" Most images share their captions, so this tells little: a random ranking reaches {random}."
    for other in results[1:]:
        gain = compare_recall(first, other, high).widen(len(results) - 1)
        text += f" {describe_gain(gain, other.model, first.model, f'at k = {high}')}."
    if len(results) > 2:
        text += f" These intervals hold for all {len(results) - 1} comparisons at once."
    return text


def _among(k: int) -> str:
    return "first" if k == 1 else f"among the first {k}"


def _explain(result: Retrieval) -> str:
    text = (
        "Hit recall@k: share of queries with any answer among the first k, called recall@k in papers on CLIP. True "
        "recall@k: mean share of a query's answers among the first k, which cannot be above 20 % at k = 1 where an "
        "image has 5 captions. In brackets: 95 % intervals, which count images, not captions."
    )
    if result.shared:
        own = ", ".join(f"{name} {percent(value)}" for name, value in result.published.items())
        text += (
            f"\nCaptions that several images have: {result.shared:,}. Each of these images counts as an answer to it. "
            f"By CLIP_benchmark's count only a caption's own image is one: {own}."
        )
    return text


def _recall_table(results: Sequence[Retrieval], name: str) -> Table:
    ks = list(results[0].text_to_image.hit)
    rows: list[list[str]] = []
    for result in results:
        direction: Direction = getattr(result, name)
        rows.append([result.model, "hit", *(f"{direction.hit[k]:.1%}" for k in ks), _rank(direction)])
        if any(len(own) > 1 for own in direction.ranks.answers):
            rows.append([result.model, "true", *(f"{direction.true[k]:.1%}" for k in ks), "–"])
    shown: Direction = getattr(results[0], name)
    rows.append(["random ranking", "hit", *(percent(shown.chance[k]) for k in ks), "–"])
    caption = f"{_DIRECTIONS[name]}, {len(shown.image_Q):,} queries, gallery of {shown.gallery:,}"
    return Table(["model", "recall", *(f"@{k}" for k in ks), "median rank"], rows, caption)


def _rank(direction: Direction) -> str:
    return f"{direction.median_rank:.0f}"


def _differences(results: Sequence[Retrieval], seed: int) -> Section:
    first = results[0]
    ks = list(first.text_to_image.hit)
    rows = []
    for name, words in _DIRECTIONS.items():
        for other in results[1:]:
            gains = [compare_recall(first, other, k, direction=name, seed=seed) for k in ks]
            rows.append([words, other.model, *map(format_gain, gains)])
    table = Table(["direction", "model", *(f"@{k}" for k in ks)], rows)
    text = f"Points of hit recall by which each model is above {first.model}, on the same images, resampled together. "
    text += "Each interval is for itself, not for all of them at once."
    return Section("Gains", text, [table])


def _failures(result: Retrieval) -> Section:
    tiles = []
    for failure in result.failures:
        tiles.append((result.data.images[failure.place], f"rank {failure.rank + 1:,}: “{failure.text}”"))
        tiles.append((result.data.images[failure.first], "found first for these words"))
    caption = "Captions whose image comes last, each beside the image that comes first"
    return Section(f"Failures of {result.model}", "", [ImageTiles(tiles, caption)])
