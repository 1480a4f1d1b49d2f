"""Quality of a labelled set: labels that are likely wrong, and images that a model has been trained on."""
