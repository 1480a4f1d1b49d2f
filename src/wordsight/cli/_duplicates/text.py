"""Groups of duplicates as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wordsight.cli._duplicates.rows import display_name, role, size_text
from wordsight.cli._messages import plural

if TYPE_CHECKING:
    from wordsight.duplicates.groups import Group


def as_text(groups: Sequence[Group]) -> list[str]:
    """Lines of the groups that hold copies: the image to keep and the reason, then its copies, size, bytes, cosine."""
    from wordsight.duplicates.physical_files import freed_bytes

    lines: list[str] = []
    groups = [group for group in groups if group.copies]
    for number, group in enumerate(groups, 1):
        heading = f"{number}. {len(group.rows)} images"
        if group.exact:
            heading += ", all with identical content"
        if group.because:
            heading += f"; the first is kept because {group.because}"
        lines.append(heading)
        for row, cosine in zip(group.rows, group.cosines, strict=True):
            size = f"{row.width}×{row.height}"
            lines.append(f"   {role(group, row, cosine):5}  {size:>11}  {size_text(row.size):>8}  {display_name(row)}")
        lines.append("")
    if groups:
        copies = [row for group in groups for row in group.copies]
        n, freed = len(copies), size_text(sum(map(freed_bytes, copies)))
        deleting = f"deleting {n} {plural(n, 'copy', 'copies')} frees {freed}."
        lines.append(f"{len(groups)} {plural(len(groups), 'group')}; {deleting}")
    return lines
