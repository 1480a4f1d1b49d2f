"""Pieces of `wordsight duplicates`: calibration, groups as text, plain paths and contact sheet."""
