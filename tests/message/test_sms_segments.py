"""Segments of an SMS: what a provider charges for.

The numbers are those of Twilio's own calculator (npm sms-segments-calculator), which is asked here
about thousands of texts of all alphabets and of every length around a segment's end, where
`.ci/run` has installed it.
"""

import json
import random
import shutil
import subprocess
from pathlib import Path

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


CALCULATOR = Path(__file__).parents[2] / "var/npm/node_modules/sms-segments-calculator"
ASK = """
const { SegmentedMessage } = require(process.argv[1]);
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
const counts = texts.map((text) => new SegmentedMessage(text, "auto").segmentsCount);
console.log(JSON.stringify(counts));
"""
ALPHABETS = (
    "ab c\n",
    "aäöü€ß",
    "a[]{}|^~\\€",
    "aç",
    "аж ",
    "a😀",
    "€😀é",
    "a\u00a0",
    "a\r\n",
)


def texts_around_the_end_of_a_segment() -> list[str]:
    """Of every alphabet, at every length up to three units from where a segment may end."""
    draw = random.Random(7)
    ends = [
        one
        for joined, alone in ((153, 160), (67, 70))
        for one in (alone, *range(joined, 700, joined))
    ]
    lengths = {1, *(end // size + off for end in ends for size in (1, 2) for off in range(-3, 4))}
    return [
        "".join(draw.choices(alphabet, k=length))
        for alphabet in ALPHABETS
        for length in sorted(lengths)
        if length > 0
        for _ in range(3)
    ]


# Of scripts and emoji whose letters are made of several characters the calculator divides no
# letter, phones and we do: its count may then be one more.
@pytest.mark.skipif(
    not CALCULATOR.exists() or shutil.which("node") is None,
    reason="Twilio's calculator is not installed: .ci/run does it",
)
def test_twilios_own_calculator_counts_the_same() -> None:
    texts = texts_around_the_end_of_a_segment()
    assert len(texts) > 2_500
    asked = subprocess.run(
        ["node", "-e", ASK, str(CALCULATOR)],
        input=json.dumps(texts),
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    counts = json.loads(asked.stdout)
    differing = {
        text: (segments(text), count)
        for text, count in zip(texts, counts, strict=True)
        if segments(text) != count
    }
    assert differing == {}
