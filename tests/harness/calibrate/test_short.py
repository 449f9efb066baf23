"""The short form of `make calibrate`: no bound is missed, and a bound that is missed is noticed."""

from __future__ import annotations

from tests.harness.calibrate.__main__ import measured, of_canaries
from tests.harness.calibrate.line import Line, table


def test_every_bound_is_kept() -> None:
    lines = list(measured(short=True))
    assert len(lines) > 40
    assert [line.world for line in lines if not line.ok] == []


def test_every_bound_of_canaries_is_kept() -> None:
    lines = list(of_canaries(short=True))
    assert len(lines) > 40
    assert [line.world for line in lines if not line.ok] == []


def test_a_missed_bound_is_noticed() -> None:
    assert not Line(world="exact", measured=0.0301, bound=0.03).ok
    assert not Line(world="drawn", measured=0.08, bound=0.03, tries=1000).ok
    assert Line(world="by chance", measured=0.035, bound=0.03, tries=1000).ok
    assert not Line(world="power", measured=0.6, bound=0.8, least=True, tries=1000).ok
    assert "**missed**" in table([Line(world="exact", measured=0.0301, bound=0.03)])
