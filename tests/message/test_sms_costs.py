"""What an SMS will cost, said before it is planned; and texts that nobody should get."""

import pytest
from message_fixtures import LINKS, campaign_of, templates_of, values_of

from antiphon.message.content import Email
from antiphon.message.sms import foreign
from antiphon.message.values import Unsendable


def warnings(text: str, languages: tuple[str, ...] = ("de",), **files: str) -> list[str]:
    """What check says about a service SMS of this text."""
    templates = templates_of({"hello/sms.j2": text} | files, languages)
    problems = templates.check(campaign_of(channels=["sms"]))
    assert all(problem.is_warning for problem in problems)
    return [str(problem) for problem in problems]


def test_an_sms_of_plain_characters_and_few_segments_passes_without_a_word():
    assert warnings("Hallo {{ customer.first_name | default('') }}, für Sie: 5 € [1] {2}") == []
    assert warnings("a" * 306) == []


def test_a_character_that_flips_an_sms_is_named_with_its_place():
    (found,) = warnings("Hallo {{ customer.first_name | default('du') }}\nzweite Zeile „hier\n")
    assert found.startswith("templates/hello/sms.j2:2:14: warning: '„' makes a segment hold 70")
    assert "zweite Zeile" in found


@pytest.mark.parametrize(
    "text",
    [
        "Hallo {{ customer.first_name | default('Freund…') }}",
        "{% macro hi() %}Hallo…{% endmacro %}{{ hi() }}",
        "{% if customer.is_member %}Hallo…{% endif %}Hi",
        "Hi {{ customer.order_count | plural('# Punkt…', '# Punkte') }}",
    ],
)
def test_it_is_found_wherever_it_may_be_printed(text):
    assert any("'…' makes a segment" in found for found in warnings(text))


def test_a_text_that_is_only_compared_with_flips_nothing():
    text = "Hi{% if customer.loyalty_tier == 'gold…' %}!{% endif %}"
    text += "{{ '?' if customer.loyalty_tier == 'x…' else '' }}"
    assert warnings(text) == []


def test_a_text_in_another_script_is_warned_of_by_its_segments_alone():
    assert warnings("Привет, " + "д" * 120, ("ru",)) == []
    (found,) = warnings("Привет, " + "д" * 130, ("ru",))
    assert "an SMS of 3 segments in 'ru', with sample values: 138 characters" in found


def test_an_sms_of_too_many_segments_with_sample_values_is_warned_of():
    text = "{{ customer.first_name | default('') }}" + "a" * 297
    assert warnings(text) == []  # Alexander: 306 characters
    (found,) = warnings(text + "b")
    assert "templates/hello/sms.j2: warning: an SMS of 3 segments in 'de'" in found
    assert "2 at most by sms.segments in config/settings.yaml" in found


def test_an_sms_that_says_nothing_is_warned_of():
    (found,) = warnings("{% if customer.loyalty_tier == 'gold' %}Hi{% endif %}")
    assert "warning: with sample values the SMS cannot be sent in 'de': it comes out empty" in found


def test_an_sms_that_is_too_long_for_everybody_is_an_error():
    templates = templates_of({"hello/sms.j2": "a" * 2_000}, ("de",))
    (found,) = templates.check(campaign_of(channels=["sms"]))
    assert not found.is_warning
    assert "cannot be sent in 'de': 2,000 characters, of 1,600 that" in found.message


# ---------------------------------------------------------------- texts that nobody should get


@pytest.mark.parametrize(
    ("part", "channel"), [("sms", "sms"), ("subject", "email"), ("body.html", "email")]
)
def test_an_empty_text_after_a_condition_is_held_back_for_that_person_alone(part, channel):
    files = {"hello/subject.j2": "Hi", "hello/body.html.j2": "<p>Hi</p>", "hello/sms.j2": "Hi"}
    files[f"hello/{part}.j2"] = "{% if customer.is_member %}Hi{% endif %}\n \u00a0"
    templates = templates_of(files)
    for is_member in (True, False):
        ask = ("hello", "default", "de"), values_of(is_member=is_member)
        work = [lambda a=ask: templates.render(*a[0], channel, a[1], LINKS)]
        if channel == "email":
            work.append(lambda a=ask: templates.personal(*a[0], a[1], LINKS))
        for each in work:
            if is_member:
                each()
                continue
            with pytest.raises(Unsendable) as held:
                each()
            assert str(held.value) == f"templates/hello/{part}.j2: it comes out empty"


def test_an_sms_longer_than_providers_take_is_held_back():
    templates = templates_of({"hello/sms.j2": "{{ customer.first_name }}"})
    ask = ("hello", "default", "de", "sms")
    assert templates.render(*ask, values_of(first_name="a" * 1_600), LINKS)
    with pytest.raises(Unsendable, match="2,000 characters, of 1,600 that providers take"):
        templates.render(*ask, values_of(first_name="a" * 2_000), LINKS)


def test_a_subject_with_line_breaks_is_one_line():
    name = "Ada\r\nBcc: x@example.org\u2028\x85"
    files = {"hello/subject.j2": "{{ customer.first_name }}\n!\n", "hello/body.html.j2": "<p>x</p>"}
    made = templates_of(files).personal("hello", "default", "de", values_of(first_name=name), LINKS)
    subject = (made if isinstance(made, Email) else made.whole()).subject
    assert subject == "Ada Bcc: x@example.org !"


def test_foreign_are_the_characters_beyond_the_alphabet_and_its_extension():
    assert foreign("Grüße @ 5 € [x] „q“ ç\n") == "„“ç"
