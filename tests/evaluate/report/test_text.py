"""A report on a terminal: the answer first, tables aligned and no wider than the window."""

from pathlib import Path

from wordsight.evaluate.report.sections import ImageTiles, Report, Section, Table
from wordsight.evaluate.report.text import ROWS_SHOWN, TILES_SHOWN, render_table, render_text
from wordsight.output.text_width import text_width


def test_a_report_reads_from_the_answer_to_the_tables():
    sections = [Section("By class", "Recall of each.", [Table(["class", "recall"], [["cat", "71 %"], ["dog", "9 %"]])])]
    assert render_text(Report("Title", "It is 71 %.", "wordsight eval", sections)) == (
        "It is 71 %.\n\nBy class\n--------\nRecall of each.\n\nclass  recall\ncat      71 %\ndog       9 %"
    )


def test_figures_stand_to_the_right_and_words_to_the_left():
    table = Table(["name", "gain", "said"], [["a", "+1.5", "yes"], ["bbbb", "−12.0", "no"], ["c", "", "-"]])
    assert render_table(table).splitlines() == [
        "name   gain  said",
        "a      +1.5  yes",
        "bbbb  −12.0  no",
        "c            -",
    ]


def test_a_wide_table_loses_the_middle_of_words_but_no_figure():
    rows = [["a very long name of a dataset " * 3, "71.2 % [68.0, 74.1]", "多" * 60]]
    lines = render_table(Table(["dataset", "top-1", "said"], rows), width=70).splitlines()
    assert all(text_width(line) <= 70 for line in lines)
    assert "71.2 % [68.0, 74.1]" in lines[1]
    assert "…" in lines[1]


def test_what_is_left_out_is_counted():
    rows = [[str(n)] for n in range(ROWS_SHOWN + 3)]
    tiles = ImageTiles([(Path(f"{n}.jpg"), "said dog") for n in range(TILES_SHOWN + 2)], "Errors")
    text = render_text(Report("", "", "", [Section("", "", [Table(["n"], rows), tiles])]))
    assert "… and 3 more rows (--report, --json)" in text
    assert "… and 2 more (--report)" in text
    assert "  said dog  0.jpg" in text


def test_a_section_of_charts_only_is_left_to_the_page():
    assert render_text(Report("", "Yes.", "", [Section("Charts", parts=[object()])])) == "Yes."
