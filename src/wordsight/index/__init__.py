"""Where vectors, metadata and texts are kept: one `Index` class, and a store behind it (Lance, Qdrant, Pinecone)."""

from wordsight.index.rows import About, Index, Match, Row, Stamp

__all__ = ["About", "Index", "Match", "Row", "Stamp"]
