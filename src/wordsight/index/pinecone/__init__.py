"""An index in Pinecone."""
