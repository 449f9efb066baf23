"""What is imported before a process is forked: the commands, the server, whose document is made, and what tests add."""

from __future__ import annotations

from importlib import import_module

import psycopg

import promptops.server.run as run
import tests.store.contenders as contenders
from promptops.cli.main import COMMANDS
from promptops.server.app import create_app
from promptops.server.settings import Settings

__all__ = ["contenders", "psycopg", "run"]

for module, _ in COMMANDS.values():
    import_module(module)

create_app(Settings(registry="sqlite:///none.db"))
