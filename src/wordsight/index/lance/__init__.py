"""An index in the Lance format: a folder or a place in an object store."""

ITEMS = "items.lance"  # in the folder: Lance's dataset, of the rows
