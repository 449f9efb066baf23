"""Keys and signatures in the forms of OpenSSH, against what ssh-keygen itself made; and everything else is refused."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.errors import Invalid
from promptops.core.signing import armour, fingerprint, load_private_key, public_line, signer_of
from tests.support.signing import VECTORS

DATA = VECTORS["data"].encode()
SIGNATURE: str = VECTORS["signatures"]["git"]
PUBLIC = " ".join(VECTORS["public"].split()[:2])
BLOB = base64.b64decode("".join(SIGNATURE.splitlines()[1:-1]))


@pytest.mark.parametrize("form", ["private", "pem"])
def test_a_key_signs_what_ssh_keygen_signs(form: str) -> None:
    key = load_private_key(VECTORS[form])
    assert (key.public, fingerprint(key.public)) == (PUBLIC, VECTORS["fingerprint"])
    for namespace, signature in VECTORS["signatures"].items():
        assert key.sign(DATA, namespace) == signature
        assert signer_of(signature, DATA, namespace) == PUBLIC


def test_a_key_may_have_lost_its_last_line_end_or_have_those_of_windows() -> None:
    assert load_private_key(VECTORS["private"].strip()).public == PUBLIC
    assert load_private_key(VECTORS["private"].replace("\n", "\r\n")).public == PUBLIC


@pytest.mark.parametrize(
    "text",
    [
        *VECTORS["private_refused"].values(),
        "",
        "hello",
        VECTORS["public"],
        VECTORS["private"][:200],
        VECTORS["private"].replace("b3Bl", "b3Bm"),
        VECTORS["pem"].replace("MC4", "MC5"),
        "-----BEGIN OPENSSH PRIVATE KEY-----\n\ud800\n-----END OPENSSH PRIVATE KEY-----",
    ],
)
def test_what_is_no_private_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        load_private_key(text)
    shown = f"{caught.value} {caught.value.hint} {caught.value.__context__} {caught.value.__cause__}"
    assert "BEGIN" not in shown
    assert not any(line in shown for line in text.splitlines() if len(line) > 20)


def test_a_private_key_shows_only_its_public_half() -> None:
    assert repr(load_private_key(VECTORS["private"])) == f"<the private key of {VECTORS['fingerprint']}>"


def test_a_public_line_loses_its_comment() -> None:
    assert public_line(VECTORS["public"]) == public_line(f"{PUBLIC}\n") == public_line(f"  {PUBLIC} a b ") == PUBLIC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-rsa " + PUBLIC.split()[1],
        PUBLIC[:-4],
        PUBLIC + "AAAA",
        PUBLIC + "=",
        PUBLIC.replace("ssh-ed25519 AAAA", "ssh-ed25519 AAAB"),
        "ssh-ed25519 " + "A" * 100_000,
        "ssh-ed25519 \ud800",
        VECTORS["fingerprint"],
    ],
)
def test_what_is_no_public_line_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        public_line(text)


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _other(**changes: bytes) -> str:
    """The signature with other parts."""
    parts = {"key": BLOB[14:65], "namespace": b"git", "reserved": b"", "hash": b"sha512", "signature": BLOB[-83:]}
    return armour(BLOB[:10] + b"".join(_string(part) for part in (parts | changes).values()))


def test_the_parts_of_the_vector_are_where_the_tests_take_them() -> None:
    assert _other() == SIGNATURE


_LINES = SIGNATURE.splitlines()
REFUSED = {
    **{f"made by {kind}": text for kind, text in VECTORS["refused"].items()},
    "another purpose": VECTORS["signatures"]["promptops-registry-key"],
    "nothing": "",
    "no lines": armour(b""),
    "no end": SIGNATURE[:-1],
    "a line end behind it": SIGNATURE + "\n",
    "something before it": " " + SIGNATURE,
    "other lines": "\n".join([_LINES[0], "".join(_LINES[1:-1]), _LINES[-1]]),
    "an empty line": SIGNATURE.replace("\n", "\n\n", 1),
    "Windows' lines": SIGNATURE.replace("\n", "\r\n"),
    "bits behind base64's end": SIGNATURE.replace("QQ=\n", "QR=\n"),
    "a character that is not base64's": SIGNATURE.replace("U1NI", "U1N*"),
    "a lone surrogate": SIGNATURE.replace("U1NI", "\ud800"),
    "bytes behind it": armour(BLOB + b"\0"),
    "a part behind it": armour(BLOB + _string(b"")),
    "a version of the future": armour(BLOB[:9] + b"\2" + BLOB[10:]),
    "a part that is longer than all": armour(BLOB[:10] + b"\xff\xff\xff\xff" + BLOB[14:]),
    "much too long": armour(b"SSHSIG" * 10_000),
    "something reserved": _other(reserved=b"x"),
    "an unknown hash": _other(hash=b"sha513"),
    "a key of 31 bytes": _other(key=_string(b"ssh-ed25519") + _string(bytes(31))),
    "a key in three parts": _other(key=_string(b"ssh-ed25519") + _string(bytes(28)) + _string(b"")),
    "another kind of key": _other(key=_string(b"ssh-ed25518") + _string(bytes(32))),
    "another kind of signature": _other(signature=_string(b"ssh-ed25518") + BLOB[-68:]),
    "63 bytes": _other(signature=_string(b"ssh-ed25519") + _string(bytes(63))),
    "zeros": _other(signature=_string(b"ssh-ed25519") + _string(bytes(64))),
    "a key that is no point": _other(key=_string(b"ssh-ed25519") + _string(b"\xff" * 32)),
    "another key": _other(key=_string(b"ssh-ed25519") + _string(b"\1" * 32)),
}


@pytest.mark.parametrize("signature", REFUSED.values(), ids=REFUSED)
def test_what_is_no_signature_is_refused_with_a_reason(signature: str) -> None:
    with pytest.raises(Invalid) as caught:
        signer_of(signature, DATA, "git")
    assert len(caught.value.message) > 10


def test_other_bytes_are_refused() -> None:
    with pytest.raises(Invalid, match="is not one of these bytes"):
        signer_of(SIGNATURE, DATA + b"\n", "git")


@given(st.binary(max_size=400))
def test_any_bytes_are_refused(blob: bytes) -> None:
    for data in (blob, b"SSHSIG\0\0\0\1" + blob):
        with pytest.raises(Invalid):
            signer_of(armour(data), DATA, "git")


@given(place=st.integers(0, len(BLOB) - 1), bit=st.integers(0, 7))
def test_one_bit_makes_another_signature(place: int, bit: int) -> None:
    changed = bytearray(BLOB)
    changed[place] ^= 1 << bit
    with pytest.raises(Invalid):
        signer_of(armour(bytes(changed)), DATA, "git")


def test_without_the_extra_an_error_says_what_to_install() -> None:
    program = f"""
import sys
sys.modules["cryptography"] = None
from promptops.core import signing
from promptops.core.errors import ExtraMissing
assert not signing.can_verify()
assert signing.fingerprint(signing.public_line({PUBLIC!r})) == {VECTORS["fingerprint"]!r}
for call in (lambda: signing.load_private_key("x"), lambda: signing.signer_of({SIGNATURE!r}, b"", "git")):
    try:
        call()
    except ExtraMissing as error:
        assert error.hint == "pip install 'promptops-registry[sign]'", error.hint
    else:
        raise AssertionError("it went on")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
