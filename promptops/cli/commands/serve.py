"""`promptops serve`: the registry over HTTP, for applications and for other people's command line."""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptops import config
from promptops.cli.command import command
from promptops.cli.numbers import Number, Seconds, Whole
from promptops.cli.session import Session
from promptops.core.errors import ExtraMissing, Invalid, TokenNotFound
from promptops.core.loopback import is_loopback

if TYPE_CHECKING:
    from promptops.core.oidc import Issuer
    from promptops.server.settings import Limits, Settings

_DOING = "serving"
_OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")
_EXTRA = {"fastapi", "starlette", "uvicorn", "h11", "anyio", "prometheus_client"}


_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_-])?")


def _rate(_context: click.Context, _option: click.Parameter, value: float) -> float:
    if value != 0 and not 0.001 <= value <= 1_000_000:
        raise click.BadParameter(f"{value:g} is neither 0 nor a number from 0.001 to 1,000,000.")
    return value


def _hosts(_context: click.Context, _option: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the names in the form of a Host header: in lower case, an IPv6 address in brackets, no port."""
    return tuple(map(_host, value))


def _host(text: str) -> str:
    name = text.lower()
    if not name or _NAME.fullmatch(name):
        return name  # `typed` in options.py refuses an empty one
    try:
        return f"[{ipaddress.IPv6Address(name.removeprefix('[').removesuffix(']'))}]"
    except ValueError:
        raise click.BadParameter(
            f"'{text}' is not the name of a host: registry.internal, without a scheme, a port or a star."
        ) from None


def _proxies(_context: click.Context, _option: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Returns addresses and networks in their canonical form."""
    try:
        networks = [ipaddress.ip_network(text) for text in value]
    except ValueError as error:
        raise click.BadParameter(f"{error}. An address or a network is needed: 10.0.0.7, 10.0.0.0/24.") from None
    return tuple(map(str, networks))


@command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Listen at this address.")
@click.option("--port", default=8700, show_default=True, type=Whole(0, 65535), help="Listen at this port; 0 for any.")
@click.option("--no-auth", is_flag=True, help="Require no token. Only at a loopback address.")
@click.option("--workers", default=1, show_default=True, type=Whole(1, 64), help="This many processes.")
@click.option(
    "--allow-host", multiple=True, callback=_hosts, metavar="NAME", help="Answer to this name in the Host header."
)
@click.option(
    "--trusted-proxy",
    multiple=True,
    callback=_proxies,
    metavar="ADDRESS",
    help="Trust this proxy's X-Forwarded-For for the address of a client.",
)
@click.option(
    "--reads-per-second",
    default=2000.0,
    show_default=True,
    type=Number(0, 1_000_000),
    callback=_rate,
    metavar="N",
    help="Accept this many reads of a token or address; 0 for no limit.",
)
@click.option(
    "--changes-per-second",
    default=50.0,
    show_default=True,
    type=Number(0, 1_000_000),
    callback=_rate,
    metavar="N",
    help="Accept this many other requests; 0 for no limit.",
)
@click.option(
    "--keep-alive",
    default=75.0,
    show_default="75s",
    type=Seconds(1, 3600),
    metavar="LENGTH",
    help="Keep an idle connection open this long: longer than the load balancer does.",
)
@click.option(
    "--log-format", default="text", show_default=True, type=click.Choice(["text", "json"]), help="Of the log on stderr."
)
@click.option(
    "--log-level",
    default="info",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Leave lines below this out of the log.",
)
@click.option(
    "--oidc",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Exchange ID tokens of CI for short-lived tokens, as this TOML file says.",
)
def serve(
    session: Session,
    /,
    host: str,
    port: int,
    no_auth: bool,
    workers: int,
    allow_host: tuple[str, ...],
    trusted_proxy: tuple[str, ...],
    reads_per_second: float,
    changes_per_second: float,
    keep_alive: float,
    oidc: Path | None,
    log_format: str,
    log_level: str,
) -> None:
    """Serve the registry over HTTP.

    Applications follow channels there, and other people's command line works with it as with a database. Every request
    needs a token. The server listens on this machine only, unless --host names another address; put TLS in front of it
    then.

    \b
      promptops token create ops --scope admin
      promptops serve
      promptops serve --host 0.0.0.0 --allow-host registry.internal
    """
    with _server_installed():
        from promptops.server import run
    local = is_loopback(host)
    if no_auth and not local:
        raise Invalid(
            f"--no-auth would let every machine that reaches {host} change what is live",
            hint="Make tokens (promptops token create), or listen at 127.0.0.1.",
        )
    name = _require_ready(session, no_auth=no_auth)
    if no_auth:
        session.note("--no-auth: no token is required. Every program and user of this machine may change what is live.")
    hosts = [*(_OWN_NAMES if local else ()), *allow_host]
    limits = _limits(reads_per_second, changes_per_second, keep_alive)
    issuers = _issuers(session.path(str(oidc))) if oidc else ()
    settings = replace(_settings(session, not no_auth, hosts), limits=limits, proxies=trusted_proxy, issuers=issuers)
    run.log_to_stderr(form=log_format, level=log_level)
    place = run.ListenAddress(host=host, port=port, workers=workers)
    code = run.serve(settings, place, partial(_announce, session, name, not no_auth))
    if code:
        raise click.exceptions.Exit(code)


def _announce(session: Session, name: str, auth: bool, host: str, port: int) -> None:
    """Print the address of the server as the first line of stdout, for scripts that wait for it."""
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    session.answer(
        lambda: {"url": url, "host": host, "port": port, "registry": name, "auth": auth},
        lambda _page: [f"Serving the registry '{name}' at {url}. Ctrl-C ends it."],
    )
    sys.stdout.flush()


def _settings(session: Session, auth: bool, hosts: Sequence[str]) -> Settings:
    from promptops.server.settings import Settings

    return Settings(
        registry=session.database_url(_DOING),
        allow_network_fs=config.setting("PROMPTOPS_ALLOW_NETWORK_FS") == "1",
        auth=auth,
        hosts=frozenset(name.lower() for name in hosts),
        notify_secrets=config.setting(config.NOTIFY_SECRETS),
    )


def _issuers(path: Path) -> tuple[Issuer, ...]:
    """Returns the issuers of a file, after a look that signatures can be checked here."""
    try:
        import joserfc  # noqa: F401
    except ModuleNotFoundError as error:
        raise ExtraMissing("--oidc needs the package joserfc", hint="pip install 'promptops-registry[oidc]'") from error
    from promptops.server.oidc_file import read_oidc

    return read_oidc(path)


def _limits(reads: float, changes: float, keep_alive: float) -> Limits:
    from promptops.server.settings import Limits, Rate

    return Limits(
        reads=Rate(a_second=reads, burst=max(1, int(reads * 2))),
        beats=Rate(a_second=reads / 4, burst=max(1, int(reads * 10))),
        others=Rate(a_second=changes, burst=max(1, int(changes * 4))),
        keep_alive=keep_alive,
    )


def _require_ready(session: Session, *, no_auth: bool) -> str:
    """Returns the registry's name, after a check that its guards are there and that a valid token exists.

    Raises:
        TokenNotFound: no token is valid. Unavailable: there is no registry, or its guards are gone.
    """
    from promptops.operations.tokens import list_tokens

    with session.registry(_DOING) as registry:
        if not no_auth and not any(not token.flaw(session.now) for token in list_tokens(registry)):
            raise TokenNotFound(
                "there is no valid token, so the server would refuse every request",
                hint="promptops token create NAME --scope admin. To try it on this machine: --no-auth.",
            )
        return registry.name


@contextmanager
def _server_installed() -> Iterator[None]:
    """Names what to install if the server's packages are missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise ExtraMissing(
            f"`promptops serve` needs the package {error.name}", hint="pip install 'promptops-registry[server]'"
        ) from error
