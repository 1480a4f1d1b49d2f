"""From what a user names (folders, tables, PDF, tars, data sets) to items: pictures that can be read one by one."""

from wordsight.ingest.items import Content, Item, Unit

__all__ = ["Content", "Item", "Unit"]
