"""The media type of bytes follows from the first of them, and a declared one has to agree."""

from __future__ import annotations

import pytest

from promptops.core.media import media_type_of, normal, sniff
from tests.support import media

IMAGES = {"image/png": media.png(), "image/jpeg": media.JPEG, "image/gif": media.GIF, "image/webp": media.WEBP}
SOUNDS = {
    "audio/wav": media.wav(),
    "audio/mpeg": media.MP3,
    "audio/flac": media.FLAC,
    "audio/ogg": media.OGG,
}
FILES = {"application/pdf": media.PDF}
ALL = {**IMAGES, **SOUNDS, **FILES}
KINDS = {**dict.fromkeys(IMAGES, "image"), **dict.fromkeys(SOUNDS, "audio"), **dict.fromkeys(FILES, "file")}


@pytest.mark.parametrize("media_type", ALL)
def test_the_first_bytes_say_what_a_file_is(media_type: str) -> None:
    assert sniff(ALL[media_type]) == media_type
    assert media_type_of(KINDS[media_type], ALL[media_type]) == media_type
    assert media_type_of(KINDS[media_type], ALL[media_type], media_type.upper()) == media_type


@pytest.mark.parametrize("media_type", ALL)
@pytest.mark.parametrize("declared", ALL)
def test_a_declared_type_has_to_agree_with_the_bytes(media_type: str, declared: str) -> None:
    if declared != media_type:
        with pytest.raises(ValueError, match=r"first bytes|belongs in|is not"):
            media_type_of(KINDS[declared], ALL[media_type], declared)


def test_mpeg_audio_is_known_without_tags_too() -> None:
    assert sniff(media.MP3_FRAME) == "audio/mpeg"
    assert sniff(b"\xff\xf1\x50\x80") == ""  # AAC, whose layer is none


@pytest.mark.parametrize("kind", ["image", "audio", "file"])
def test_an_empty_file_is_nothing(kind: str) -> None:
    with pytest.raises(ValueError, match="it is empty"):
        media_type_of(kind, b"")


@pytest.mark.parametrize(
    ("kind", "data", "declared", "said"),
    [
        ("image", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "", "not those of an image: PNG, JPEG, GIF or WebP"),
        ("image", media.PDF, "", "those of application/pdf, not of an image"),
        ("image", media.png(), "image/svg+xml", r"image/svg\+xml is not an image: PNG"),
        ("audio", media.png(), "", "those of image/png, not of audio"),
        ("file", media.png(), "", "those of image/png, which belongs in a part of `type: image`"),
        ("file", b"x", "audio/wav", "audio/wav belongs in a part of `type: audio`"),
        ("file", b"PK\x03\x04\xff", "", "say no media type, so `mediaType` has to"),
        ("file", b"PK\x03\x04\xff", "text/csv", "it says text/csv, and it is not UTF-8 text"),
        ("file", b"hello", "application/pdf", "its first bytes are not those of one"),
        ("file", b"hello", "pdf", "'pdf' is no media type, such as image/png"),
        ("file", b"hello", "text/plain; charset=utf-8", "is no media type"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(kind: str, data: bytes, declared: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        media_type_of(kind, data, declared)


def test_a_file_of_text_needs_no_type_and_one_of_bytes_has_what_it_declares() -> None:
    assert media_type_of("file", "Grüezi".encode()) == "text/plain"
    assert media_type_of("file", b"a,b", "text/csv") == "text/csv"
    assert media_type_of("file", b"{}", "application/json") == "application/json"
    docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    assert media_type_of("file", b"PK\x03\x04\xff", docx) == docx


def test_other_names_of_a_type_are_its_usual_one() -> None:
    assert [normal(name) for name in ("image/jpg", "audio/mp3", "audio/x-wav", " IMAGE/PNG ")] == [
        "image/jpeg",
        "audio/mpeg",
        "audio/wav",
        "image/png",
    ]
