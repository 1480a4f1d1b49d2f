"""Tests of what not to trust in a model, on images that are drawn here: counts, positions, negation, languages, …"""
