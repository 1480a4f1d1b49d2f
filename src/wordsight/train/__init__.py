"""Training: two towers from scratch, fine-tuning, and the baselines that they are compared with. Needs torch."""
