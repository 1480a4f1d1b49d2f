"""`wordsight serve`: a page, an API and tools for agents over galleries."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from wordsight.cli._messages import say
from wordsight.cli._options import backend_options
from wordsight.errors import InputError, MissingExtraError

EPILOG = """\b
Examples:
  wordsight serve                                    (your personal index, on http://127.0.0.1:7860)
  wordsight serve --gallery shop --gallery manuals
  wordsight serve --api-only --model ViT-B-32/openai
  WORDSIGHT_TOKEN=… wordsight serve --host 0.0.0.0 --allowed-host photos.example.org

Nothing but this machine can connect unless --host says so, and then only with the token. The server reads and changes
nothing: --allow-add, --sort-folder, --allow-sql and --allow-urls each permit one more thing.
"""

TOKEN = "WORDSIGHT_TOKEN"


@click.command(epilog=EPILOG)
@click.option("--gallery", "galleries", multiple=True, metavar="INDEX", help="Index to serve, as INDEX or NAME=INDEX; "
              "repeatable (default: your personal index, if there is one).")  # fmt: skip
@click.option("--model", default="mini", show_default=True, help="Model for /v1/embeddings and sorting where there is "
              "no gallery.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; another than this "
              "machine's needs a token.")  # fmt: skip
@click.option("--port", default=7860, show_default=True, help="Port; 0 for any free one.")
@click.option("--token-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help=f"File that holds the token (default: ${TOKEN}).")  # fmt: skip
@click.option("--allowed-host", "allowed_hosts", multiple=True, metavar="NAME", help="Host name that clients may use.")
@click.option("--allowed-frame", "allowed_frames", multiple=True, metavar="ORIGIN", help="Site that may show "
              "the page in a frame, as https://example.org.")  # fmt: skip
@click.option("--api-only", is_flag=True, help="Without the page, which needs [page].")
@click.option("--mcp", is_flag=True, help="With tools for agents at /mcp.")
@click.option("--allow-add", is_flag=True, help="Allow images to be added and removed.")
@click.option("--allow-sql", is_flag=True, help="Allow raw SQL conditions in searches.")
@click.option("--allow-urls", is_flag=True, help="Allow images by URL; the server fetches them.")
@click.option("--sort-folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="FOLDER",
              help="Folder in which the page may move images into classes.")  # fmt: skip
@click.option("--unload-after", type=float, metavar="SECONDS", help="Release models that were not used for so long.")
@backend_options
def command(**options: Any) -> None:
    """Serve a page, an API and tools for agents over galleries."""
    try:
        from wordsight.serve.run import run
    except ImportError as error:
        raise MissingExtraError("wordsight serve", error.name or "fastapi", "page") from None
    run(_read_settings(options))


def _read_settings(options: dict[str, Any]) -> Any:
    from wordsight.serve.settings import Settings

    return Settings(
        galleries=_read_galleries(options["galleries"]),
        token=_read_token(options["token_file"]),
        page=not options["api_only"],
        **{name: options[name] for name in ("model", "host", "port", "allowed_hosts", "allowed_frames", "mcp", "allow_add",
                                            "allow_sql", "allow_urls", "sort_folder", "unload_after", "backend",
                                            "precision")},
    )  # fmt: skip


def _read_galleries(given: tuple[str, ...]) -> dict[str, str]:
    """Name → location; without any, the personal index if it is there."""
    from wordsight.index import resolve_location

    if not given:
        place = resolve_location(None)
        if os.path.isdir(place):
            return {"personal": place}
        say("there is no index yet, so there is nothing to find; make one with: wordsight index FOLDER")
        return {}
    galleries: dict[str, str] = {}
    for one in given:
        name, separator, place = one.partition("=")
        if not separator or os.sep in name:
            name, place = os.path.basename(os.path.normpath(one)), one
        if name in galleries:
            raise InputError(f"Two galleries are named {name!r}; name them apart: --gallery NAME=INDEX")
        galleries[name] = resolve_location(place)
    return galleries


def _read_token(file: Path | None) -> str | None:
    if file is not None:
        return file.read_text(encoding="utf-8").strip()
    return os.environ.get(TOKEN) or None
