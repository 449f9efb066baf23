"""Features: which names are some, what a release's bytes need, and what a client lacks."""

from __future__ import annotations

import pytest

from promptops.core.contract import bump_of, compare
from promptops.core.digest import digest
from promptops.core.errors import Invalid
from promptops.core.features import MAX_FEATURES, UNDERSTOOD, is_features, lacking, requires_of
from promptops.core.model import Bump, Content
from promptops.core.release_bytes import content_from_bytes, encode
from tests.support.factory import content


def needing(*features: str) -> Content:
    plain = content()
    return Content(app=plain.app, prompts=plain.prompts, requires=features)


@pytest.mark.parametrize(
    ("names", "are"),
    [
        ([], True),
        (["cascade"], True),
        (("budget-2", "cascade"), True),
        (["cascade", "budget"], False),  # not in order
        (["cascade", "cascade"], False),
        (["Cascade"], False),
        ([""], False),
        (["x" * 41], False),
        ([1], False),
        ("cascade", False),
        (None, False),
        ([f"f{number:02}" for number in range(MAX_FEATURES)], True),
        ([f"f{number:02}" for number in range(MAX_FEATURES + 1)], False),
    ],
)
def test_names_of_features(names: object, are: bool) -> None:
    assert is_features(names) is are


def test_what_this_version_understands_are_features() -> None:
    assert is_features(UNDERSTOOD)
    assert lacking(["budget", "cascade", "off"], UNDERSTOOD) == ("budget", "cascade")


def test_a_release_names_what_it_needs_and_one_that_needs_nothing_keeps_its_bytes() -> None:
    plain, needs = content(), needing("budget", "cascade")
    assert b"requires" not in encode(plain)
    assert digest(encode(plain)) != digest(encode(needs))
    assert content_from_bytes(encode(needs)) == needs
    assert (requires_of(encode(plain)), requires_of(encode(needs))) == ((), ("budget", "cascade"))


@pytest.mark.parametrize("requires", ["[]", '["b","a"]', '"cascade"', '["Cascade"]', "null", "[1]"])
def test_what_is_no_list_of_features_is_no_release(requires: str) -> None:
    data = encode(needing("cascade")).replace(b'["cascade"]', requires.encode())
    with pytest.raises(Invalid, match=r"\$\.requires is not a list of 1 to 50 features in order"):
        content_from_bytes(data)


@pytest.mark.parametrize(
    ("data", "needs"),
    [
        ('{"cascade":{"new":1},"requires":["cascade"],"schema":"promptops.release/9"}', ("cascade",)),
        ('{"requires":["b","a"]}', ()),
        ('{"requires":"cascade"}', ()),
        ('["requires":["cascade"]', ()),
        ('["\\"requires\\":"]', ()),
        ("[" * 100_000 + '"requires":', ()),
        ("<html>", ()),
    ],
)
def test_needs_are_read_of_what_this_version_cannot_read(data: str, needs: tuple[str, ...]) -> None:
    assert requires_of(data.encode()) == needs


def test_another_need_is_a_minor_change() -> None:
    more, less = compare(content(), needing("budget", "cascade")), compare(needing("cascade"), content())
    told = [(change.bump, change.prompt, change.field, change.summary, change.before, change.after) for change in more]
    needed = "budget, cascade"
    assert told == [(Bump.MINOR, "", "requires", f"clients need {needed}", None, needed)]
    assert bump_of(more) is Bump.MINOR
    assert [(change.summary, change.before, change.after) for change in less] == [
        ("clients need no feature", "cascade", None)
    ]
    assert compare(needing("cascade"), needing("cascade")) == ()
