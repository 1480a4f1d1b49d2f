"""Charts as a page and a file hold them: SVG without script, in the page's colours, with the caption for all."""

import re
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from wordsight.errors import InputError, MissingExtraError
from wordsight.evaluate.report.line_charts import Series, line_chart
from wordsight.evaluate.report.matrix_charts import heat_map
from wordsight.evaluate.report.row_charts import bar_chart, interval_chart
from wordsight.evaluate.report.scatter_charts import Point, _spread_labels, scatter_chart
from wordsight.metrics import Estimate

HOSTILE = "$\\frac{1}$ <script>&\ud800\x1b\n猫"


def draw_all():
    shots = [Series("probe", [0.2, 0.5, 0.7], [0.1, 0.4, 0.6], [0.3, 0.6, 0.8]), Series(HOSTILE, [0.3, 0.4, np.nan])]
    return {
        "line": line_chart(shots, ["1", "2", "4"], baselines={"zero-shot": 0.45}, caption="Accuracy by shots"),
        "bar": bar_chart(["up", HOSTILE], [0.5, -0.2], lows=[0.4, -0.3], highs=[0.6, -0.1], baseline=0.1, caption="b"),
        "interval": interval_chart({"counting": Estimate(0.5, 0.4, 0.6, 9)}, chance={"counting": 0.5}, caption="i"),
        "heat": heat_map([[3, 1], [0, 4]], ["a", HOSTILE], ["a", "b"], caption='"c" & <d>'),
        "scatter": scatter_chart([Point("m", 10, 0.5), Point("n", 99, 0.6, 0.5, 0.7)], front=["m"], caption="s",
                                 log_x=True),
    }  # fmt: skip


@pytest.fixture(scope="module")
def charts():
    return draw_all()


@pytest.mark.parametrize("kind", ["line", "bar", "interval", "heat", "scatter"])
def test_an_svg_is_small_well_formed_and_inert(charts, kind):
    svg = charts[kind].to_svg()
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == charts[kind].caption
    assert root.get("width") is None, "the page decides the width"
    assert "<script" not in svg
    assert "http" not in re.sub(r'xmlns(:xlink)?="[^"]*"', "", svg)
    assert len(svg) < 60_000


def test_names_are_text_that_can_be_searched_and_not_formulas(charts):
    text = "".join(ElementTree.fromstring(charts["bar"].to_svg()).itertext())
    assert "$\\frac{1}$ <script>& 猫" in text


def test_values_are_written_in_percent(charts):
    assert {"50.0", "-20.0"} <= set(ElementTree.fromstring(charts["bar"].to_svg()).itertext())


def test_colours_come_from_the_page_or_else_are_those_of_a_white_ground(charts):
    svg = charts["line"].to_svg()
    assert "var(--series0,#2f6fde)" in svg
    assert "var(--text,#1d2127)" in svg


def test_the_same_figures_give_the_same_svg(charts):
    assert charts["heat"].to_svg() == charts["heat"].to_svg() == draw_all()["heat"].to_svg()


def test_a_png_is_on_white_and_wide_enough(charts, tmp_path):
    charts["scatter"].write_png(tmp_path / "pick.png")
    with Image.open(tmp_path / "pick.png") as image:
        assert image.width == 1040
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_settings_of_the_user_do_not_reach_a_chart():
    matplotlib = pytest.importorskip("matplotlib")
    usual = bar_chart(["a"], [0.5], caption="a").to_svg()
    with matplotlib.rc_context({"axes.linewidth": 9, "font.size": 30, "lines.linewidth": 9}):
        assert bar_chart(["a"], [0.5], caption="a").to_svg() == usual
        assert matplotlib.rcParams["lines.linewidth"] == 9


def test_figures_that_do_not_fit_together_are_refused():
    with pytest.raises(InputError, match=r"'probe' has 2 values for 3 places of the chart; expected one for each"):
        line_chart([Series("probe", [0.1, 0.2])], ["1", "2", "4"], caption="c")
    with pytest.raises(InputError, match=r"The matrix is \(1, 2\) but has 2 row and 2 column names"):
        heat_map([[1, 2]], ["a", "b"], ["a", "b"], caption="c")
    with pytest.raises(InputError, match="The front names 'x', but the points are m"):
        scatter_chart([Point("m", 1, 0.5)], front=["x"], caption="c")


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"Drawing charts needs the package 'matplotlib'.*wordsight\[eval\]"):
        bar_chart(["a"], [1.0], caption="c").to_svg()


def test_labels_of_points_that_lie_close_do_not_cover_each_other():
    points = [Point("a model", 1.0, 0.6), Point("another model", 1.01, 0.601), Point("far away", 9.0, 0.2)]
    heights = _spread_labels(points, log_x=False)
    assert heights[0] == heights[2] == 5
    assert abs(heights[1] - heights[0]) >= 11
    assert _spread_labels([], log_x=True) == []
