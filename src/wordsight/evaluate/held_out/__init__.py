"""Zero-shot accuracy on held-out images during training: networks as they are, several at once, pixels kept."""
