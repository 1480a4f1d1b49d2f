"""From what a user names (folders, tables, PDF, tars, data sets) to items: pictures that can be read one by one."""

from wordsight.ingest.items import Content, Item, Unit, Unlisted
from wordsight.ingest.options import IngestOptions
from wordsight.ingest.scan import scan, source_root

__all__ = ["Content", "IngestOptions", "Item", "Unit", "Unlisted", "scan", "source_root"]
