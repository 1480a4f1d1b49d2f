"""Fine-tuning of a finished model, and what is kept of what it knew."""
