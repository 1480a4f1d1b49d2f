"""An index in the Lance format: a folder or a place in an object store."""
