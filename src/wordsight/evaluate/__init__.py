"""Evaluation of models on labelled images: zero-shot accuracy and retrieval, each figure with its interval."""
