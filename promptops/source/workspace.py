"""Reads ``promptops.yml``: the registry of a workspace, the folders of its apps, and the policies of its channels."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from promptops.core.errors import Invalid, SourceInvalid, WorkspaceNotFound
from promptops.core.finding import Severity
from promptops.core.model import Policy, is_name, is_segment

if TYPE_CHECKING:  # finding the root must not cost the import of yaml
    from promptops.core.outcomes.rates import ModelRates
    from promptops.core.own_facts import OwnFacts
    from promptops.source.text.fields import Fields
    from promptops.source.text.findings import Report
    from promptops.source.tree import Tree

MARKER = "promptops.yml"
KEYS = ("registry", "apps", "channels", "git", "journal", "models", "notify", "prices", "traces")
TRACE_ID = "{trace_id}"
"""What stands for the id of a trace in `traces`."""
POLICY_KEYS = ("promote_from", "allow_dirty", "protected", "gate", "rollout")
WORDS = ("on",)
"""Keys that YAML 1.1 reads as booleans. Nothing but promptops reads the file, so they need no quotes."""
_MAX_WAY = 50  # names of a circle that a message lists
_MAX_PATTERN = 1_000  # characters; a path is rarely longer than 260

MAX_PATTERNS = 1_000
"""Folders and globs that `apps` may list. Each is compared with each folder, so their number is limited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A read ``promptops.yml``. ``registry`` is a name, not an address; ``apps`` are folders and globs as written.

    ``git`` is the address of the repository that is the home of the journal, and ``journal_ref`` the ref of it there;
    both are empty where the file does not say. ``prices`` are the workspace's own, by ``provider/model``. ``traces`` is
    the address of a trace with :data:`TRACE_ID` in it, empty without one. ``models`` are what it says of models, and
    ``notify`` the settings of receivers of notifications, by name.
    """

    registry: str
    apps: tuple[str, ...]
    channels: Mapping[str, Policy] = field(default_factory=dict)
    git: str = ""
    journal_ref: str = ""
    prices: Mapping[str, ModelRates] = field(default_factory=dict)
    traces: str = ""
    models: Mapping[str, OwnFacts] = field(default_factory=dict)
    notify: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    path: str = MARKER


def find_root(start: Path) -> Path:
    """Returns the nearest folder with a ``promptops.yml``, from ``start`` upwards.

    Raises:
        WorkspaceNotFound: no such folder exists.
    """
    start = Path(os.path.abspath(start))
    for folder in (start, *start.parents):
        if (folder / MARKER).is_file():
            return folder
    raise WorkspaceNotFound(f"no {MARKER} in {start} or a folder above it", hint="`promptops init` makes one.")


def read_workspace(tree: Tree) -> Workspace:
    """Reads a tree's ``promptops.yml``.

    Raises:
        WorkspaceNotFound: the tree has no ``promptops.yml``.
        SourceInvalid: the file has errors; the exception has all of them.
    """
    from promptops.source.text.fields import read_text

    report = read_text(tree, MARKER)
    workspace = parse_workspace(report)
    findings = report.findings(lint=False)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if any(finding.code == "file-unreadable" for finding in errors):
        raise WorkspaceNotFound(f"no {MARKER} here", hint="`promptops init` makes one.")
    if errors or workspace is None:
        raise SourceInvalid(errors or findings)
    return workspace


def parse_workspace(report: Report) -> Workspace | None:
    """Reads the text of a report as a ``promptops.yml``; None if it is not a mapping."""
    from promptops.source.text.fields import read_fields, read_yaml

    if report and not report.text:
        return None
    fields = read_fields(report, read_yaml(report, words=WORDS), MARKER)
    if fields is None:
        return None
    fields.refuse_unknown(KEYS)
    registry = fields.text("registry") or ""
    if fields.value.get("registry") is None:
        fields.add("missing-key", None, "`registry` names the registry of this workspace", "registry: my-team")
    elif registry and not is_name(registry):
        hint = "A name, not an address: the address is --registry or PROMPTOPS_REGISTRY."
        fields.add("name-invalid", "registry", f"'{registry[:80]}' is not a registry's name", hint)
    return Workspace(
        registry=registry,
        apps=_apps(fields),
        channels=_channels(fields),
        git=fields.text("git") or "",
        journal_ref=_journal_ref(fields),
        prices=_prices(fields),
        traces=_traces(fields),
        models=_models(fields),
        notify=_notify(fields),
    )


def _prices(fields: Fields) -> Mapping[str, ModelRates]:
    if fields.value.get("prices") is None:
        return {}
    from promptops.source.prices import read_prices

    return read_prices(fields)


def _models(fields: Fields) -> Mapping[str, OwnFacts]:
    if fields.value.get("models") is None:
        return {}
    from promptops.source.own_models import read_own_models

    return read_own_models(fields)


def _notify(fields: Fields) -> dict[str, Mapping[str, object]]:
    if fields.value.get("notify") is None:
        return {}
    from promptops.core.notifications.receiver import receiver_flaw

    receivers: dict[str, Mapping[str, object]] = {}
    for name, receiver in fields.inner("notify"):
        receivers[name] = receiver.value
        if problem := receiver_flaw(name, receiver.value):
            named = problem.message.split(" ")[0].removeprefix(f"notify.{name}").strip(":.")
            place = receiver.path + _place(receiver.value, named)
            receiver.report.add("notify-invalid", receiver.document.offset(place), problem.message, problem.hint)
    return receivers


def _traces(fields: Fields) -> str:
    value = fields.text("traces") or ""
    if value and not _is_trace_address(value):
        message = f"'{value[:80]}' is not an address with one {TRACE_ID} behind its host"
        fields.add("wrong-value", "traces", message, f"traces: https://tempo.example.com/trace/{TRACE_ID}")
        return ""
    return value


def _is_trace_address(value: str) -> bool:
    scheme, _, rest = value.partition("://")
    host, slash, behind = rest.partition("/")
    is_plain = value.isprintable() and " " not in value and len(value) <= _MAX_PATTERN
    return (
        scheme in ("http", "https")
        and bool(host and slash)
        and not set("{}@\\?#") & set(host)
        and behind.count(TRACE_ID) == 1
        and not set("{}") & set(behind.replace(TRACE_ID, ""))
        and is_plain
    )


def _journal_ref(fields: Fields) -> str:
    journal = fields.fields("journal")
    if journal is None:
        return ""
    journal.refuse_unknown(("ref",))
    ref = journal.text("ref") or ""
    if ref and not (ref.startswith("refs/") and ref.count("/") > 1 and all(map(is_segment, ref.split("/")))):
        journal.add("wrong-value", "ref", f"'{ref[:80]}' is not the name of a ref", "refs/heads/promptops/my-team")
    return ref


def _apps(fields: Fields) -> tuple[str, ...]:
    """Returns the patterns that stay in the workspace, and reports the others: files outside are never read."""
    patterns = fields.texts("apps")
    if patterns is None:
        fields.add("missing-key", None, "`apps` lists the folders of the apps", "apps: [apps/*]")
        return ()
    if len(patterns) > MAX_PATTERNS:
        fields.add("wrong-value", "apps", f"`apps` has over {MAX_PATTERNS:,} entries", "A glob such as apps/* is one.")
        return ()
    inside = []
    for index, pattern in enumerate(patterns):
        if _is_inside(pattern):
            inside.append(pattern)
            continue
        path = ("apps", index) if isinstance(fields.value["apps"], list) else ("apps",)
        offset = fields.document.offset(path)
        hint = "A folder below this file, or a glob such as apps/*."
        fields.report.add("wrong-value", offset, f"'{pattern[:80]}' is not a folder of this workspace", hint)
    return tuple(inside)


def _is_inside(pattern: str) -> bool:
    if not 0 < len(pattern) <= _MAX_PATTERN or "\\" in pattern or "\0" in pattern or pattern.startswith(("/", "-")):
        return False
    return ".." not in pattern.split("/")


def clean(pattern: str) -> str:
    """Returns a folder or glob without empty and ``.`` steps; the root is empty."""
    return "/".join(step for step in pattern.split("/") if step not in ("", "."))


def _channels(fields: Fields) -> dict[str, Policy]:
    from promptops.core.policy import gate_flaw, rollout_flaw

    policies: dict[str, Policy] = {}
    for name, policy in fields.inner("channels"):
        if not is_name(name):
            offset = fields.document.key_offset(policy.path)
            hint = "Lower case letters, digits, . _ and -."
            fields.report.add("name-invalid", offset, f"'{name[:80]}' is not a channel's name", hint)
        policy.refuse_unknown(POLICY_KEYS)
        policies[name] = Policy(
            promote_from=policy.texts("promote_from") or (),
            allow_dirty=policy.flag("allow_dirty") or False,
            protected=policy.flag("protected") or False,
            gate=_settings(policy, "gate", gate_flaw),
            rollout=_settings(policy, "rollout", rollout_flaw),
        )
        _check_hours(policy, name)
    _check_sources(fields, policies)
    return policies


def _settings(
    policy: Fields, name: str, flaw: Callable[[Mapping[str, object]], Invalid | None]
) -> Mapping[str, object] | None:
    settings = policy.fields(name)
    if settings is None:
        return None
    if problem := flaw(settings.value):
        named = problem.message.split(" ")[0].removeprefix(name).strip(":.")
        place = settings.path + _place(settings.value, named)
        settings.report.add("policy-invalid", settings.document.offset(place), problem.message, problem.hint)
    return settings.value


def _check_hours(policy: Fields, name: str) -> None:
    """Reports a rollout that may be over before each hour of the day was seen."""
    rollout = policy.fields("rollout") if isinstance(policy.value.get("rollout"), Mapping) else None
    if rollout is None:
        return
    from promptops.core.canary.rollout_policy import read_rollout, unseen_hours
    from promptops.core.duration import duration_text

    try:
        read = read_rollout(rollout.value)
    except Invalid:  # as its finding says
        return
    if hours := unseen_hours(read):
        rollout.add(
            "rollout-hours",
            None,
            f"a canary of {name} may be finished {duration_text(read.shortest)} after its start: {hours}",
            "Set `wait` so that the last step lasts a day or more.",
        )


def _place(value: object, named: str) -> tuple[str | int, ...]:
    """The keys by which a dotted path leads into nested mappings, as far as it does; places of a list from 1."""
    if isinstance(value, list):
        number, _, rest = named.partition(".")
        place = int(number) - 1 if number.isdecimal() and len(number) < 4 else -1
        return (place, *_place(value[place], rest)) if 0 <= place < len(value) else ()
    if not isinstance(value, Mapping) or not named:
        return ()
    keys = [key for key in value if named == key or named.startswith(f"{key}.")]
    if not keys:
        return ()
    key = max(keys, key=len)
    return (key, *_place(value[key], named[len(key) + 1 :]))


def _check_sources(fields: Fields, policies: Mapping[str, Policy]) -> None:
    from promptops.source.circles import in_circles, way_round
    from promptops.source.text.findings import MAX_PER_CODE, Near

    refers = {name: policy.promote_from for name, policy in policies.items()}
    circles = {name: group for group in in_circles(refers) for name in group}
    shown = 0
    for name, sources in refers.items():
        offset = fields.document.offset(("channels", name, "promote_from"))
        for source in sources:
            if source not in policies:
                hint = Near(source, policies, "The channels are")
                fields.report.add("policy-invalid", offset, f"'{source[:80]}' is not a declared channel", hint)
        if name in circles:
            shown += 1
            way = way_round(name, refers, circles[name])[:_MAX_WAY] if shown <= MAX_PER_CODE else [name, "…"]
            fields.report.add("policy-invalid", offset, f"`promote_from` goes round in a circle: {' → '.join(way)}")
