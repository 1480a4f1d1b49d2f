"""Colours of charts, and the SVG of a drawn one made fit for a page: small, without fixed size, light and dark."""

from __future__ import annotations

import html
import re

# Colours as drawn, on white, and the custom properties of the page that replace them; also the dark ones.
TEXT, FAINT, GRID, GROUND = "#1d2127", "#5c6470", "#dadfe6", "#fefefe"
SERIES = ("#2f6fde", "#d0690f", "#20895a", "#8450c4", "#c43a48", "#6d7580")
DARK_SERIES = ("#6ea0ff", "#f29a4b", "#4cc38a", "#b48cf0", "#f07682", "#a3acb8")
_PROPERTIES = {TEXT: "text", FAINT: "faint", GRID: "track", GROUND: "tile"} | {
    colour: f"series{place}" for place, colour in enumerate(SERIES)
}

STYLE = (
    ":root{"
    + ";".join(f"--series{i}:{colour}" for i, colour in enumerate(SERIES))
    + "}\n@media (prefers-color-scheme: dark){:root{"
    + ";".join(f"--series{i}:{colour}" for i, colour in enumerate(DARK_SERIES))
    + "}}\n"
)

MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 1)))

RC = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": TEXT,
    "text.parse_math": False,
    "axes.labelcolor": FAINT,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "wordsight",
    "path.simplify": True,
}

_LABEL = 34  # characters of a name beside an axis


def clean_label(text: str, longest: int = _LABEL) -> str:
    """A name as a label of one line: white space single, control characters and halves of characters left out."""
    line = " ".join("".join(char for char in text if char.isprintable() or char.isspace()).split())
    if len(line) > longest:
        line = f"{line[: longest - 1].rstrip()}…"
    return line


def page_svg(drawn: str, caption: str) -> str:
    """An <svg> element for a page, of the SVG file that matplotlib wrote.

    It fills the width it is given, takes its colours from the page, and says its caption to those who do not see it.
    """
    start = drawn.index("<svg")
    body = drawn[start:]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*">', "<g>", body)
    box = re.search(r'viewBox="([^"]*)"', body)
    assert box is not None, "matplotlib writes a viewBox"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box[1]}" '
        f'role="img" aria-label="{html.escape(caption)}">'
    )
    body = head + body[body.index(">") + 1 :]
    for colour, name in _PROPERTIES.items():
        body = body.replace(colour, f"var(--{name},{colour})")
    body = body.replace("'DejaVu Sans'", "system-ui,'DejaVu Sans'")
    return re.sub(r">\s+<", "><", body).strip()
