"""Checkpoints: find them by name, fetch, read and write them, in any layout."""
