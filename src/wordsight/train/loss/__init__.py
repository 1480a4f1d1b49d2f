"""The contrastive losses, and how they stay exact on many processes and in little memory."""
