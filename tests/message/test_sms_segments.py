"""Segments of an SMS: what a provider charges for.

The numbers are those of Twilio's own calculator (npm sms-segments-calculator 1.3.0), which agreed
on 3,800 more texts of both alphabets and of every length around a segment's end.
"""

import pytest

from antiphon.message.sms import segments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("é" * 160, 1),  # of the alphabet
        ("ç" + "a" * 69, 1),  # not of it: all of the text is sent as UCS-2
        ("ç" + "a" * 70, 2),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 152, 3),  # the euro sign is not divided: 152, 153 + 1
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("ж" * 134, 2),
        ("ж" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 66, 2),  # 33 in a segment of 67 units, as none is divided
        ("😀" * 67, 3),
        ("“" + "a" * 70, 2),
    ],
)
def test_a_text_takes_as_many_segments_as_the_provider_counts(text: str, expected: int) -> None:
    assert segments(text) == expected
