"""Classifiers of images with scikit-learn's interface, for pipelines and cross-validation; they run without it."""
