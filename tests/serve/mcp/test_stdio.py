"""Standard output carries the protocol and nothing else."""

import json
import os
import subprocess
import sys

import pytest
from agents import connect, stdio
from serving import write_sources

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}
ASK = {
    "jsonrpc": "2.0",
    "id": 2,
    "method": "tools/call",
    "params": {"name": "search_images", "arguments": {"text": "a cat"}},
}


def talk(*messages, arguments, **environment):
    """Lines that the command writes to standard output and to standard error, and its exit status."""
    given = "".join(message if isinstance(message, str) else json.dumps(message) + "\n" for message in messages)
    with subprocess.Popen(
        [sys.executable, "-m", "wordsight", "mcp", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | environment,
    ) as process:  # fmt: skip
        process.stdin.write(given)
        process.stdin.flush()
        out = [process.stdout.readline() for message in messages if not isinstance(message, str) and "id" in message]
        rest, err = process.communicate(timeout=60)
    return [*out, *rest.splitlines()], err, process.returncode


def test_a_folder_is_indexed_first_and_only_the_protocol_is_written(tmp_path):
    photos, _ = write_sources(tmp_path)
    data = {"WORDSIGHT_DATA": str(tmp_path / "data")}
    out, err, status = talk(HELLO, READY, ASK, arguments=["--gallery", str(photos)], **data)
    hello, answer = map(json.loads, out)
    assert hello["result"]["serverInfo"]["name"] == "wordsight"
    assert answer["result"]["content"][0]["text"].splitlines()[1].startswith("1. ")
    assert "images of" in err
    assert status == 0


def test_what_is_not_the_protocol_is_refused_and_the_server_lives_on(gallery_folder):
    out, _, status = talk("not json\n", HELLO, READY, ASK, arguments=["--gallery", str(gallery_folder)])
    assert [json.loads(line).get("id") for line in out[-2:]] == [1, 2]
    assert status == 0


def test_an_older_client_is_answered_too(gallery_folder):
    with connect(stdio("--gallery", f"shop={gallery_folder}"), mode="legacy") as agent:
        text, _, _ = agent.call("describe_gallery")
        assert text.startswith('Gallery "shop"')


@pytest.mark.parametrize(("given", "message"), [("no-such-folder", "'no-such-folder' does not exist")])
def test_a_gallery_that_is_not_there_is_one_line(given, message):
    run = subprocess.run(
        [sys.executable, "-m", "wordsight", "mcp", "--gallery", given], capture_output=True, text=True, input=""
    )
    assert run.returncode == 2
    assert run.stdout == ""
    assert message in run.stderr
    assert "Traceback" not in run.stderr
