"""Joining the requests of many clients into batches of the encoder."""
