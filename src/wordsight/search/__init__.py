"""Find images by words, by example, and by both: `Gallery`."""
