"""Every fact as a record: the outbox to git, and the way back into rows."""
