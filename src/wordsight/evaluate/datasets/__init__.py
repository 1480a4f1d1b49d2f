"""Labelled sets of images: what one is, and the loaders of each form they come in (`opening.open_set`)."""
