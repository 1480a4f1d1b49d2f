"""Agents for tests: clients of the `mcp` package, by standard input or HTTP, called from code that is not async."""

import contextlib
import os
import sys

import httpx2
from anyio.from_thread import start_blocking_portal
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client


class Agent:
    """A client that is connected; `call` returns the text, the data and the images of a tool's answer."""

    def __init__(self, client, portal):
        self._client = client
        self._portal = portal

    def tools(self):
        return self._portal.call(self._client.list_tools).tools

    def call(self, tool, **arguments):
        result = self._portal.call(self._client.call_tool, tool, arguments)
        text = "\n".join(one.text for one in result.content if one.type == "text")
        assert not result.is_error, text
        return text, result.structured_content, [one for one in result.content if one.type == "image"]

    def fail(self, tool, **arguments):
        """Message of a call that must fail."""
        result = self._portal.call(self._client.call_tool, tool, arguments)
        assert result.is_error
        return result.content[0].text


@contextlib.contextmanager
def connect(transport, **options):
    """An agent on a transport."""
    client = Client(transport, read_timeout_seconds=120, **options)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(client):
        yield Agent(client, portal)


def stdio(*arguments, errlog=sys.stderr):
    """Transport to `wordsight mcp` with these arguments."""
    environment = {name: os.environ[name] for name in ("PYTHONPATH", "WORDSIGHT_DATA", "HOME") if name in os.environ}
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "wordsight", "mcp", *arguments], env=environment
    )
    return stdio_client(command, errlog=errlog)


@contextlib.asynccontextmanager
async def http(address, **headers):
    """Transport to the endpoint of a server."""
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False) as client,
        streamable_http_client(f"{address}/mcp", http_client=client) as streams,
    ):
        yield streams
