"""From what a user names (folders, tables, PDF, tars, datasets) to items: images that can be read one by one."""

from wordsight.ingest.items import Content, Item, Unit, Unlisted
from wordsight.ingest.options import IngestOptions

__all__ = ["Content", "IngestOptions", "Item", "Unit", "Unlisted"]
