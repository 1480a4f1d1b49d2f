"""CLIP's networks in torch: for training, and for GPUs. Only `nn`, `train` and `encoder.torch` may import torch."""
