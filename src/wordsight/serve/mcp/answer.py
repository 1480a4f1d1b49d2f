"""Answers of tools: text that is enough by itself, the same as data, and images."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from mcp import types
from pydantic import BaseModel


@dataclass(frozen=True, eq=False)
class Answer:
    """What a tool answers. text: usable without the rest. data: the same for programs. image: a JPEG file."""

    text: str
    data: BaseModel
    image: bytes = b""

    def to_result(self) -> types.CallToolResult:
        """The answer as the protocol has it: the image first, so that the text explains what was seen."""
        content: list[Any] = [types.TextContent(type="text", text=self.text)]
        if self.image:
            data = base64.b64encode(self.image).decode()
            content.insert(0, types.ImageContent(type="image", data=data, mime_type="image/jpeg"))
        return types.CallToolResult(content=content, structured_content=self.data.model_dump(mode="json"))


def error_result(message: str) -> types.CallToolResult:
    """An error that the agent reads and can act on."""
    return types.CallToolResult(content=[types.TextContent(type="text", text=message)], is_error=True)
