"""Long output goes through a pager, as in git: only on a terminal, and only where it does not fit.

In: a text, and the terminal's size. Out: the text in `PROMPTOPS_PAGER`, else `PAGER`, else `less`, which ends by itself
where a screen is enough and leaves the text on the terminal (`LESS=FRX` where `LESS` is not set, as git does).
"""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess

from promptops import config
from promptops.cli.output.screen import is_screen


def paged(text: str, *, rows: int) -> bool:
    """Shows the text in the pager and returns True; False where it fits in ``rows``, or there is no pager."""
    if text.count("\n") < rows or not is_screen():
        return False
    words = _pager()
    if not words or shutil.which(words[0]) is None:
        return False
    environment = config.environment({"LESS": "FRX", "LV": "-c"})
    # Ctrl-C is the pager's, which ends with q: without this, promptops would end and leave it on the terminal. What is
    # ignored here, a program that starts would ignore too: a pager without an answer of its own could not be ended.
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        subprocess.run(words, input=text, text=True, errors="replace", env=environment, check=False)
    finally:
        signal.signal(signal.SIGINT, before)
    return True


def _pager() -> list[str]:
    """The words of the pager's command; none where it is `cat`, which shows nothing that is not shown anyway."""
    try:
        words = shlex.split(config.setting("PROMPTOPS_PAGER") or config.setting("PAGER") or "less")
    except ValueError:  # a quote that is not closed
        return []
    return [] if words[:1] == ["cat"] else words
