"""What a run computes on: processes, sharding, precision, random state."""
