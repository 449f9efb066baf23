"""Finds characters that a model reads and a person does not see, and characters that make a text look like another.

Legitimate uses stay: joiners inside emoji and between letters of scripts that join, variation selectors behind a
character that has such a variant, three flags. The rules are Unicode's. Names and categories come from
:mod:`unicodedata`; properties that it lacks are listed here with their source.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Set

_PLAIN = frozenset(map(chr, range(0x20, 0x7F))) | {"\n", "\t"}
_PLAIN_BYTES = "".join(_PLAIN).encode("ascii")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_JOINERS = frozenset("\u200c\u200d")
_MONGOLIAN = frozenset("\u180b\u180c\u180d\u180f")
_BLANK = "\u2800"
# Characters without a glyph whose category is not that of format characters: fillers, a null note, separators.
_WITHOUT_GLYPH = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2028\u2029\u3164\uffa0\U00016fe4\U0001d159")
# Format characters that are seen: the property Prepended_Concatenation_Mark of PropList.txt, Unicode 17.
_SEEN = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
# England, Scotland, Wales: RGI_Emoji_Tag_Sequence of emoji-sequences.txt, Unicode 17.
_FLAG = re.compile(
    "\U0001f3f4\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074"
    "|\U000e0077\U000e006c\U000e0073)\U000e007f"
)
# Bases of emoji-variation-sequences.txt, Unicode 17: what U+FE0E and U+FE0F may stand behind.
_EMOJI = """
23 2a 30-39 a9 ae 203c 2049 2122 2139 2194-2199 21a9-21aa 231a-231b 2328 23cf 23e9-23f3 23f8-23fa 24c2 25aa-25ab 25b6
25c0 25fb-25fe 2600-2604 260e 2611 2614-2615 2618 261d 2620 2622-2623 2626 262a 262e-262f 2638-263a 2640 2642 2648-2653
265f-2660 2663 2665-2666 2668 267b 267e-267f 2692-2697 2699 269b-269c 26a0-26a1 26a7 26aa-26ab 26b0-26b1 26bd-26be
26c4-26c5 26c8 26ce-26cf 26d1 26d3-26d4 26e9-26ea 26f0-26f5 26f7-26fa 26fd 2702 2705 2708-270d 270f 2712 2714 2716 271d
2721 2728 2733-2734 2744 2747 274c 274e 2753-2755 2757 2763-2764 2795-2797 27a1 27b0 27bf 2934-2935 2b05-2b07 2b1b-2b1c
2b50 2b55 3030 303d 3297 3299 1f004 1f170-1f171 1f17e-1f17f 1f202 1f21a 1f22f 1f237 1f30d-1f30f 1f315 1f31c 1f321
1f324-1f32c 1f336 1f378 1f37d 1f393 1f396-1f397 1f399-1f39b 1f39e-1f39f 1f3a7 1f3ac-1f3ae 1f3c2 1f3c4 1f3c6 1f3ca-1f3ce
1f3d4-1f3e0 1f3ed 1f3f3 1f3f5 1f3f7 1f408 1f415 1f41f 1f426 1f43f 1f441-1f442 1f446-1f449 1f44d-1f44e 1f453 1f46a 1f47d
1f4a3 1f4b0 1f4b3 1f4bb 1f4bf 1f4cb 1f4da 1f4df 1f4e4-1f4e6 1f4ea-1f4ed 1f4f7 1f4f9-1f4fb 1f4fd 1f508 1f50d 1f512-1f513
1f549-1f54a 1f550-1f567 1f56f-1f570 1f573-1f579 1f587 1f58a-1f58d 1f590 1f5a5 1f5a8 1f5b1-1f5b2 1f5bc 1f5c2-1f5c4
1f5d1-1f5d3 1f5dc-1f5de 1f5e1 1f5e3 1f5e8 1f5ef 1f5f3 1f5fa 1f610 1f687 1f68d 1f691 1f694 1f698 1f6ad 1f6b2 1f6b9-1f6ba
1f6bc 1f6cb 1f6cd-1f6cf 1f6e0-1f6e5 1f6e9 1f6f0 1f6f3
"""
# What has variants U+FE00 and on in StandardizedVariants.txt, Unicode 17, that its name does not tell: mathematical
# signs, the digit zero, script capitals, and quotes and stops of East Asia.
_STANDARDIZED = """
30 2018-2019 201c-201d 2205 210b 2110 2112 211b 212c 2130-2131 2133 2229-222a 2268-2269 2272-2273 228a-228b 2293-2295
2297 229c 22da-22db 2a3c-2a3d 2a9d-2a9e 2aac-2aad 2acb-2acc 3001-3002 ff01 ff0c ff0e ff10 ff1a-ff1b ff1f 1d49c-1d4b5
"""
_VARIED = ("CJK ", "MYANMAR ", "PHAGS-PA ", "MANICHAEAN ", "EGYPTIAN ")
_IDEOGRAPHS = ("CJK UNIFIED ", "CJK COMPATIBILITY IDEOGRAPH-")
# Scripts whose letters neither join nor stack: nothing between them needs a joiner.
_UNJOINED = ("LATIN ", "GREEK ", "CYRILLIC ", "ARMENIAN ", "GEORGIAN ", "HANGUL ", "HIRAGANA ", "KATAKANA ", "CJK ")
_VIRAMA = 9  # the combining class of what kills a vowel: behind it a joiner says how, also at the end of a word
_STACKED, _STACKED_ANYWHERE = 8, 4
"""Marks that one letter bears at most in its script; marks of no script, such as accents, at most."""


def strange(text: str) -> Iterator[tuple[int, str]]:
    """The places of strange characters in a text, each with the code of its finding; of one character in order."""
    if text.isascii() and not text.encode("ascii").translate(None, _PLAIN_BYTES):
        return
    odd = set(text) - _PLAIN
    codes = {char: code for char in odd if (code := _code(char))}
    if codes:
        proper = {place for match in _FLAG.finditer(text) for place in range(*match.span())}
        for match in re.finditer(_one_of(codes), text):
            place = match.start()
            if place not in proper and not _belongs(text, place):
                yield place, codes[match[0]]
    for place in _stacked(text, odd):
        yield place, "strange-character"


def _one_of(chars: Iterable[str]) -> str:
    return f"[{''.join(map(re.escape, chars))}]"


def _code(char: str) -> str:
    """The code of a character that is strange, or would be in another place; empty for all others."""
    point = ord(char)
    if char in _BIDI:
        return "bidi-character"
    if 0xE0000 <= point <= 0xE007F:
        return "tag-character"
    if char in _WITHOUT_GLYPH or char in _MONGOLIAN or char == _BLANK or _is_selector(char):
        return "invisible-character"
    category = unicodedata.category(char)
    if category == "Cc":
        return "control-character"
    if category == "Cf":
        return "" if char in _SEEN else "invisible-character"
    return "strange-character" if category in ("Co", "Cn") else ""


def _belongs(text: str, place: int) -> bool:
    """True for a joiner, selector or blank where Unicode has a use for it."""
    char, before, after = text[place], text[place - 1 : place] or " ", text[place + 1 : place + 2] or " "
    if _is_selector(char):
        return _has_variant(before, char)
    if char in _MONGOLIAN:
        return _name(before).startswith("MONGOLIAN LETTER")
    if char == _BLANK:  # between letters of braille it is their space, and a row of it is nothing
        return _BLANK not in (before, after) and any(_is_braille(neighbour) for neighbour in (before, after))
    if char not in _JOINERS:
        return False
    if unicodedata.combining(before) == _VIRAMA:
        return True
    left, right = _neighbour(text, place, -1), _neighbour(text, place, 1)
    if char == "\u200d" and _is_emoji(left) and _is_emoji(right):
        return True
    return all(unicodedata.category(neighbour)[0] in "LM" and _may_join(neighbour) for neighbour in (left, right))


def _is_selector(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _has_variant(base: str, selector: str) -> bool:
    if selector in "\ufe0e\ufe0f":
        return base in _range(_EMOJI)
    if selector >= "\U000e0100":
        return _name(base).startswith(_IDEOGRAPHS)
    if selector > "\ufe02":
        return selector <= "\ufe06" and _name(base).startswith("EGYPTIAN ")
    return base in _range(_STANDARDIZED) or _name(base).startswith(_VARIED)


def _is_braille(char: str) -> bool:
    return "\u2801" <= char <= "\u28ff"


def _is_emoji(char: str) -> bool:
    return unicodedata.category(char) == "So" or (char in _range(_EMOJI) and not char.isascii())


def _may_join(char: str) -> bool:
    return not char.isascii() and not _name(char).startswith(_UNJOINED)


def _neighbour(text: str, place: int, step: int) -> str:
    """Returns the nearest of three characters that is neither a selector nor a skin tone, or else a space."""
    for at in range(place + step, place + 4 * step, step):
        if not 0 <= at < len(text):
            break
        if not _is_selector(text[at]) and not "\U0001f3fb" <= text[at] <= "\U0001f3ff":
            return text[at]
    return " "


def _stacked(text: str, odd: Set[str]) -> Iterator[int]:
    """The places of marks that are more than one letter bears."""
    marks = {char for char in odd if unicodedata.category(char) in ("Mn", "Me") and not _is_selector(char)}
    anywhere = {char for char in marks if _name(char).startswith("COMBINING ")}
    for chars, most, theirs in ((marks, _STACKED, marks - anywhere), (anywhere, _STACKED_ANYWHERE, anywhere)):
        for match in re.finditer(f"{_one_of(chars)}{{{most + 1},}}", text) if chars else ():
            yield from (place for place in range(match.start() + most, match.end()) if text[place] in theirs)


@functools.cache
def _range(written: str) -> frozenset[str]:
    """The characters of a list of ranges in hexadecimal."""
    ends = [each.partition("-") for each in written.split()]
    return frozenset(chr(at) for low, _, high in ends for at in range(int(low, 16), int(high or low, 16) + 1))


def _name(char: str) -> str:
    return unicodedata.name(char, "")
