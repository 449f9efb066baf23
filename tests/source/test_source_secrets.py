"""A secret is found by its format, and the finding does not give it away."""

from __future__ import annotations

import pytest

from promptops.source.lint.secrets import scan
from promptops.source.text.findings import Report

_BODY = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4"


# Each is put together here, so that no scanner takes this file for a leak.
@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("Anthropic", "sk-ant-" + "api03-" + _BODY),
        ("OpenAI", "sk-" + "proj-" + _BODY),
        ("OpenAI", "sk-" + _BODY),
        ("AWS access", "AKIA" + "QWERTYUIOPASDFGH"),
        ("GitHub", "ghp_" + _BODY[:36]),
        ("GitHub", "github_pat_" + _BODY[:30]),
        ("GitLab", "glpat-" + _BODY[:20]),
        ("Slack token", "xoxb-" + "123456789012-" + _BODY[:24]),
        ("Hugging Face", "hf_" + _BODY[:34]),
        ("Google", "AIza" + _BODY[:35]),
        ("xAI", "xai-" + _BODY),
        ("Stripe", "sk_live_" + _BODY[:24]),
        ("promptops", "pops_" + _BODY[:30]),
        ("private key", "-----BEGIN RSA " + "PRIVATE KEY-----"),
        ("JSON Web Token", "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0NTY3" + "." + _BODY[:30]),
        ("password", "hunter2-" + "correct"),
        ("AWS secret", "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "zzzzzzzKEY"),
    ],
)
def test_a_known_format_is_found_without_being_repeated(name: str, secret: str) -> None:
    text = f"line one\nkey: {secret} and more\n"
    if name == "password":
        text = f"line one\npostgresql://bob:{secret}@db.example.com/x\n"
    if name == "AWS secret":
        text = f"line one\nAWS_SECRET_ACCESS_KEY={secret}\n"
    report = Report("p.yml", text)
    scan(report)
    (finding,) = report.findings(lint=True)
    assert finding.line == 2
    assert name in finding.message
    assert "fingerprint " in finding.message
    assert secret not in finding.message + finding.hint


@pytest.mark.parametrize(
    "text",
    [
        "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "https://user:password@example.com",
        "https://{{user}}:{{password}}@example.com",
        "see https://example.com:8080/@someone",
        "a task-oriented-dialogue-with-a-very-long-name-of-words",
        "ghp_ is how GitHub tokens begin",
    ],
)
def test_a_placeholder_is_no_secret(text: str) -> None:
    report = Report("p.yml", text)
    scan(report)
    assert report.findings(lint=True) == []
