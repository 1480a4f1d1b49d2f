"""Pieces of `wordsight search`: the query on the command line, results as table, JSON, paths or contact sheet.

None imports rich, which takes a tenth of the time that a search may take.
"""
