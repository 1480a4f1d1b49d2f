"""Pieces of the commands that serve: their galleries, the token, the line that says where."""
