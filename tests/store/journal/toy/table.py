"""The table of stamps, as it is added to the end of ``store/schema/tables.py``."""

from sqlalchemy import ForeignKey, Table

from promptops.store.schema.columns import CLUSTERED, Moment, Number, Words, column, metadata

stamp = Table(
    "stamp",
    metadata,
    column("app", Words, ForeignKey("app.name"), primary_key=True),
    column("number", Number, primary_key=True, autoincrement=False),
    column("colour", Words),
    column("actor", Words),
    column("at", Moment),
    **CLUSTERED,
)
