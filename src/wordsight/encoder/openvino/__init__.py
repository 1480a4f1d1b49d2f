"""The OpenVINO backend: graphs built from a checkpoint's tensors, without torch or ONNX."""
