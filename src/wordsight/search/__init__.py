"""Find pictures by words, by example, and by both: `Gallery`."""
