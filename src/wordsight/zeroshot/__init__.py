"""Zero-shot classification: classes are words, the classifier is their embeddings (Radford et al. 2021, §3.1)."""
