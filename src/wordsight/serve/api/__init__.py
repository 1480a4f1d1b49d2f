"""Routes for programs: OpenAI's embeddings, classification, ranking, search, items."""
