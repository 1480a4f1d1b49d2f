"""Zero-shot classification of labelled sets: predictions, what they say, and the report of it."""
