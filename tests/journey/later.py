"""`promptops` as it is typed 21 days later: python tests/journey/later.py why CALL_ID"""

from __future__ import annotations

import sys
from datetime import timedelta

from promptops import clock
from promptops.cli.main import run

DAYS = 21

if __name__ == "__main__":
    now = clock.now
    clock.now = lambda: now() + timedelta(days=DAYS)
    sys.exit(run(sys.argv[1:]))
