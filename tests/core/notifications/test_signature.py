"""Signatures by Standard Webhooks, and the file of secrets: what is wrong is named, and never shown."""

from __future__ import annotations

import base64

import pytest

from promptops.core.errors import Invalid
from promptops.core.notifications.signature import credentials, headers, new_secret, read_secrets
from tests.support.receivers import KEY, SECRET, URL, verify


def test_a_signature_is_that_of_the_reference_library() -> None:
    """The example of the library that the authors of Standard Webhooks publish."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [key])
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_secret_signs_so_that_a_receiver_can_change_it() -> None:
    own = credentials("ops", URL, read_secrets(f"# two\n\nops {URL} {SECRET} {new_secret(b'n' * 32)}\n"))
    made = headers("msg_1", 1, b"{}", own.keys)
    assert len(made["webhook-signature"].split(" ")) == 2
    assert verify(made, b"{}", KEY)
    assert verify(made, b"{}", b"n" * 32)
    assert not verify(made, b"{ }", KEY)


@pytest.mark.parametrize("line", [f"ops {URL}", "ops whsec_secretsecret", "ops"])
def test_a_line_that_is_not_complete_is_named_and_not_shown(line: str) -> None:
    with pytest.raises(Invalid, match="line 2 of the file of secrets") as refused:
        read_secrets(f"# first\n{line}\n")
    assert "secretsecret" not in str(refused.value) + refused.value.hint


@pytest.mark.parametrize(
    "secret", ["whsec_", "whsec_c2hvcnQ=", "whsec_!!!!", "plain-text-secret", "whsec_" + "A" * 200]
)
def test_a_secret_that_is_none_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(Invalid, match="a secret of ops is not whsec_") as refused:
        credentials("ops", URL, {("ops", URL): (secret,)})
    assert secret[6:] == "" or secret[6:] not in str(refused.value) + refused.value.hint


def test_a_secret_belongs_to_a_name_and_a_url() -> None:
    secrets = read_secrets(f"ops {URL} {SECRET}")
    with pytest.raises(Invalid, match="no secret for ops with this URL"):
        credentials("ops", f"{URL}2", secrets)
    with pytest.raises(Invalid, match="no secret for team"):
        credentials("team", URL, secrets)


def test_the_secret_part_of_a_url_stays_behind_its_host() -> None:
    url = "https://hooks.slack.com/services/{secret}"
    assert credentials("team", url, {("team", url): ("T0/B0/abcdefgh",)}).url.endswith("/services/T0/B0/abcdefgh")
    for bad in ("@evil.example", "short", "a b c d e f g h", "x\\@evil.example.com", "a#bbbbbbbbb"):
        with pytest.raises(Invalid, match="does not fit into a URL"):
            credentials("team", url, {("team", url): (bad,)})
