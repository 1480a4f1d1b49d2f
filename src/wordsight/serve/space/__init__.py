"""A Hugging Face Space of galleries: a folder that holds all it needs, and the application that runs there."""
