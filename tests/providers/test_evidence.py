"""What a provider says of a failure is shown without anybody's data."""

from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.providers.evidence import LONGEST, without_people

WORDS = st.lists(st.sampled_from(["is", "not", "valid:", "for", "number", "(code 21211)"]))
NUMBERS = st.from_regex(r"\+[1-9][0-9]{1,2}[ -]?[0-9]{3}[ -]?[0-9]{4,6}", fullmatch=True)


@settings(max_examples=60, deadline=None)
@given(before=WORDS, after=WORDS, person=st.emails() | NUMBERS)
def test_no_address_and_no_number_is_shown(
    before: list[str], after: list[str], person: str
) -> None:
    said = without_people(" ".join([*before, person, *after]))
    assert person not in said
    assert "@" not in said
    assert len(said) <= LONGEST


@given(st.text(max_size=400))
def test_it_is_one_short_line_whatever_was_said(text: str) -> None:
    said = without_people(text)
    assert len(said) <= LONGEST
    assert said.isprintable()


def test_codes_stay_readable() -> None:
    said = "The 'To' number +49 30 12345678 of [ada@example.org] is not valid (code 21211)"
    assert without_people(said) == "The … number … of … is not valid (code 21211)"
