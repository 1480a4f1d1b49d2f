"""Proofs that a client knows the token: the token itself for programs, a signed cookie for browsers."""

from __future__ import annotations

import collections
import hashlib
import hmac
import ipaddress
import re
import secrets
import time

LASTS = 7 * 24 * 3600  # seconds that a cookie is valid
_COOKIE = re.compile(r"(\d{10,12})\.([0-9a-f]{16})\.([0-9a-f]{64})")
_MOST_REVOKED = 10_000


class Sessions:
    """Cookies of those who signed in: an expiry and a random number, signed by a key that only the token gives.

    Nothing is stored for them, so that they outlive a restart and hold for every server with this token; a new token
    ends them all. Signing out ends one, in the process that was told.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._key = hashlib.scrypt(self._token, salt=b"wordsight cookie", n=1 << 14, r=8, p=1, dklen=32)
        # cookies know no ports: servers of one machine need names of their own
        self.cookie_name = "wordsight-" + hmac.digest(self._key, b"name", "sha256").hex()[:8]
        self._revoked: dict[str, int] = {}

    def is_token(self, given: str) -> bool:
        """Whether a text is the token, in a time that does not tell how much of it is right."""
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._token)

    def open(self, now: float | None = None) -> str:
        """Value of a cookie for a new session."""
        said = f"{int((time.time() if now is None else now) + LASTS)}.{secrets.token_hex(8)}"
        return f"{said}.{self._sign(said)}"

    def is_open(self, cookie: str, now: float | None = None) -> bool:
        """Whether a cookie was made by `open`, has not expired and was not closed."""
        match = _COOKIE.fullmatch(cookie)
        if match is None or not hmac.compare_digest(self._sign(f"{match[1]}.{match[2]}"), match[3]):
            return False
        return int(match[1]) > (time.time() if now is None else now) and match[2] not in self._revoked

    def close(self, cookie: str) -> None:
        """End a session."""
        if not self.is_open(cookie):
            return
        end, number, _ = cookie.split(".")
        self._revoked[number] = int(end)
        if len(self._revoked) > _MOST_REVOKED:
            now = time.time()
            self._revoked = {one: until for one, until in self._revoked.items() if until > now}

    def _sign(self, said: str) -> str:
        return hmac.digest(self._key, said.encode(), "sha256").hex()


class Attempts:
    """Failed proofs by network: so many at once, then one more each `1 / rate` seconds.

    An IPv6 network is a /64, which one client has whole.
    """

    def __init__(self, burst: int = 20, rate: float = 0.2, clients: int = 10_000) -> None:
        self._burst, self._rate, self._clients = burst, rate, clients
        self._failed: collections.OrderedDict[str, tuple[float, float]] = collections.OrderedDict()

    def wait(self, client: str) -> float:
        """Seconds that a client has to wait before another try; 0 for none."""
        over = self._level(_network(client)) - self._burst + 1
        return max(0.0, over / self._rate)

    def count(self, client: str) -> None:
        """Take note of a failure."""
        network = _network(client)
        self._failed[network] = (self._level(network) + 1, time.monotonic())
        self._failed.move_to_end(network)
        if len(self._failed) > self._clients:
            self._failed.popitem(last=False)

    def _level(self, network: str) -> float:
        level, since = self._failed.get(network, (0.0, 0.0))
        return max(0.0, level - (time.monotonic() - since) * self._rate)


def _network(client: str) -> str:
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
