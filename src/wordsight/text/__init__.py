"""Words of texts and queries: one analysis for the index, for matching, for judging and for highlighting."""
