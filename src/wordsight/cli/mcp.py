"""`wordsight mcp`: tools for an agent on standard input and output."""

from __future__ import annotations

from typing import Any

import click

from wordsight.cli._options import SpreadCommand, backend_options
from wordsight.errors import MissingExtraError

EPILOG = """\b
Examples:
  wordsight mcp                                   your personal index
  wordsight mcp --gallery shop manuals=pdf-index  two indexes
  wordsight mcp --gallery photos/                 index a folder first, then serve it

An agent starts this by itself, once told how; for most, in a file of settings:

\b
  {"mcpServers": {"images": {"command": "wordsight", "args": ["mcp", "--gallery", "/home/me/photos-index"]}}}

Tools: search_images, show_images, get_image, list_facets, classify_images, describe_gallery. None of them changes
anything. Over HTTP, for agents on other machines: wordsight serve --mcp
"""


class McpCommand(SpreadCommand):
    """`--gallery` takes all values up to the next option."""

    spread_option = "--gallery"


@click.command(cls=McpCommand, epilog=EPILOG)
@click.option("--gallery", "galleries", multiple=True, metavar="DIR...", help="Indexes to serve, or images to index: "
              "folders, tables, PDF files; NAME=DIR names one (default: your personal index).")  # fmt: skip
@click.option("--model", default="mini", show_default=True, help="Model of new indexes, and of a server without "
              "galleries.")  # fmt: skip
@backend_options
def command(galleries: tuple[str, ...], **options: Any) -> None:
    """Give an agent tools to search your images (MCP, standard input and output)."""
    try:
        from wordsight.serve.mcp.stdio import divert_stdout, run
    except ModuleNotFoundError as error:
        raise MissingExtraError("wordsight mcp", error.name or "mcp", "mcp") from None
    from wordsight.cli._serve.galleries import read_galleries
    from wordsight.serve.settings import Settings

    settings = Settings(page=False, **options)
    with divert_stdout():
        settings = settings.with_galleries(read_galleries(galleries, settings.model))
    run(settings)
