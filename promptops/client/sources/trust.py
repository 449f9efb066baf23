"""The certificates that clients and the command line trust: the only module that makes a TLS context."""

from __future__ import annotations

import functools
import os
import ssl

import httpx

from promptops.core.errors import Invalid


@functools.cache
def client_trust(verify: bool | str | ssl.SSLContext) -> ssl.SSLContext:
    """For an application: the system's authorities and those that come with httpx, or those of a file or folder. False
    believes every certificate.

    Raises:
        Invalid: the file or folder cannot be read.
    """
    if isinstance(verify, ssl.SSLContext):
        return verify
    if isinstance(verify, str):
        folder = os.path.isdir(verify)
        try:
            return ssl.create_default_context(capath=verify if folder else None, cafile=None if folder else verify)
        except OSError as error:
            raise Invalid(f"the certificates of verify={verify!r} cannot be read: {error}") from error
    context = httpx.create_ssl_context(verify=verify, trust_env=False)
    if verify:
        context.load_default_certs()
    return context


def machine_trust() -> ssl.SSLContext:
    """For the command line: what this machine trusts, as other tools on it (``SSL_CERT_FILE``, ``SSL_CERT_DIR``), or
    the authorities that come with httpx where it has none.

    Raises:
        Invalid: they cannot be read.
    """
    try:
        context = ssl.create_default_context()
        return context if context.cert_store_stats()["x509_ca"] else httpx.create_ssl_context()
    except OSError as error:
        raise Invalid(
            f"the certificates to trust cannot be read: {error.strerror or error}",
            hint="See SSL_CERT_FILE, which is a file of certificates in PEM, and SSL_CERT_DIR.",
        ) from error


def no_trust() -> ssl.SSLContext:
    """For a connection that is not encrypted: reading the certificates would take longer than the request."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
