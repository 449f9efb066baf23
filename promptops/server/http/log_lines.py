"""Lines of the server's log as JSON: one object a line, for a collector of logs."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from promptops.core.timestamp import timestamp


class JsonLines(logging.Formatter):
    """``at`` (UTC), ``level``, ``message``; of a request also what its line has, each under a key of its own; of an
    error ``traceback``.
    """

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": timestamp(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
