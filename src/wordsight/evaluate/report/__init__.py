"""Report of an evaluation: sections of words, tables, charts and images, on one self-contained page."""
