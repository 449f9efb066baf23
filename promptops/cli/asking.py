"""The options of commands that ask models: how many at a time, how fast, for how long, for how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from promptops import config
from promptops.cli.numbers import Number, Seconds, Whole

if TYPE_CHECKING:
    from promptops.operations.evaluate import Asking

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--concurrency", type=Whole(1, 256), default=8, show_default=True, metavar="N", help="Calls at a time."
    ),
    click.option("--rpm", type=Number(0.1, 1e6), metavar="N", help="At most N requests a minute to each provider."),
    click.option(
        "--timeout", type=Seconds(1, 3600), default="1m", show_default=True, metavar="LENGTH", help="Of one try."
    ),
    click.option(
        "--deadline", type=Seconds(1, 86400), default="4h", show_default=True, metavar="LENGTH", help="Of it all."
    ),
    click.option("--max-cost", type=Number(0, 1e6), metavar="USD", help="Do not start, or stop, above this."),
)


def asking_options(function: F) -> F:
    """Adds the options to a command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def asking(options: Mapping[str, Any], **more: Any) -> Asking:
    """Returns how models are asked by these options."""
    from promptops.cli.eval_sources import trust_of
    from promptops.operations.evaluate import Asking

    return Asking(
        setting=config.provider,
        trust=trust_of,
        concurrency=options["concurrency"],
        rpm=options["rpm"],
        attempt=options["timeout"],
        call=options["timeout"] * 5,
        deadline=options["deadline"],
        max_cost=options["max_cost"],
        **more,
    )
