"""What every provider must do; each adapter's tests inherit this class and give `provider`."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from antiphon.message.content import Email, Sms
from antiphon.providers import Outcome, OutcomeKind, Outgoing, Provider

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


def send(provider: Provider, *batch: Outgoing) -> list[Outcome]:
    return asyncio.run(provider.send(batch, NOW))


class ProviderContract:
    """Inherit, and write a fixture `provider`."""

    def test_it_names_itself_its_channel_and_its_batch(self, provider: Provider) -> None:
        assert provider.name
        assert provider.channel in ("email", "sms")
        assert provider.capabilities.batch_size >= 1

    def test_every_message_gets_its_outcome_in_order(self, provider: Provider) -> None:
        batch = [outgoing(number, provider.channel) for number in range(5)]
        outcomes = send(provider, *batch)
        assert [o.message_id for o in outcomes] == [m.message_id for m in batch]
        assert all(o.kind is OutcomeKind.ACCEPTED and o.evidence for o in outcomes)

    def test_an_empty_batch_is_no_error(self, provider: Provider) -> None:
        assert send(provider) == []

    @pytest.mark.parametrize("to", ["", "x", "a@b.de\r\nBcc: c@d.de", "a b@c.de", "@x.de", "a@"])
    def test_a_bad_address_is_refused_and_holds_up_nobody(
        self, provider: Provider, to: str
    ) -> None:
        batch = [outgoing(1, provider.channel), outgoing(2, provider.channel, to=to)]
        first, second = send(provider, *batch)
        assert first.kind is OutcomeKind.ACCEPTED
        assert second.kind is OutcomeKind.REFUSED
        assert not to or to not in second.evidence

    def test_a_message_of_another_channel_is_refused(self, provider: Provider) -> None:
        other = "sms" if provider.channel == "email" else "email"
        (outcome,) = send(provider, outgoing(1, other))
        assert outcome.kind is OutcomeKind.REFUSED

    def test_a_look_up_finds_what_was_sent_and_does_not_find_what_was_not(
        self, provider: Provider
    ) -> None:
        sent = outgoing(1, provider.channel)
        (outcome,) = send(provider, sent)
        found = asyncio.run(provider.lookup(sent, NOW, NOW))
        assert found is None or found.provider_id == outcome.provider_id
        unsent = outgoing(15**31, provider.channel)
        missing = asyncio.run(provider.lookup(unsent, NOW, NOW))
        assert missing is None or missing.kind is OutcomeKind.TRY_LATER

    def test_evidence_holds_no_personal_data(self, provider: Provider) -> None:
        (outcome,) = send(provider, outgoing(1, provider.channel))
        assert "ada" not in outcome.evidence + outcome.provider_id
        assert "+49" not in outcome.evidence + outcome.provider_id
