"""Options for reading sources of pairs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PairOptions:
    """How sources of pairs are read.

    image_column, text_columns: of tables and datasets; None: found by name. texts: whether captions are needed.
    setting: how messages name a setting; "data.{}" names data.text_columns.
    """

    image_column: str | None = None
    text_columns: tuple[str, ...] | None = None
    texts: bool = True
    setting: str = "{}"

    def name_setting(self, field: str) -> str:
        """Name of a setting, as the user writes it."""
        return self.setting.format(field)
