"""How a server is set up: addresses, what it serves, what it allows, its limits."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wordsight.errors import InputError

PORT = 7860  # Gradio's own, which Spaces expect
LEAST_TOKEN = 16  # characters


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits that hold for every client.

    body_bytes: of a whole request, uploads excepted; upload_bytes: of a whole upload; file_bytes: of one file in it;
    files: of an upload, or of an archive in it.
    pixels: of one image, read from its header. texts, images: of one request. text_characters: of one text.
    classes: of one classification. decode_seconds: for one image. queued: inputs that wait for the encoder.
    """

    body_bytes: int = 32 << 20
    upload_bytes: int = 256 << 20
    file_bytes: int = 64 << 20
    files: int = 1000
    pixels: int = 100_000_000
    texts: int = 2048  # as OpenAI's API
    images: int = 512
    text_characters: int = 100_000
    classes: int = 10_000
    decode_seconds: float = 20.0
    queued: int = 4096


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a server is set up.

    galleries: name → location of an index; the first is the one that is meant where none is named.
    model: of a server without galleries, and one that requests may name beside the galleries'.
    host, port: the address it listens on; one beyond this machine needs a token.
    token: what clients prove themselves with: "Authorization: Bearer TOKEN", or a cookie after signing in on the page.
    public: anyone may connect from anywhere without a token; the server is then read-only and fetches nothing.
    allowed_hosts: values of the Host header beside those of the address itself.
    allowed_frames: origins of other sites that may show the page in a frame ("https://huggingface.co").
    page, mcp: whether there is a page at / and an MCP endpoint at /mcp.
    allow_add: images may be added and removed. allow_sql: searches may carry a raw SQL condition.
    allow_urls: the server fetches images by URL. sort_folder: the folder in which the page may move images.
    unload_after: seconds without a request after which a model leaves the memory; None: never.
    Raises: InputError for an address beyond this machine without a token, and values that cannot be used.
    """

    galleries: Mapping[str, str] = field(default_factory=dict)
    model: str = "mini"
    backend: str = "auto"
    precision: str = "auto"
    host: str = "127.0.0.1"
    port: int = PORT
    token: str | None = field(default=None, repr=False)
    public: bool = False
    allowed_hosts: tuple[str, ...] = ()
    allowed_frames: tuple[str, ...] = ()
    page: bool = True
    mcp: bool = False
    allow_add: bool = False
    allow_sql: bool = False
    allow_urls: bool = False
    sort_folder: Path | None = None
    unload_after: float | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise InputError(f"The port is {self.port}, expected a number from 0 (any free one) to 65535.")
        if self.token is not None and (len(self.token) < LEAST_TOKEN or not self.token.isascii()):
            raise InputError(f"The token has {len(self.token)} characters, expected at least {LEAST_TOKEN}, all ASCII.")
        if self.public:
            self._check_public()
        elif self.token is None and not is_loopback(self.host):
            raise InputError(
                f"The host {self.host!r} is reachable from other machines, so a token is needed: set --token-file FILE "
                "or $WORDSIGHT_TOKEN; or leave --host out to serve this machine alone; or set --public for a read-only "
                "server for anyone."
            )

    def _check_public(self) -> None:
        """Raise InputError for what strangers must not be allowed."""
        permitted = {"--allow-add": self.allow_add, "--allow-sql": self.allow_sql, "--allow-urls": self.allow_urls,
                     "--sort-folder": self.sort_folder}  # fmt: skip
        for option, value in permitted.items():
            if value:
                raise InputError(
                    f"A public server is read-only, so it does not go with {option}; leave one of them out."
                )
        if self.token is not None:
            raise InputError("A public server asks for no token; leave out --public, or the token.")

    def with_galleries(self, galleries: Mapping[str, str]) -> Settings:
        """The same settings for other galleries."""
        return dataclasses.replace(self, galleries=galleries)

    @property
    def default_gallery(self) -> str | None:
        """Name of the gallery that is meant where none is named; None where there is none."""
        return next(iter(self.galleries), None)


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
