"""What fsck asks of the database: is everything there that was ever written, and does each part fit the others?

Nothing is changed. Each check reads one consistent view, page by page, so a registry of any size can be checked while
it is in use. A check that cannot read its rows reports that, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, func, literal, or_, select

from promptops.core.digest import digest as digest_of
from promptops.core.errors import RegistryDamaged
from promptops.core.faults import Fault
from promptops.store.checks import forms, journal_checks
from promptops.store.checks.integrity import check_files, check_guards, check_references, check_restore
from promptops.store.checks.journal_checks import PageCheck
from promptops.store.checks.run_rows import check_run_rows
from promptops.store.checks.verified import NOTHING, Verified, check_rows
from promptops.store.faults import Check, damage
from promptops.store.registry import Registry
from promptops.store.schema import tables
from promptops.store.schema.comparison import check_schema

_deployment, _release = tables.deployment, tables.release
_PAGE = 200  # rows in memory at a time, releases with their contents among them


def check_store(
    registry: Registry | str, *, since: Verified = NOTHING, facts: PageCheck | None = None
) -> tuple[Fault, ...]:
    """Everything that is wrong with the database of a registry, which may be given by its URL.

    Of the lines that were verified before, seals, facts, bytes and forms are not read again, and no facts of those that
    ``facts`` went through just now.

    Raises:
        RegistryNotInitialised, SchemaOutdated, SchemaTooNew, RegistryUnavailable: there is nothing that can be checked.
    """
    if isinstance(registry, Registry):
        return tuple(fault for name, check in _checks(since, facts).items() for fault in _run(registry, name, check))
    try:
        opened = Registry.open(registry, check_guards=False)
    except RegistryDamaged as error:
        return (damage("database-corrupt", error.message, "database"),)
    try:
        return check_store(opened)
    finally:
        opened.close()


def check_schema_of(url: str) -> tuple[Fault, ...]:
    """Foreign objects on the tables of a registry, and objects of promptops that are missing.

    Raises:
        RegistryNotInitialised, SchemaOutdated, SchemaTooNew, RegistryUnavailable: there is nothing that can be checked.
    """
    registry = Registry.open(url, allow_network_fs=True)
    try:
        return tuple(_run(registry, "schema", check_schema))
    finally:
        registry.close()


def _run(registry: Registry, name: str, check: Check) -> list[Fault]:
    faults: list[Fault] = []
    try:
        with registry.read() as reader:
            for fault in check(reader._connection):
                faults.append(fault)  # noqa: PERF402 what was found before a page that cannot be read counts too
    except RegistryDamaged as error:
        faults.append(damage("database-corrupt", error.message, name))
    except (ValueError, KeyError, TypeError) as error:
        faults.append(damage("database-corrupt", f"a row holds what promptops never writes: {error}", name))
    return faults


def _contents(connection: Connection, since: Verified = NOTHING) -> Iterator[Fault]:
    """The bytes of every release against the digest they are stored under."""
    columns = [_release.c[name] for name in ("id", "app", "version", "digest", "content")]
    ordered = select(*columns).order_by(_release.c.id).limit(_PAGE)
    if since.seq:
        name = literal("releases/") + _release.c.app + "/" + _release.c.version
        known = select(1).where(tables.journal.c.ref == name, tables.journal.c.seq <= since.seq).exists()
        ordered = ordered.where(~known)
    last = 0
    while page := connection.execute(ordered.where(_release.c.id > last)).all():
        for row in page:
            if (actual := digest_of(row.content)) != row.digest:
                what = f"the stored bytes have the digest {actual}, and were released as {row.digest}"
                yield damage("content-changed", what, f"{row.app}@{row.version}")
        last = page[-1].id


def _revisions(connection: Connection) -> Iterator[Fault]:
    """Every log must count 1, 2, 3 … and end at the revision of its head."""
    newest = {}
    for app, channel, top, problem in _counting(connection, _deployment, "app", "channel", number="revision"):
        newest[app, channel] = top
        if problem:
            yield damage("revision-gap", f"revision {problem}", f"{app}:{channel}")
    for channel, _top, problem in _counting(connection, tables.channel_policy, "channel", number="version"):
        if problem:
            yield damage("revision-gap", f"version {problem} of the policy", channel)
    heads = {(row.app, row.channel): row.revision for row in connection.execute(select(tables.head))}
    for app, channel in sorted(heads.keys() | newest.keys()):
        head, last = heads.get((app, channel), 0), newest.get((app, channel), 0)
        if head != last:
            what = f"its head is at revision {head}, and its log ends at {last}"
            yield damage("head-moved", what, f"{app}:{channel}")


def _counting(connection: Connection, table: Table, *by: str, number: str) -> Iterator[tuple[Any, ...]]:
    """Each group with its greatest number, and which number is wrong where they are not 1, 2, 3 …"""
    key = [table.c[name] for name in by]
    column = table.c[number]
    statement = select(*key, func.max(column), func.min(column), func.count()).group_by(*key).order_by(*key)
    for *group, top, low, count in connection.execute(statement).all():
        problem = ""
        if (low, count) != (1, top):
            here = and_(*(part == value for part, value in zip(key, group, strict=True)))
            numbers = connection.execute(select(column).where(here).order_by(column)).scalars()
            wrong = next(expected for expected, found in enumerate([*numbers, 0], 1) if expected != found)
            problem = f"{wrong} is not there"
        yield (*group, top, problem)


def _history(connection: Connection) -> Iterator[Fault]:
    """Each deployment follows the one before it, and a restored revision is an older one with the same release."""
    before, restored = _deployment.alias("before"), _deployment.alias("restored")
    joined = _deployment.outerjoin(before, _same_log(before, before.c.revision == _deployment.c.revision - 1))
    joined = joined.outerjoin(restored, _same_log(restored, restored.c.revision == _deployment.c.restores))
    follows = and_(
        _deployment.c.before_version.is_not_distinct_from(before.c.version),
        _deployment.c.before_digest.is_not_distinct_from(before.c.digest),
    )
    restores = or_(
        _deployment.c.restores.is_(None),
        and_(restored.c.revision < _deployment.c.revision, restored.c.digest == _deployment.c.digest),
    )
    columns = (_deployment.c.app, _deployment.c.channel, _deployment.c.revision, follows.label("follows"))
    wrong = select(*columns).select_from(joined).where(~and_(follows, func.coalesce(restores, False)))
    for row in connection.execute(wrong.order_by(*columns[:3])):
        part = "restores a revision that is not one of its release" if row.follows else "does not follow the one before"
        yield damage("history-broken", f"revision {row.revision} {part}", f"{row.app}:{row.channel}")


def _same_log(other: Any, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(other.c.app == _deployment.c.app, other.c.channel == _deployment.c.channel, condition)


_CHECKS: dict[str, Check] = {
    "database": check_files,
    "restore": check_restore,
    "references": check_references,
    "guards": check_guards,
    "schema": check_schema,
    "releases": _contents,
    "revisions": _revisions,
    "history": _history,
    "audit log": journal_checks.check_audit,
    "journal": journal_checks.check_journal,
    "facts": journal_checks.check_facts,
    "unrecorded facts": journal_checks.check_unrecorded,
    "rows of runs": check_run_rows,
    "secrets": journal_checks.check_secrets,
    "order": journal_checks.check_order,
    "numbers": forms.check_numbers,
    "forms": forms.check_forms,
    "apps": forms.check_apps,
}

_SINCE: dict[str, Callable[..., Iterator[Fault]]] = {
    "releases": _contents,
    "audit log": journal_checks.check_audit,
    "facts": journal_checks.check_facts,
    "forms": forms.check_forms,
    "rows of runs": check_run_rows,
    "rows": check_rows,
}
"""The checks that read rows one by one begin behind what was verified; that the other rows are there is counted."""


def _checks(since: Verified, facts: PageCheck | None) -> dict[str, Check]:
    checks: dict[str, Check] = dict(_CHECKS)
    if since.seq:
        checks |= {name: partial(check, since=since) for name, check in _SINCE.items()}
    if facts is not None and facts.last > since.seq:
        checks["facts"] = partial(journal_checks.check_more_facts, facts=facts)
    return checks
