"""From files, bytes and arrays to RGB images, and from these to the model's square of pixels."""
