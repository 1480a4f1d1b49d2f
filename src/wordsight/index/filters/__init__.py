"""`where`, an SQL condition, for stores with filters of their own: parsed once, translated for each."""
