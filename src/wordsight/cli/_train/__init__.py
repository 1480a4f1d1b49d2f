"""Pieces of `wordsight train`: the progress of a run, and its results."""
