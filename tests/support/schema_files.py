"""docs/schemas/, a file for each schema that promptops publishes. Run as a module to write them anew."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from promptops.wire.schemas import schemas
from tests.support.checkout import ROOT

FOLDER = ROOT / "docs" / "schemas"


def pages() -> Mapping[Path, str]:
    """Returns the text of each file."""
    return {
        FOLDER / f"{name}.json": json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
        for name, schema in schemas().items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
