"""What every provider must do; each adapter's tests inherit this class and give `provider`."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from antiphon.message.content import Email, Personal, Skeleton, Sms
from antiphon.providers import Blame, LookUp, Outcome, OutcomeKind, Outgoing, Provider

NOW = datetime(2026, 5, 12, 8, 0, tzinfo=UTC)
HEADERS = {
    "List-Unsubscribe": "<https://mail.linden.example/u/k1." + "a" * 90 + ">",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}


def email(**changes: object) -> Email:
    given: dict[str, object] = {
        "subject": "Grüße 🌿",
        "html": "<p>Schöne Grüße</p>",
        "text": "Schöne Grüße\n",
        "headers": HEADERS,
    }
    return Email(**(given | changes))  # type: ignore[arg-type]


def outgoing(number: int, channel: str = "email", **changes: object) -> Outgoing:
    given: dict[str, object] = {
        "message_id": f"{number:032x}",
        "campaign": "spring",
        "category": "promo",
        "arm": "default",
        "day": date(2026, 5, 12),
        "to": "ada@example.org" if channel == "email" else "+493012345678",
        "sender": "news@linden.example" if channel == "email" else "Linden",
        "sender_name": "Linden Apotheke, Köln",
        "content": email() if channel == "email" else Sms("Grüße 🌿"),
        "expires_at": NOW + timedelta(hours=24),
    }
    return Outgoing(**(given | changes))  # type: ignore[arg-type]


SKELETON = Skeleton(
    "Grüße 🌿 für {{1}}",
    "<p>Schöne Grüße, {{1}}: {{2}}</p>",
    "Schöne Grüße, {{1}}\n",
    ("{{1}}", "{{2}}"),
)


def personal(number: int, *values: str, **changes: object) -> Outgoing:
    """One of a batch: an e-mail as a skeleton and this person's values."""
    content = Personal(SKELETON, values or (f"Ada {number}", f"<b>{number}</b>"), HEADERS)
    return outgoing(number, **({"content": content} | changes))


def of(channel: str, number: int, **changes: object) -> Outgoing:
    """One that may be sent with others of its kind."""
    if channel == "email":
        return personal(number, **changes)
    return outgoing(number, channel, **changes)


def send(provider: Provider, *batch: Outgoing) -> list[Outcome]:
    """All of them, in requests as large as the provider takes."""
    size = provider.capabilities.batch_size

    async def sent() -> list[Outcome]:
        async with provider:
            return [
                outcome
                for start in range(0, len(batch), size)
                for outcome in await provider.send(batch[start : start + size], NOW)
            ]

    return asyncio.run(sent())


def look_up(provider: Provider, message: Outgoing) -> Outcome | None:
    """What the provider says of a message claimed a moment ago."""

    async def found() -> Outcome | None:
        async with provider:
            return await provider.lookup(message, NOW, NOW)

    return asyncio.run(found())


class ProviderContract:
    """Inherit, and write a fixture `provider`."""

    def test_it_says_what_it_can(self, provider: Provider) -> None:
        assert provider.name
        assert provider.channel in provider.capabilities.channels
        assert 1 <= provider.capabilities.batch_size <= 1000

    def test_every_message_gets_its_outcome_in_order(self, provider: Provider) -> None:
        batch = [of(provider.channel, number) for number in range(5)]
        outcomes = send(provider, *batch)
        assert [o.message_id for o in outcomes] == [m.message_id for m in batch]
        assert all(o.kind is OutcomeKind.ACCEPTED and o.evidence for o in outcomes)

    def test_a_whole_message_goes_alone(self, provider: Provider) -> None:
        (outcome,) = send(provider, outgoing(1, provider.channel))
        assert outcome.kind is OutcomeKind.ACCEPTED

    def test_an_empty_batch_is_no_error(self, provider: Provider) -> None:
        assert send(provider) == []

    @pytest.mark.parametrize("to", ["", "x", "a@b.de\r\nBcc: c@d.de", "a b@c.de", "@x.de", "a@"])
    def test_a_bad_address_is_refused_and_holds_up_nobody(
        self, provider: Provider, to: str
    ) -> None:
        batch = [of(provider.channel, n) for n in (1, 3)]
        first, second, third = send(provider, batch[0], of(provider.channel, 2, to=to), batch[1])
        assert {first.kind, third.kind} == {OutcomeKind.ACCEPTED}
        assert second.kind is OutcomeKind.REFUSED
        assert second.blame is Blame.MESSAGE
        assert not to or to not in second.evidence

    def test_a_message_of_another_channel_is_refused(self, provider: Provider) -> None:
        other = "sms" if provider.channel == "email" else "email"
        (outcome,) = send(provider, outgoing(1, other))
        assert outcome.kind is OutcomeKind.REFUSED

    def test_text_of_a_customer_that_looks_like_a_template_is_text(
        self, provider: Provider
    ) -> None:
        odd = "{{ customer }} {% x %} -name- \u202e 🌿 <b> '\" \\"
        message = (
            personal(1, odd, odd)
            if provider.channel == "email"
            else outgoing(1, "sms", content=Sms(odd))
        )
        assert [o.kind for o in send(provider, message)] == [OutcomeKind.ACCEPTED]

    def test_a_look_up_finds_what_was_sent_and_does_not_find_what_was_not(
        self, provider: Provider
    ) -> None:
        sent = outgoing(1, provider.channel)
        (outcome,) = send(provider, sent)
        found = look_up(provider, sent)
        assert found is not None
        assert found.kind is OutcomeKind.ACCEPTED
        assert found.provider_id.startswith(outcome.provider_id)
        other = Sms("another") if provider.channel == "sms" else email()
        missing = look_up(provider, outgoing(15**31, provider.channel, content=other))
        certain = provider.capabilities.look_up is LookUp.CERTAIN
        assert missing.kind is OutcomeKind.TRY_LATER if certain and missing else missing is None

    def test_evidence_holds_no_personal_data(self, provider: Provider) -> None:
        (outcome,) = send(provider, outgoing(1, provider.channel))
        assert "ada" not in outcome.evidence + outcome.provider_id
        assert "+49" not in outcome.evidence + outcome.provider_id

    def test_a_probe_finds_nothing_wrong(self, provider: Provider) -> None:
        async def probed() -> list[str]:
            async with provider:
                return await provider.probe()

        assert asyncio.run(probed()) == []
