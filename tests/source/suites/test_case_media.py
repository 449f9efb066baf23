"""A test case may have an image, a file or audio: a path below the folder of its suite, bytes, or a URL."""

from __future__ import annotations

import base64

import pytest

from promptops.core.digest import digest
from promptops.core.suite.suite import Case, case_digest
from promptops.source.load import Loaded
from tests.source.memory import checked
from tests.support import media

PROMPT = """model: openai/gpt-5.2-2025-12-11
inputs: {photo: {type: image}, plan: {type: file, default: null}}
messages:
  - role: user
    content:
      - {type: text, text: "What is on {{ what }}?"}
      - {type: image, input: photo}
      - {type: file, input: plan}
"""
SUITE = "prompts: [see]\nchecks: [{contains: shelf}]\ncases:\n"
PNG_64 = base64.b64encode(media.png()).decode()


def load(*cases: str, own: bool = False) -> Loaded:
    listed = "".join(f"  - {case}\n" for case in cases)
    evaluators = "evaluators: [{name: c, string: {contains: shelf}}]\n"
    files: dict[str, str | bytes] = {
        "prompts/see.prompt.yml": f"{PROMPT}testData:\n{listed}{evaluators}" if own else PROMPT,
        "files/shelf.png": media.png(),
        "evals/pictures/shelf.png": media.png(),
        "evals/pictures/plan.pdf": media.PDF,
        "evals/pictures/lfs.png": b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n",
    }
    if not own:
        files["evals/pictures/good.suite.yml"] = SUITE + listed
    return checked(files)


def only_case(loaded: Loaded, suite: str = "pictures/good") -> Case:
    assert loaded.findings == ()
    [case] = loaded.app("bot").suites[suite].cases
    return case


DESCRIBED = {"type": "image", "media_type": "image/png", "bytes": len(media.png()), "digest": digest(media.png())}


@pytest.mark.parametrize(
    "value",
    ["{file: shelf.png}", "shelf.png", f"{{data: {PNG_64}}}", "{file: ../pictures/shelf.png, mediaType: image/png}"],
)
def test_a_case_is_known_by_the_digest_of_its_image_and_has_the_bytes_beside(value: str) -> None:
    case = only_case(load(f"{{what: it, photo: {value}}}"))
    assert case.variables == {"what": "it", "photo": DESCRIBED}
    assert case.values(["photo", "what", "plan"]) == {
        "photo": {"data": PNG_64, "media_type": "image/png"},
        "what": "it",
    }


def test_a_url_stays_one() -> None:
    case = only_case(load("{what: it, photo: 'https://a.b/c.png', plan: {url: 'https://a.b/c.pdf'}}"))
    assert case.variables["photo"] == {"type": "image", "url": "https://a.b/c.png"}
    assert case.values(["plan"]) == {"plan": {"type": "file", "url": "https://a.b/c.pdf"}}


def test_a_file_has_its_name() -> None:
    case = only_case(load("{what: it, photo: shelf.png, plan: plan.pdf}"))
    assert case.values(["plan"]) == {
        "plan": {"data": base64.b64encode(media.PDF).decode(), "media_type": "application/pdf", "filename": "plan.pdf"}
    }


def test_test_data_of_a_prompt_file_names_files_of_the_app() -> None:
    loaded = load("{what: it, photo: files/shelf.png}", own=True)
    assert only_case(loaded, "see").variables["photo"] == DESCRIBED
    content = loaded.app("bot").content
    assert content is not None and content.prompts[0].written[0].parts[1].blob is None
    assert "bot/files/shelf.png" not in loaded.app("bot").files  # no part of the release


def test_the_digest_of_a_case_is_that_of_the_bytes() -> None:
    named, given, other = (
        only_case(load(f"{{what: it, photo: {value}}}"))
        for value in ("shelf.png", f"{{data: {PNG_64}}}", f"{{data: {base64.b64encode(media.png(3, 3)).decode()}}}")
    )
    assert named.id == given.id != other.id
    assert case_digest(named, []) == case_digest(given, []) != case_digest(other, [])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("5", "wrong-type: 'photo' is of type image, and this is no mapping"),
        ("{file: none.png}", "file-missing: there is no file 'evals/pictures/none.png' in the app's folder"),
        ("{file: ../../files/shelf.png}", "file-missing: 'files/shelf.png' is not in the app's evals/ folder"),
        ("{file: ../../../etc/passwd}", "file-missing: '../etc/passwd' is not in the app's evals/ folder"),
        ("/etc/passwd", "file-missing: '/etc/passwd' is not in the app's evals/ folder"),
        ("plan.pdf", "media-type: 'photo': its first bytes are those of application/pdf, not of an image"),
        ("lfs.png", "lfs-pointer: evals/pictures/lfs.png is a Git LFS pointer"),
        ("{file: shelf.png, url: 'https://a.b/c'}", "media-type: 'photo': an image has `data` or a `url`"),
        ("{url: 'file:///etc/passwd'}", "media-type: 'photo': the URL of an image: 'file:///etc/passwd' is not"),
        ("{path: shelf.png}", "media-type: 'photo': a path is read by promptops.Image"),
    ],
)
def test_what_is_wrong_with_a_value_is_said_and_stops_no_release(value: str, said: str) -> None:
    loaded = load(f"{{what: it, photo: {value}}}")
    found = [f"{finding.code}: {finding.message}" for finding in loaded.findings]
    assert any(finding.startswith(said) for finding in found), found
    assert loaded.app("bot").content is not None
