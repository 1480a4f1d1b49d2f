"""Every item of some sources, as one list."""

from wordsight.ingest import IngestOptions, Unit
from wordsight.ingest.scan import scan


def items_of(*sources, **options):
    """All items and skips of the sources."""
    found = []
    for unit in scan(sources, IngestOptions(**options)):
        found += unit.items() if isinstance(unit, Unit) else [unit]
    return found
