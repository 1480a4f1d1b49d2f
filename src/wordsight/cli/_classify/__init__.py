"""Pieces of `wordsight classify`: its inputs, its answers as text, JSON, CSV or contact sheet, sorting into folders."""
