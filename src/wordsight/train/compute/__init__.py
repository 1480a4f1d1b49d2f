"""Hardware and arithmetic of a run: processes, sharding, precision, random state."""
