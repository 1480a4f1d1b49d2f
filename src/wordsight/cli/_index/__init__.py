"""Pieces of `wordsight index`: the progress bar, the summary of a run, the status of an index."""
