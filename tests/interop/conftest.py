"""These tests need SDKs of providers, which only `make interop` installs; `make test` leaves them out.

`make interop` runs this folder alone, so nothing here uses the fixtures of `tests/conftest.py`.
"""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("botocore") else ["test_*"]
