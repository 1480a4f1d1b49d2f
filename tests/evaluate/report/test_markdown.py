"""Reports as Markdown: tables, charts beside, no image of the dataset."""

from __future__ import annotations

import json

from wordsight.evaluate.report.markdown import write_markdown
from wordsight.evaluate.report.row_charts import bar_chart
from wordsight.evaluate.report.sections import ImageTiles, Report, Section, Table


def make_report():
    chart = bar_chart(["cat", "dog"], [0.5, 1.0], caption="Recall")
    tiles = ImageTiles([("photos/a*b.jpg", "“cat” 90 %")], "Errors")
    table = Table(["class", "recall"], [["a|b <script>", "50.0 %"], ["dog", "100.0 %"]], "By class")
    sections = [
        Section("Accuracy", "Half of them.", [table, chart]),
        Section("Errors", parts=[tiles]),
        Section("Empty"),
    ]
    return Report(
        "Set_1", "Right for 75 %.", "wordsight eval zeroshot photos/", sections, {"acc1": 0.75, "gap": float("nan")}
    )


def test_tables_charts_and_names_of_images_are_written(tmp_path):
    figures = write_markdown(tmp_path / "out.md", make_report())
    text = (tmp_path / "out.md").read_text(encoding="utf-8")
    assert text.startswith("# Set\\_1\n\n```shell\nwordsight eval zeroshot photos/\n```\n\nRight for 75 %.")
    assert "| class | recall |\n| --- | ---: |\n| a\\|b \\<script> | 50.0 % |" in text
    assert "![Recall](out-1.png)" in text
    assert "- “cat” 90 % – a\\*b.jpg" in text
    assert "Empty" not in text
    assert (tmp_path / "out-1.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(figures.read_text()) == {"acc1": 0.75, "gap": None}
