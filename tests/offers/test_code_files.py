"""Codes go out to the tills as a file, and come back as one."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.errors import UserFilesError
from antiphon.keys import code_key
from antiphon.message.codes import (
    ALPHABET,
    LENGTH,
    code_secret,
    is_well_formed,
    made,
    sample,
    written,
)
from antiphon.offers.uses import read_lines

NOW = datetime(2026, 5, 12, 8, tzinfo=UTC)
KEY = code_secret("secret")


def lines(text: str) -> list[tuple[object, ...]]:
    told = read_lines(text, "file", "Europe/Berlin", NOW).told
    return [(one.code, one.redeemed_at, one.customer_id, one.amount_e4) for one in told]


def test_the_alphabet_has_nothing_that_looks_alike_nor_a_vowel() -> None:
    for group in ("0OQD", "1IL", "2Z", "5S", "8B", "6G", "UV"):
        assert len(set(group) & set(ALPHABET)) <= 1
    assert not set("AEIOU") & set(ALPHABET)
    assert len(ALPHABET) ** (LENGTH - 1) > 2**50  # bits that nobody can guess


def test_codes_of_many_occurrences_differ_and_use_every_character_alike() -> None:
    codes = [made(KEY, f"winback||once|c{number}") for number in range(20_000)]
    assert len(set(codes)) == len(codes)
    counts = [sum(code.count(each) for code in codes) for each in ALPHABET]
    mean = sum(counts) / len(counts)
    assert all(abs(count - mean) < 6 * mean**0.5 for count in counts)


def test_another_secret_gives_other_codes() -> None:
    assert made(KEY, "winback||once|c1") != made(code_secret("other"), "winback||once|c1")


@given(
    st.text(alphabet=ALPHABET, min_size=1, max_size=20),
    st.integers(0, LENGTH - 1),
    st.integers(1, len(ALPHABET) - 1),
)
def test_a_wrong_character_and_two_changed_places_are_noticed(
    occurrence: str, place: int, shift: int
) -> None:
    code = made(KEY, occurrence)
    assert is_well_formed(code)
    wrong = ALPHABET[(ALPHABET.index(code[place]) + shift) % len(ALPHABET)]
    assert not is_well_formed(code[:place] + wrong + code[place + 1 :])
    swapped = code[:place] + code[place : place + 2][::-1] + code[place + 2 :]
    assert swapped == code or not is_well_formed(swapped)


@given(st.from_regex(r"[A-Z0-9]{0,8}", fullmatch=True), st.text(max_size=30))
def test_what_is_printed_is_read_back(prefix: str, occurrence: str) -> None:
    code = prefix + made(KEY, occurrence)
    assert code_key(written(code).lower()) == code
    assert len(sample(prefix)) == len(written(code))
    assert not is_well_formed(code_key(sample(prefix))[-LENGTH:])


def test_a_file_of_uses_is_read_however_it_was_saved() -> None:
    berlin = datetime(2026, 5, 11, 16, 30, tzinfo=UTC)
    for text in (
        "code,redeemed_at,customer_id,discount\nwb-1 a,2026-05-11T18:30,c1,4.50\n",
        "Code;redeemed_at;customer_id;discount\r\nwb-1 a;2026-05-11 18:30;c1;4,50\r\n",
        'code,redeemed_at,customer_id,discount\n\n"WB1A","2026-05-11T16:30:00Z",c1,-4.5\n',
    ):
        assert lines(text) == [("WB1A", berlin, "c1", 45_000)]
    assert lines("code\nA\n") == [("A", NOW, None, None)]


def test_bad_lines_are_told_with_their_numbers_and_keep_nothing_of_the_others() -> None:
    text = "code,redeemed_at,discount\nA,,\n,,5\nB,tomorrow,\nC,2027-01-01,\nD,,free\nE,,1\n"
    found = read_lines(text, "file", "Europe/Berlin", NOW)
    assert [one.code for one in found.told] == ["A", "E"]
    assert {number: fault.split(":")[0] for number, fault in found.faults.items()} == {
        3: "'code' is empty",
        4: "'redeemed_at' is no instant",
        5: "'redeemed_at' is still to come",
        6: "'discount' is no amount of money",
    }
    assert not any("tomorrow" in fault or "free" in fault for fault in found.faults.values())


@pytest.mark.parametrize("text", ["", "number\n1\n", "code,colour\nA,red\n"])
def test_a_file_without_codes_is_refused(text: str) -> None:
    with pytest.raises(UserFilesError, match="line 1"):
        read_lines(text, "file", "Europe/Berlin", NOW)


@given(st.text())
def test_no_text_whatever_raises_anything_else(text: str) -> None:
    with contextlib.suppress(UserFilesError):
        read_lines("code,discount\n" + text, "file", "Europe/Berlin", NOW)


def test_a_line_without_a_moment_is_the_same_use_whenever_its_file_is_read() -> None:
    def ids(text: str, name: str = "monday.csv", hours: int = 0) -> list[str]:
        now = NOW + timedelta(hours=hours)
        told = read_lines(text, "file", "Europe/Berlin", now, name=name).told
        return [one.redemption_id for one in told]

    text = "code,customer_id\nSPRING,\nSPRING,\nSPRING,c1\nWB1A,c2\n"
    first = ids(text)
    assert len(set(first)) == 4
    assert ids(text, hours=1) == first
    assert set(first) < set(ids(text + "SPRING,\n", hours=1))  # the file grew, or was mended
    assert not set(first) & set(ids(text, "tuesday.csv"))
    timed = "code,redeemed_at\nSPRING,2026-05-11T18:30\n"
    assert ids(timed) == ids(timed, "tuesday.csv", hours=1)
