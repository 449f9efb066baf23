"""What `promptops eval` asks: the releases and files that are named, the suites, and what a channel's gate wants."""

from __future__ import annotations

import ssl
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from promptops import config
from promptops.cli import eval_calls
from promptops.cli.eval_earlier import kept, left_out
from promptops.cli.eval_rebase import Lacking, asked, other_release
from promptops.client.sources.trust import machine_trust, no_trust
from promptops.core.errors import AppNotFound, Invalid, NothingDeployed
from promptops.core.evidence.case_table import Arm
from promptops.core.reference import Reference, parse_reference
from promptops.core.suite.suite import Suite, SuiteKind
from promptops.evals.held import HeldPlaces
from promptops.evals.plan import Selection, Side
from promptops.evals.run_folder import Arguments, RunFolder, find_run
from promptops.operations import eval_plan
from promptops.operations.held import with_held, without_held
from promptops.operations.queries import Named
from promptops.source.git.environment import with_own_git

if TYPE_CHECKING:
    from promptops.cli.session import Session
    from promptops.evals.plan import Plan
    from promptops.operations.eval_plan import Prepared
    from promptops.source.load import AppSource

LIVE = "live"


def started(root: Path, options: dict[str, Any]) -> RunFolder | None:
    """Returns the run that is continued, and sets the options with which it was started; None for a new run."""
    if not options["continued"]:
        return None
    folder = find_run(root, options["continued"])
    arguments = folder.arguments()
    options.update(
        reference=arguments.reference,
        against=arguments.against or None,
        anchor=arguments.anchor or None,
        commit=arguments.commit,
        suites=arguments.suites,
        tags=arguments.tags,
        limit=arguments.limit,
        replay=arguments.replay or None,
        rescore=arguments.rescore,
        repeats=arguments.repeats,
        renames=arguments.renames,
        channel=None,
        local=not arguments.opened,
        drift=arguments.drift,
        earlier=arguments.earlier,
        shares=arguments.shares,
        pairs=tuple((suite, prompt) for suite, prompt in arguments.pairs),
        arms={prompt: tuple(map(Arm, arms)) for prompt, arms in arguments.arms.items()},
        **arguments.calls,
    )
    return folder


def prepared(
    session: Session, root: Path, typed: str | None, options: Mapping[str, Any], lacks: Lacking | None = None
) -> Prepared:
    """Returns the run that a command line asks for, ready to start; with ``lacks``, just what is lacking.

    Raises:
        Invalid, NotFound: what is named does not exist, or cannot be asked.
    """
    if options["replay"] and options["rescore"]:
        raise Invalid("--replay and --rescore both say where answers come from", hint="Give one of them.")
    text = options.get("reference") or typed
    reference = parse_reference(text) if text else None
    if options["drift"] and not options["continued"]:
        _require_drift(reference, options)
    options = options if options["continued"] else eval_calls.beside_live(options)
    app = eval_plan.read_app(root, reference.app if reference else "", commit=options["commit"])
    reference = reference or Reference(app=app.name)
    if reference.fixed or reference.channel:
        candidate = _released(session, reference)
    else:
        candidate = Named(reference=reference, content=eval_plan.content_of(app), release=None)
    named = {Arm.CANDIDATE: candidate, **_others(session, app.name, options, lacks)}
    repeats, renames = _of_gate(session, app, options)
    sides = [eval_plan.side_of(arm, each, renames if arm is not Arm.CANDIDATE else {}) for arm, each in named.items()]
    pairs, arms = options.get("pairs", ()), options.get("arms", {})
    if lacks is not None:
        pairs, arms = asked(lacks, app.suites, sides)
        sides = [side for side in sides if any(side.arm in of_prompt for of_prompt in arms.values())]
    digests = {side.arm: side.digest for side in sides}
    selection = Selection(
        suites=options["suites"], prompt=reference.prompt, tags=options["tags"], limit=options["limit"],
        pairs=pairs, arms=arms,
    )  # fmt: skip
    arguments = replace(
        _arguments(session, app.name, selection, options),
        reference=str(_fixed(reference, sides[0]) if candidate.release else reference),
        repeats=repeats,
        renames=renames,
        against=digests.get(Arm.LIVE, ""),  # what is live may move before the run is continued
        anchor=digests.get(Arm.ANCHOR, ""),
    )
    replay = Path(arguments.replay) if arguments.replay else None
    if arguments.calls:
        suites = eval_calls.suites_of_calls(session, app, sides, reference.prompt, arguments.calls)
        return eval_plan.prepare(root, sides, suites, selection, arguments, replay=replay)
    suites = _suites(session, root, app, selection, arguments, record=bool(options["record"]))
    made = eval_plan.prepare(root, sides, suites, selection, arguments, replay=replay)
    left = kept(options) if options["continued"] else left_out(session, made, options)
    return eval_plan.leaned(made, left.earlier, left.shares)


def plan_of(session: Session, root: Path, run: str) -> Plan:
    """Returns the plan of a run as it was asked, with its held cases; ``run`` is the beginning of its id.

    Raises:
        Conflict: the files, a release or a suite have changed since.
        Invalid, NotFound, Unavailable: they cannot be read.
    """
    options: dict[str, Any] = {"continued": run, "record": None, "fresh": False}
    before = started(root, options)
    assert before is not None
    return eval_plan.continued(prepared(session, root, None, options), before.arguments()).plan


def _suites(
    session: Session, root: Path, app: AppSource, selection: Selection, arguments: Arguments, *, record: bool
) -> Mapping[str, Suite]:
    """Returns the suites that may be asked: held cases only where the registry knows of it before the first call."""
    held = [name for name, suite in app.suites.items() if suite.held is not None and selection.takes(suite)]
    if not held:
        return app.suites
    if not arguments.opened or arguments.replay:
        suites = without_held(app, selection.suites)
        session.note(f"left out, since their cases are held: {', '.join(held)}")
        return suites
    if record:
        raise Invalid(
            f"the cases of {held[0]} are held, and a recording of what models answered to them would show them",
            hint="Name other suites with --suite, or leave out --record.",
        )
    return with_held(app, held, held_places(root))


def held_places(root: Path) -> HeldPlaces:
    """Returns where held cases may be read, by the environment."""
    return HeldPlaces(
        base=config.setting(config.HELD),
        token=config.setting(config.HELD_TOKEN),
        repository=next(iter(with_own_git(root)), root),
        trust=trust_of,
    )


def trust_of(urls: Collection[str]) -> ssl.SSLContext:
    """Returns the certificates that are trusted for some addresses."""
    return machine_trust() if any(url.lower().startswith("https:") for url in urls) else no_trust()


def _arguments(session: Session, app: str, selection: Selection, options: Mapping[str, Any]) -> Arguments:
    """Returns the arguments of a new run, as far as they follow from the options."""
    return Arguments(
        id=uuid4().hex,
        app=app,
        started_at=eval_plan.now_text(session.now),
        reference="",
        commit=options["commit"],
        suites=selection.suites,
        prompt=selection.prompt,
        tags=selection.tags,
        limit=selection.limit,
        replay=str(session.path(options["replay"])) if options["replay"] else "",
        rescore=options["rescore"],
        opened=not options["local"] and not selection.is_partial and not options.get("bad"),
        drift=options["drift"],
        pairs=selection.pairs,
        arms={prompt: tuple(arm.value for arm in arms) for prompt, arms in selection.arms.items()},
        calls=eval_calls.asked(session.now, options),
        digests={},
        suite_digests={},
    )


def _fixed(reference: Reference, side: Side) -> Reference:
    """Returns the same release by its digest: a channel may serve another one when the run is continued."""
    return Reference(app=reference.app, prompt=reference.prompt, digest=side.digest)


def _require_drift(reference: Reference | None, options: Mapping[str, Any]) -> None:
    if reference is None or not reference.channel:
        raise Invalid("--drift is about what a channel serves", hint="Name it: promptops eval APP:CHANNEL --drift")
    for name in ("against", "anchor", "channel", "local", "limit", "tags", "rescore"):
        if options[name]:
            flag = {"tags": "tag"}.get(name, name)
            raise Invalid(f"--drift asks one release whole, and --{flag} asks something else", hint="Leave it out.")


def _others(session: Session, app: str, options: Mapping[str, Any], lacks: Lacking | None = None) -> dict[Arm, Named]:
    """Returns the releases that are asked beside the candidate. A named channel's live release is always."""
    found: dict[Arm, Named] = {}
    if options["against"] or options["channel"]:
        live = _baseline(session, app, str(options["against"] or LIVE), options)
        if live is not None:
            found[Arm.LIVE] = live
    anchor = str(options["anchor"] or "")
    if lacks is not None:
        live = found.get(Arm.LIVE)
        anchor = other_release(lacks, live.release.digest if live and live.release else "")
    if anchor:
        found[Arm.ANCHOR] = _released(session, _reference(app, anchor))
    return found


def _baseline(session: Session, app: str, against: str, options: Mapping[str, Any]) -> Named | None:
    from promptops.cli.defaults import choose_channel

    if against != LIVE:
        return _released(session, _reference(app, against))
    with session.gateway() as gateway:
        channel = choose_channel(gateway, session.channel(options["channel"]))
    try:
        return _released(session, Reference(app=app, channel=channel))
    except (NothingDeployed, AppNotFound):  # a new app is evaluated before its first release
        session.note(f"nothing of {app} is live on {channel}, so there is nothing to compare with")
        return None


def _reference(app: str, text: str) -> Reference:
    return parse_reference(f"{app}{text}" if text[:1] in "@:" else text if "/" in text else f"{app}@{text}")


def _released(session: Session, reference: Reference) -> Named:
    from promptops.use_cases.releases import NAMED

    with session.gateway() as gateway:
        return gateway.run(NAMED, reference)


def _of_gate(
    session: Session, app: AppSource, options: Mapping[str, Any]
) -> tuple[Mapping[str, int], Mapping[str, str]]:
    """Returns how often the gate of the named channel wants each case of required suites, and the prompts that it knows
    by an old name. A continued run has both as it was started.
    """
    if options["continued"]:
        return options["repeats"], options["renames"]
    from promptops.core.gate.reading import read_gate
    from promptops.use_cases.channels import CHANNELS

    if not options["channel"]:
        return {}, {}
    with session.gateway() as gateway:
        channels = {channel.name: channel for channel in gateway.run(CHANNELS, None)}
    channel = channels.get(str(options["channel"]))
    if channel is None or channel.policy.gate is None:
        return {}, {}
    settings = read_gate(channel.policy.gate, app.name)
    required = settings.required
    if required is None:
        return {}, settings.renames
    wanted = required.suites or [name for name, suite in app.suites.items() if suite.kind is SuiteKind.REQUIRED]
    return {name: required.of for name in wanted if name in app.suites}, settings.renames
