"""Picking of a model and a precision: quality, speed and memory on this machine and these images."""
