"""`wordsight serve`: a page, an API and tools for agents over galleries."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wordsight.cli._messages import say
from wordsight.cli._options import SpreadCommand, backend_options
from wordsight.cli._serve.galleries import read_galleries
from wordsight.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from wordsight.serve.settings import Settings

EPILOG = """\b
Examples:
  wordsight serve --gallery photos/ --open           index a folder, then open the page in the browser
  wordsight serve                                    your personal index, on http://127.0.0.1:7860
  wordsight serve --gallery shop manuals=pdf-index   two indexes, the second under a name of its own
  wordsight serve --api-only --model ViT-B-32/openai embeddings alone, without Gradio
  wordsight serve --host 0.0.0.0 --token-file token --allowed-host photos.example.org

Images that are not an index are indexed first, into your data folder; the next time only what changed. Only this
machine can connect, unless --host says so, and then only with the token. Nothing can be changed and nothing is fetched:
--allow-add, --sort-folder, --allow-urls and --allow-sql each permit one thing.

\b
Exit codes: 0 stopped by Ctrl-C or SIGTERM, after answering what was accepted; 2 the command or an input is wrong.
"""

TOKEN = "WORDSIGHT_TOKEN"
# options that go into the settings under their own names
_SETTINGS = ("model", "host", "port", "public", "allowed_hosts", "allowed_frames", "mcp", "allow_add", "allow_sql",
             "allow_urls", "sort_folder", "unload_after", "backend", "precision")  # fmt: skip


class ServeCommand(SpreadCommand):
    """`--gallery` takes all values up to the next option."""

    spread_option = "--gallery"


@click.command(cls=ServeCommand, epilog=EPILOG)
@click.option("--gallery", "galleries", multiple=True, metavar="DIR...", help="Indexes to serve, or images to index: "
              "folders, tables, PDF files; NAME=DIR names one (default: your personal index).")  # fmt: skip
@click.option("--model", default="mini", show_default=True, help="Model of new indexes, and of a server without "
              "galleries.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; one beyond this machine "
              "needs a token.")  # fmt: skip
@click.option("--port", default=7860, show_default=True, help="Port; 0: any free one.")
@click.option("--token-file", type=click.Path(path_type=Path), metavar="FILE", help="File with the token that clients "
              f"need (default: ${TOKEN}).")  # fmt: skip
@click.option("--public", is_flag=True, help="Let anyone connect without a token, to a read-only server.")
@click.option("--allowed-host", "allowed_hosts", multiple=True, metavar="NAME", help="Host name by which clients may "
              "call this server; repeatable.")  # fmt: skip
@click.option("--allowed-frame", "allowed_frames", multiple=True, metavar="ORIGIN", help="Site that may show the page "
              "in a frame, as https://example.org; repeatable.")  # fmt: skip
@click.option("--api-only", is_flag=True, help="No page; Gradio is not needed.")
@click.option("--mcp", is_flag=True, help="Tools for agents at /mcp.")
@click.option("--allow-add", is_flag=True, help="Allow adding and removing images.")
@click.option("--allow-urls", is_flag=True, help="Fetch images that requests name by URL.")
@click.option("--allow-sql", is_flag=True, help="Allow raw SQL conditions in searches.")
@click.option("--sort-folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="FOLDER",
              help="Folder whose images the page may move into classes.")  # fmt: skip
@click.option("--unload-after", type=float, metavar="SECONDS", help="Release a model that was not used for so long.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in the browser.")
@backend_options
def command(**options: Any) -> None:
    """Serve a page, an API and tools for agents over galleries."""
    try:
        from wordsight.serve.run import run
    except ModuleNotFoundError as error:
        raise MissingExtraError("wordsight serve", error.name or "fastapi", "page") from None

    def announce(url: str) -> None:
        say(f"serving on {url} (API: {url}/docs); Ctrl-C stops")
        if options["open_page"]:
            click.launch(url)

    run(_read_settings(options), announce)


def _read_settings(options: dict[str, Any]) -> Settings:
    from wordsight.serve.settings import Settings

    settings = Settings(
        token=_read_token(options["token_file"]),
        page=not options["api_only"],
        **{name: options[name] for name in _SETTINGS},
    )
    galleries = read_galleries(options["galleries"], settings.model)  # last: indexing may take long
    return settings.with_galleries(galleries)


def _read_token(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(TOKEN) or None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The token file {str(file)!r} cannot be read: {error}.") from error
