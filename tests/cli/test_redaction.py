"""Secrets in URLs and in the environment do not appear in what is shown."""

import pytest

from wordsight.cli._redaction import redact, redact_values


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:PASSWORD@host/x.png?sig=SECRET&page=2", "http://…@host/x.png?sig=…&page=2"),
        ("qdrant:https://u:PASS@WORD@host:6333/c", "qdrant:https://…@host:6333/c"),
        (
            "t.csv#http://h/x?X-Amz-Signature=S&X-Amz-Credential=C",
            "t.csv#http://h/x?X-Amz-Signature=…&X-Amz-Credential=…",
        ),
        ("('https://h/a?access_token=T', 'b')", "('https://h/a?access_token=…', 'b')"),
        ("http://h/x.png?sig=A:B: the URL cannot be fetched", "http://h/x.png?sig=…: the URL cannot be fetched"),
        ("the token hf_abcdefgh123 and Bearer abc.def-ghi", "the token … and Bearer …"),
        ("photos/a@b.jpg?token=1 stays, as https://h/a@b?page=3 does", None),
    ],
)
def test_passwords_and_tokens_are_left_out(text, shown):
    assert redact(text) == (text if shown is None else shown)


def test_keys_from_the_environment_are_left_out(monkeypatch):
    monkeypatch.setenv("QDRANT_API_KEY", "QSECRETKEY")
    monkeypatch.setenv("HF_TOKEN", "x")  # too short to tell from a word
    assert redact("answered: {'api-key': 'QSECRETKEY', 'x': 1}") == "answered: {'api-key': '…', 'x': 1}"


def test_all_texts_of_a_record_are_redacted():
    record = {"index": "http://u:p@h/", "skipped": [{"item": 'http://h/?sig=S"é', "n": 1}], "fusion": None}
    assert redact_values(record) == {
        "index": "http://…@h/", "skipped": [{"item": "http://h/?sig=…\"é", "n": 1}], "fusion": None}  # fmt: skip
