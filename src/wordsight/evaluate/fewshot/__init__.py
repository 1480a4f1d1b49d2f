"""Few-shot classification: classifiers of image features, learnt from a few labelled images of each class."""
