"""`make demo` tells its story to the end; it asserts for itself what has to hold."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import ROOT


def test_the_demo_runs_to_its_end_and_draws_its_picture(tmp_path: Path) -> None:
    if not Path(sys.executable).with_name("promptops").exists():
        pytest.fail("the command `promptops` is not installed beside this Python; `make test` installs it")
    picture = tmp_path / "demo.svg"
    done = subprocess.run(
        [sys.executable, "-m", "tests.journey.demo", "--svg", str(picture)],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path), "PROMPTOPS_REGISTRY": "postgresql://nobody@localhost/nothing"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    scratch = re.search(r"/\S+/promptops-demo-\w+", done.stdout)
    assert scratch is not None
    assert (Path(scratch[0]) / ".promptops" / "registry.db").exists()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    one = re.search(r"one of it +\$([\d.]+) +\$([\d.]+)", plain)
    a_call = re.search(r"a call +\$([\d.]+) +\$([\d.]+)", plain)
    assert one is not None and a_call is not None, plain
    assert float(one[1]) > float(one[2])
    assert float(a_call[1]) < float(a_call[2]), "the release that is dearer a call is the cheaper one for a ticket"
    assert "The request, byte for byte as it was sent:" in plain  # 21 days and two releases later
    _has_two_canaries(plain)
    drawn = picture.read_text(encoding="utf-8")
    assert "rollback" in drawn
    assert "url(http" not in drawn
    shutil.rmtree(scratch[0])


def _has_two_canaries(plain: str) -> None:
    """One was aborted by itself, with its evidence; the other one went to everyone, and it is said for which reason."""
    started = re.findall(
        r"✓ Started a canary of support-bot on prod: 0\.2\.(\d) for 5 % of the keys, 0\.2\.3 for", plain
    )
    assert started == ["4", "5"]
    ended = re.search(
        r"aborted: the canary is worse at schema: (\d+) keys of the canary and (\d+) of stable were bad", plain
    )
    assert ended is not None and int(ended[1]) >= 5, plain
    exposed = re.search(
        r"; the canary had (\d+) calls of about (\d+) keys, \d+\.\d% bad, and stable [\d,]+ calls",
        " ".join(plain.split()),
    )
    assert exposed is not None and int(exposed[1]) >= int(exposed[2]) > 0, plain
    assert "support-bot@0.2.4 is in quarantine on prod: aborted at revision " in plain
    looks = re.findall(r"✓ support-bot on prod.*: every guardrail shows it not to be worse", plain)
    assert ["advanced to 25 %" in looks[0], "finished at 25 %" in looks[1]] == [True, True]
    assert "support-bot on prod serves 0.2.5" in plain
