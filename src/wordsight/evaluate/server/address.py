"""Address of a server as a user writes it: `http://host/v1#model-name`, or options in the fragment."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from typing import Any

from wordsight.arguments import check_choice
from wordsight.errors import ImageError, InputError
from wordsight.evaluate.server.dialects import DIALECTS
from wordsight.ingest.url_route import check_authority
from wordsight.ingest.urls import ascii_url, is_url

PROBE = "auto"  # dialect that is found out by asking
OPTIONS = ("model", "images", "scale", "batch", "encoding")
_SCALE = 100.0  # of cosines: where OpenAI's CLIP ended (Radford et al. 2021, §2.5); servers do not say theirs
_BATCH = 32
_SECRET = re.compile(r"key|token|secret|sig|pass|auth|credential", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """Server and model, from `http://host/v1#name` or `…#model=name&images=infinity&scale=50&batch=8&encoding=base64`.

    url: of the embeddings. model: name in its requests; "" leaves it out. images: dialect in which images are sent, or
    "auto". scale: factor on cosines for probabilities. batch: inputs in a request. encoding: "float" or "base64".
    """

    url: str
    model: str
    images: str = PROBE
    scale: float = _SCALE
    batch: int = _BATCH
    encoding: str = "float"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises: InputError for a URL with a password or key, an unknown option, a value that is not valid."""
        place, _, fragment = text.partition("#")
        if not is_url(place):
            raise InputError(f"The model {text!r} is not a URL that begins with http:// or https://.")
        try:
            check_authority(place)
            place = ascii_url(place).rstrip("/")
        except (ImageError, ValueError) as error:
            raise InputError(f"The address of the model cannot be used: {error}.") from None
        parts = urllib.parse.urlsplit(place)
        secret = [name for name, _ in urllib.parse.parse_qsl(parts.query) if _SECRET.search(name)]
        if secret:
            raise InputError(
                f"The address of the model holds the parameter {secret[0]!r}, which results would show; put keys into "
                "the environment variable WORDSIGHT_API_KEY, from which they are sent."
            )
        path = parts.path
        if not path.endswith("/embeddings"):
            path += "/embeddings"
        return cls(parts._replace(path=path).geturl(), **_read_options(fragment))


def _read_options(fragment: str) -> dict[str, Any]:
    if "=" not in fragment:
        return {"model": urllib.parse.unquote(fragment)}
    given = dict(urllib.parse.parse_qsl(fragment, keep_blank_values=True))
    for name in given:
        check_choice("The option of the server's address", name, OPTIONS)
    options: dict[str, Any] = {"model": given.get("model", "")}
    if "images" in given:
        check_choice("images", given["images"], (PROBE, *DIALECTS))
        options["images"] = given["images"]
    if "encoding" in given:
        check_choice("encoding", given["encoding"], ("float", "base64"))
        options["encoding"] = given["encoding"]
    if "scale" in given:
        options["scale"] = _number("scale", given["scale"], most=1e6)
    if "batch" in given:
        options["batch"] = int(_number("batch", given["batch"], most=4096))
    return options


def _number(name: str, text: str, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= most or (name == "batch" and value != int(value)):
        raise InputError(
            f"The option {name} of the server's address is {text!r}, expected a number from 1 to {most:g}."
        )
    return value
