"""The chapter of the demo about evidence: three wordings of one prompt for a small model, and what a gate says of each.

Its answers are real ones, recorded by :mod:`tests.journey.record`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from tests.journey.terminal import EXAMPLE, Terminal, expect

ANSWERS: Final = Path(__file__).with_name("recorded") / "sentiment"
PROMPT: Final = "apps/sentiment/prompts/classify.prompt.yml"
PIN: Final = "local/smollm2-135m-instruct-q4_1-2024-10-31"

_INPUTS = """\
name: Classify
description: Reads one message of a customer and says one word, positive or negative.
model: reader
inputs:
  message:
    type: string
    description: The message, as the customer wrote it.
    minLength: 1
    maxLength: 2000
messages:
"""
_QUESTION = '  - {role: user, content: "{{ message }}"}\n'

WORDINGS: Final = (
    f"{_INPUTS}  - {{role: system, content: 'Is the message of this customer positive or negative?'}}\n{_QUESTION}",
    f"""\
{_INPUTS}\
  - role: system
    content: "Classify the sentiment of the customer message. Answer with one word: positive or negative."
  - {{role: user, content: I like it very much.}}
  - {{role: assistant, content: positive}}
  - {{role: user, content: It is broken and useless.}}
  - {{role: assistant, content: negative}}
  - {{role: user, content: "Quick and friendly help, thanks."}}
  - {{role: assistant, content: positive}}
  - {{role: user, content: Still no answer after a week.}}
  - {{role: assistant, content: negative}}
{_QUESTION}""",
    (EXAMPLE / PROMPT).read_text(encoding="utf-8"),
)
"""The prompt file as it was first, then, and is now."""


def evaluate(terminal: Terminal, commit: str) -> None:
    """Three releases of the small model's app in front of a gate; ``commit`` is how a commit is typed."""
    terminal.tell("A third app: a small model of our own. What it says has to be right before the desk sees it.")
    shutil.copytree(EXAMPLE / "apps/sentiment", terminal.directory / "apps/sentiment")
    shutil.copytree(ANSWERS, terminal.directory / "recorded")
    _write(terminal, 0)
    terminal.quietly("git", "add", "--all")
    terminal.quietly("git", "commit", "--quiet", "--message", "sentiment: one word for each message")
    terminal.promptops("gate --explain-policy --channel desk")
    terminal.promptops("release sentiment")
    refusal = terminal.promptops("promote sentiment@0.1.0 --channel desk", exits=5)
    expect("no run" in refusal, "nothing is live that was not evaluated")
    terminal.tell("The model answers in sentences, which the desk's program cannot read. (Its answers are recorded.)")
    terminal.promptops("eval sentiment@0.1.0 --channel desk --replay recorded", exits=5)
    _ask(terminal, "0.1.0", required="fail", bar="fail")
    terminal.tell("With examples it says one of the two words. Which one is right about as often as not:")
    _release(terminal, 1, commit, "show it examples")
    terminal.promptops("eval sentiment@0.2.0 --channel desk --replay recorded")
    verdict = _ask(terminal, "0.2.0", required="pass", bar="inconclusive")
    expect("missing" in verdict, "the verdict says how many cases are missing")
    terminal.tell("Better examples, and a schema for the answer:")
    _release(terminal, 2, commit, "better examples, and a schema")
    terminal.promptops("eval sentiment@0.3.0 --channel desk --replay recorded")
    terminal.promptops("promote sentiment@0.3.0 --channel desk")
    team = terminal.directory / ".promptops/team.git"
    terminal.quietly("git", "init", "--quiet", "--bare", str(team))
    terminal.quietly("git", "push", "--quiet", str(team), "HEAD:main")
    terminal.tell("A model that moves by itself stays out, whatever it answers:")
    app = terminal.directory / "apps/sentiment/app.yml"
    app.write_text(app.read_text(encoding="utf-8").replace(PIN, "local/smollm2-135m-instruct"), encoding="utf-8")
    terminal.type(commit.format("sentiment: the newest model"))
    terminal.promptops("release sentiment")
    refusal = terminal.promptops("promote sentiment@0.4.0 --channel desk", exits=5)
    expect("floating" in refusal, "the refusal names the model pin")
    terminal.tell("Nor does it leave this clone: a hook of git asks the channel about every push.")
    terminal.promptops("hooks install --pre-push --channel desk")
    refusal = terminal.type("git push .promptops/team.git HEAD:main", exits=1)
    expect("floating" in refusal and "failed to push" in refusal, "git refuses the push, and the hook says why")
    (terminal.directory / ".git/hooks/pre-push").unlink()


def _release(terminal: Terminal, wording: int, commit: str, message: str) -> None:
    _write(terminal, wording)
    terminal.type(commit.format(f"sentiment: {message}"))
    terminal.promptops("release sentiment")


def _write(terminal: Terminal, wording: int) -> None:
    (terminal.directory / PROMPT).write_text(WORDINGS[wording], encoding="utf-8")


def _ask(terminal: Terminal, version: str, **checks: str) -> str:
    """The gate's words about a release, whose checks have these outcomes."""
    said = terminal.promptops(f"gate sentiment@{version} --channel desk", exits=5)
    outcomes = {
        check["name"]: check["outcome"]
        for check in terminal.ask(f"gate sentiment@{version} --channel desk", exits=5)["checks"]
    }
    expect(outcomes == checks, f"the gate says {checks} of {version}, not {outcomes}")
    return said
