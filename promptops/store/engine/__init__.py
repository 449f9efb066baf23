"""Connections and transactions of SQLite and PostgreSQL, and how changes are noticed."""
