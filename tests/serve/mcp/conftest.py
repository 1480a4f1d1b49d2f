"""An agent on standard input, shared by the tests of the tools."""

import pytest
from agents import connect, stdio


@pytest.fixture(scope="session")
def agent(gallery_folder):
    """An agent of `wordsight mcp` over the sample gallery."""
    with connect(stdio("--gallery", f"shop={gallery_folder}")) as agent:
        yield agent
