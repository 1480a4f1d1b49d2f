"""Comparison of models by their predictions: is a difference real, and how many images would show it?"""
