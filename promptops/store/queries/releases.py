"""Reading releases and what belongs to them: apps, content, provenance, yanks, profiles.

Content leaves the registry only after its bytes were hashed again and gave the digest they are stored under.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, select

from promptops.core.digest import digest as digest_of
from promptops.core.errors import AppNotFound, Invalid, RegistryDamaged, ReleaseNotFound
from promptops.core.model import Profile, Release
from promptops.store.schema import tables
from promptops.store.schema.rows import PROVENANCE_COLUMNS, RELEASE_COLUMNS, AnyRow, release_of

_release, _yank, _provenance, _profile = tables.release, tables.yank, tables.provenance, tables.profile
_other = _provenance.alias("other")
PROFILE_COLUMNS = ["title", "description", "owner", "on_call", "runbook"]


def _releases(*, content: bool = False) -> Select[*tuple[Any, ...]]:
    """Releases, each with its newest clean provenance (else its newest one) and its yank."""
    columns = [_release.c[name] for name in RELEASE_COLUMNS] + [_provenance.c[name] for name in PROVENANCE_COLUMNS]
    columns += [_yank.c.reason, _yank.c.actor, _yank.c.at, *([_release.c.content] if content else [])]
    same = and_(_other.c.app == _release.c.app, _other.c.digest == _release.c.digest)
    best = select(_other.c.id).where(same).order_by(_other.c.dirty, _other.c.id.desc()).limit(1).scalar_subquery()
    joined = _release.join(_provenance, _provenance.c.id == best)
    joined = joined.outerjoin(_yank, and_(_yank.c.app == _release.c.app, _yank.c.digest == _release.c.digest))
    return select(*columns).select_from(joined).where(_release.c.app == bindparam("app"))


# Built once: building a statement takes as long as running it.
_WHOLE = _releases(content=True)
_BY_VERSION = _WHOLE.where(_release.c.version == bindparam("version"))
_BY_DIGEST = _WHOLE.where(_release.c.digest.between(bindparam("digest"), bindparam("beyond"))).limit(2)
_LAST = select(func.max(_release.c.id)).where(_release.c.app == bindparam("app"))
_NEWEST = _WHOLE.where(_release.c.id == _LAST.correlate(None).scalar_subquery())  # to sort them would read all of them
_ALL = _releases().order_by(_release.c.id.desc())
_OF_DIGEST = _ALL.where(_release.c.digest == bindparam("digest"))
_PROFILE = (
    select(*(_profile.c[name] for name in PROFILE_COLUMNS))
    .where(_profile.c.app == bindparam("app"))
    .order_by(_profile.c.id.desc())
    .limit(1)
)


class ReleaseReader:
    """Releases as one transaction sees them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def apps(self) -> tuple[str, ...]:
        """The names of all apps that were released, in order."""
        rows = self._connection.execute(select(tables.app.c.name).order_by(tables.app.c.name))
        return tuple(row[0] for row in rows)

    def find_release(self, app: str, *, version: str = "", digest: str = "") -> Release:
        """The release of this version, or of this digest or beginning of one (at least 8 hex digits), with its content.

        Raises:
            AppNotFound, ReleaseNotFound: listing what exists, newest first.
            Invalid: the beginning of a digest fits several releases, or is too short.
            RegistryDamaged: the stored bytes are not those of the digest.
        """
        if version:
            rows = self._connection.execute(_BY_VERSION, {"app": app, "version": version}).all()
        else:
            digest = digest if digest.startswith("sha256:") else f"sha256:{digest}"
            if len(digest) < len("sha256:") + 8:
                raise Invalid(f"'{digest}' is too short", hint="A digest needs at least 8 hex digits.")
            rows = self._connection.execute(_BY_DIGEST, {"app": app, "digest": digest, "beyond": digest + "g"}).all()
        if len(rows) > 1:
            versions = " and ".join(f"{row.version} ({row.digest[:19]}…)" for row in rows)
            raise Invalid(f"'{digest}' fits more than one release of '{app}': {versions}", hint="Write more digits.")
        if not rows:
            self.require_app(app)
            known = self._connection.execute(
                select(_release.c.version).where(_release.c.app == app).order_by(_release.c.id.desc())
            )
            raise ReleaseNotFound(f"'{app}' has no release {version or digest}", known=[row[0] for row in known])
        return self._whole(rows[0])

    def release_by_digest(self, app: str, digest: str) -> Release | None:
        """The release of exactly this digest, with its content."""
        row = self._connection.execute(_BY_DIGEST, {"app": app, "digest": digest, "beyond": digest}).first()
        return self._whole(row) if row else None

    def newest_release(self, app: str) -> Release | None:
        """The release that was made last, with its content."""
        row = self._connection.execute(_NEWEST, {"app": app}).first()
        return self._whole(row) if row else None

    def releases(self, app: str, *, digest: str = "", limit: int | None = None) -> tuple[Release, ...]:
        """Every release of the app, newest first, without content; or those of one digest, or so many of the newest.

        Raises:
            AppNotFound: listing the apps that exist.
        """
        self.require_app(app)
        statement = _OF_DIGEST if digest else _ALL if limit is None else _ALL.limit(limit)
        rows = self._connection.execute(statement, {"app": app, "digest": digest})
        return tuple(map(release_of, rows))

    def profile(self, app: str) -> Profile | None:
        """The app's newest profile."""
        row = self._connection.execute(_PROFILE, {"app": app}).first()
        return Profile(**row._mapping) if row else None

    def require_app(self, app: str) -> None:
        """Do nothing if the app was released.

        Raises:
            AppNotFound: listing the apps that exist.
        """
        if self._connection.execute(select(tables.app.c.name).where(tables.app.c.name == app)).first() is None:
            raise AppNotFound(f"there is no app '{app}' in this registry", known=self.apps())

    @staticmethod
    def _whole(row: AnyRow) -> Release:
        content: bytes = row.content
        if digest_of(content) != row.digest:
            raise RegistryDamaged(
                f"the stored content of {row.app}@{row.version} is not what was released as {row.digest}",
                hint="The database's file was changed. Restore the registry from a backup.",
            )
        return release_of(row, content)
