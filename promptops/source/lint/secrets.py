"""Finds keys, tokens and passwords in a source file by their known formats.

A finding names the format, the place and a fingerprint (the first 12 hex digits of the SHA-256), never the secret
itself. Most files have none, so a cheap search for the fixed parts of the formats comes first.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from promptops.source.text.findings import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A known format: its name, fixed texts that each match has, and its pattern. Group 1, if any, is the secret."""

    name: str
    parts: tuple[str, ...]
    pattern: re.Pattern[str]


def _format(name: str, parts: tuple[str, ...], pattern: str) -> Format:
    return Format(name=name, parts=parts, pattern=re.compile(pattern, re.ASCII))


_B = r"(?<![A-Za-z0-9_-])"
FORMATS = (
    _format("Anthropic API key", ("sk-",), _B + r"sk-ant-[a-z0-9]{3,10}-[A-Za-z0-9_-]{20,200}"),
    _format(
        "OpenAI API key",
        ("sk-",),
        _B + r"sk-(?:(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,200}|[A-Za-z0-9]{32,64}\b)",
    ),
    _format("OpenRouter API key", ("sk-",), _B + r"sk-or-v\d-[a-f0-9]{32,80}"),
    _format("AWS access key id", ("AKIA", "ASIA"), _B + r"A(?:KI|SI)A[A-Z2-7]{16}(?![A-Za-z0-9])"),
    _format(
        "AWS secret access key",
        ("aws", "AWS", "ecretAccessKey", "ecret_access_key"),
        r"(?i:(?:aws|secret)[A-Za-z_-]{0,20}(?:secret|access)[A-Za-z_-]{0,20})[\"']?[ \t]*[:=][ \t]*[\"']?"
        r"([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
    ),
    _format("GitHub token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), _B + r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    _format("GitHub token", ("github_pat_",), _B + r"github_pat_[A-Za-z0-9_]{22,255}"),
    _format("GitLab token", ("glpat-", "gldt-", "glrt-"), _B + r"gl(?:pat|dt|rt)-[A-Za-z0-9_-]{20,100}"),
    _format(
        "Slack token",
        ("xox", "xapp-"),
        _B + r"(?:xox[abeprs]|xapp)[-.][A-Za-z0-9.-]{10,250}",
    ),
    _format(
        "Slack webhook",
        ("hooks.slack.com",),
        r"https://hooks\.slack\.com/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]{16,40}",
    ),
    _format("Hugging Face token", ("hf_",), _B + r"hf_[A-Za-z0-9]{30,60}(?![A-Za-z0-9_])"),
    _format("Google API key", ("AIza",), _B + r"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    _format("xAI API key", ("xai-",), _B + r"xai-[A-Za-z0-9]{40,120}"),
    _format("Groq API key", ("gsk_",), _B + r"gsk_[A-Za-z0-9]{40,60}"),
    _format(
        "Stripe key",
        ("k_live_", "k_test_", "whsec_"),
        _B + r"(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9]{16,250}",
    ),
    _format("npm token", ("npm_",), _B + r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
    _format("PyPI token", ("pypi-",), _B + r"pypi-AgE[A-Za-z0-9_-]{50,250}"),
    _format("promptops token", ("pops_",), _B + r"pops_[A-Za-z0-9_]{20,200}"),
    _format("private key", ("PRIVATE KEY-----",), r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----"),
    _format(
        "JSON Web Token",
        ("eyJ",),
        _B + r"eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{16,1000}",
    ),
    _format(
        "password in a URL",
        ("://",),
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@\"'<>{}]{0,100}:([^\s:/@\"'<>{}$*]{3,200})@[\w.\[-]",
    ),
)
_RARE = "_JQXZVKWzxqj/"
_PARTS = {part: next((rare for rare in _RARE if rare in part), part[0]) for known in FORMATS for part in known.parts}
"""The fixed parts, each with a character of it that few texts have: to search for one is 20 times as fast."""
_EXAMPLES = frozenset({"password", "passwd", "pass", "secret", "pwd", "example", "changeme", "token"})


def scan(report: Report) -> None:
    """Report every secret of a file's text, and of texts it holds as escapes."""
    _scan(report.text, None, report)
    for start, text in report.escaped:
        _scan(text, start, report)


def _scan(text: str, start: int | None, report: Report) -> None:
    hints = [part for part, rare in _PARTS.items() if rare in text and part in text]
    if not hints:
        return
    taken: set[int] = set()
    for known in FORMATS:
        if not any(part in hints for part in known.parts):
            continue
        for match in known.pattern.finditer(text):
            secret = match[match.re.groups]
            place = match.start(match.re.groups)
            if place in taken or _is_example(secret):
                continue
            taken.add(place)
            fingerprint = hashlib.sha256(secret.encode()).hexdigest()[:12]
            report.add(
                "secret",
                place if start is None else start,
                f"{known.name} in the text (fingerprint {fingerprint})",
                "Take it out and revoke it: git keeps what was ever committed.",
            )


def _is_example(secret: str) -> bool:
    """True for what stands in documentation: ``sk-xxxxxxxx…``, ``AKIAIOSFODNN7EXAMPLE``, ``user:password@``."""

    return len(set(secret[-16:])) < 3 or "EXAMPLE" in secret or secret.lower() in _EXAMPLES
