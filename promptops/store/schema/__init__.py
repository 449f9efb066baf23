"""The tables: how they are declared, guarded, and compared with a database."""
