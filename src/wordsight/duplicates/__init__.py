"""Near duplicates: copies of an image in groups, the original first."""
