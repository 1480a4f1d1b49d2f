"""JSON that attacks its reader: depth, numbers, letters that are none."""

import pytest

DEEP = 100_000
BODIES = {
    "lists": b'{"input": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "open lists": b"[" * DEEP,
    "huge integer": b'{"input": ' + b"9" * 100_000 + b"}",
    "huge exponent": b'{"input": 1e999999999}',
    "NaN": b'{"input": NaN}',
    "Infinity": b'{"input": [-Infinity]}',
    "invalid UTF-8": b'{"input": "\xff\xfe"}',
    "overlong UTF-8": b'{"input": "\xc0\xaf"}',
    "no body": b"",
    "null": b"null",
    "a list": b"[]",
    "twice": b"{}{}",
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("kind", ["application/json", "application/problem+json", "text/plain", ""])
def test_json_that_attacks_is_a_bad_request(open_server, name, kind):
    answer = open_server.post("/v1/embeddings", content=BODIES[name], headers={"Content-Type": kind})
    assert 400 <= answer.status_code < 500, answer.text[:500]
    assert answer.json()["error"]["message"]
    assert len(answer.text) < 5000
    assert "Traceback" not in answer.text
