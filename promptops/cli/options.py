"""The options that every command takes, and the reading of typed text."""

from __future__ import annotations

import click


class HelpfulGroup(click.Group):
    """A group that prints its help on stdout, with exit 0, where no command follows: a first look is no mistake."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        wants_help = not args and self.no_args_is_help and not ctx.resilient_parsing
        return super().parse_args(ctx, ["--help"] if wants_help else args)


def _remember(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Keeps a global option, which may stand before and after the command; the one that is read last wins."""
    if value is not None and param.name:
        ctx.find_root().meta[f"promptops.{param.name}"] = typed(ctx, param, value)


def typed(ctx: click.Context, param: click.Parameter, value: object) -> object:
    """Returns what was typed as text, in any locale.

    Bytes that are not text are refused. So is an empty value: a script whose variable is not set must not roll back
    something else. Only reasons and notes may be empty.
    """
    if isinstance(value, tuple):
        return tuple(typed(ctx, param, item) for item in value)
    if not isinstance(value, str):
        return value
    if not value.strip() and param.name not in ("reason", "notes"):
        raise click.BadParameter("it is empty. Is a variable of a script not set?", ctx, param)
    if isinstance(param.type, click.Path):
        return value
    try:
        return value.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError as error:
        raise click.BadParameter("it is not UTF-8 text", ctx, param) from error


def global_options() -> list[click.Parameter]:
    """The options every command takes, before or after its name."""

    def option(*names: str, **settings: object) -> click.Option:
        return click.Option(list(names), expose_value=False, callback=_remember, **settings)  # type: ignore[arg-type]

    return [
        option(
            "--registry",
            metavar="URL",
            help="The registry: URL of a database or a server, or a path. [PROMPTOPS_REGISTRY]",
        ),
        option("--actor", metavar="WHO", help="Who makes the change. [PROMPTOPS_ACTOR, else git's user]"),
        option("--json", is_flag=True, default=None, help="Answer with one JSON object on stdout."),
        option("--color/--no-color", default=None, help="Colour or not. [default: where it can be seen]"),
        option("--no-pager", is_flag=True, default=None, help="Show long output as it is. [PROMPTOPS_PAGER, PAGER]"),
        option("-C", "directory", metavar="DIR", type=click.Path(readable=False), help="Run as if started in DIR."),
    ]
