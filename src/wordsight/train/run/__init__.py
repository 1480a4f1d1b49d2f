"""A run's folder: its lock, checkpoints, state, signals and finished model."""
