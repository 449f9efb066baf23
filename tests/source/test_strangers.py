"""Files in the shapes that strangers' repositories have are released, and mean what they mean to GitHub's tools."""

from __future__ import annotations

from collections import Counter

import pytest
import yaml

from promptops.core.finding import Severity
from promptops.core.template.template import Template
from tests.source.memory import checked
from tests.support.strangers import stranger

SEEDS = range(300)


@pytest.mark.parametrize("first", range(0, len(SEEDS), 30))
def test_what_the_format_takes_is_not_refused_and_is_sent_as_githubs_tools_send_it(first: int) -> None:
    for seed in SEEDS[first : first + 30]:
        made = stranger(seed)
        assert yaml.safe_load(made.text)["messages"], "any YAML reader takes the file"
        loaded = checked({"answer.prompt.yml": made.text})
        refused = [finding for finding in loaded.findings if finding.severity is Severity.ERROR]
        assert refused == [], f"seed {seed}"
        content = loaded.app("bot").content
        assert content is not None
        rendered = Template.compile(content.prompts[0]).render(made.values)
        assert [(message["role"], message["content"]) for message in rendered] == list(made.messages), f"seed {seed}"


def test_strangers_files_have_every_shape_that_is_made() -> None:
    """A generator that makes the same file again and again would hold nothing."""
    seen: Counter[str] = Counter()
    for seed in SEEDS:
        seen.update(finding.code for finding in checked({"answer.prompt.yml": stranger(seed).text}).findings)
    assert {
        "unknown-key",
        "model-without-provider",
        "model-missing",
        "floating-model",
        "evaluator-unknown",
        "evaluator-invalid",
        "string-operators",
        "wrong-type",
        "case-incomplete",
        "case-unfit",
    } <= seen.keys()
