"""The tables about those who use a registry from afar: tokens, and the clients that run.

A part of :mod:`promptops.store.schema.tables`, through which the other modules of ``store`` reach them.
"""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from promptops.store.schema.columns import CLUSTERED, Flag, Moment, Number, Row, TextTuple, Words


class TokenRow(Row, table=True):
    """A token: all that is known of it but its secret."""

    __tablename__ = "token"
    __table_args__ = (CLUSTERED,)
    id: str = Field(sa_type=Words, primary_key=True)
    name: str = Field(sa_type=Words)
    scopes: tuple[str, ...] = Field(sa_type=TextTuple)
    channels: tuple[str, ...] = Field(sa_type=TextTuple)
    apps: tuple[str, ...] = Field(sa_type=TextTuple)
    prefix: str = Field(sa_type=Words)
    created_by: str = Field(sa_type=Words)
    created_at: datetime = Field(sa_type=Moment)
    expires_at: datetime | None = Field(sa_type=Moment, nullable=True)
    commitment: str = Field(sa_type=Words)


class TokenSecretRow(Row, table=True):
    """The SHA-256 of a token's secret. It never leaves the database, but in a backup."""

    __tablename__ = "token_secret"
    __table_args__ = (UniqueConstraint("token"), CLUSTERED)
    digest: str = Field(sa_type=Words, primary_key=True)
    token: str = Field(sa_type=Words, foreign_key="token.id")


class TokenRevocationRow(Row, table=True):
    """A token was taken back, for ever."""

    __tablename__ = "token_revocation"
    __table_args__ = (CLUSTERED,)
    token: str = Field(sa_type=Words, primary_key=True, foreign_key="token.id")
    reason: str = Field(sa_type=Words)
    actor: str = Field(sa_type=Words)
    at: datetime = Field(sa_type=Moment)


class ClientRow(Row, table=True):
    """A running client and its last report; mutable, and outdated after a while.

    ``token`` is the id of its token, empty if the server requires none.
    """

    __tablename__ = "client"
    __table_args__ = (Index(None, "token", "seen_at"), CLUSTERED)
    token: str = Field(sa_type=Words, primary_key=True)
    id: str = Field(sa_type=Words, primary_key=True)
    channel: str = Field(sa_type=Words)
    name: str = Field(sa_type=Words)
    sdk: str = Field(sa_type=Words)
    state: str = Field(sa_type=Words)
    lineage: str = Field(sa_type=Words)
    epoch: int = Field(sa_type=Number)
    revisions: str = Field(sa_type=Words)
    cannot_load: str = Field(sa_type=Words)
    leaving: bool = Field(sa_type=Flag)
    seen_at: datetime = Field(sa_type=Moment)


metadata = Row.metadata
