"""What the adapters send, and what the sandbox answers, checked against the official contracts."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from official_contracts import proxy, strict_sendgrid, strict_twilio
from provider_contract import HEADERS, NOW, SKELETON, email, outgoing, personal, send

from antiphon.message.content import Personal, Sms
from antiphon.providers import Access, OutcomeKind, Provider, sandbox, sendgrid, twilio
from antiphon.providers.transport import Transport
from antiphon.sandbox.server import Sandbox, running

SECRETS = {"key": sandbox.KEY, "account": sandbox.ACCOUNT_SID, "token": sandbox.AUTH_TOKEN}
BASE_URL = "https://mail.linden.example"
ODD = "„Grüße“ 🌿 \u0645\u0631\u062d\u0628\u0627 {{ x }} %s -name- <b> & \" ' \\ ; , |"
ACCEPTED = {OutcomeKind.ACCEPTED}
BODY: dict[str, object] = {
    "from": {"email": "news@linden.example"},
    "subject": "Hi",
    "content": [{"type": "text/plain", "value": "Hi"}],
    "personalizations": [{"to": [{"email": "ada@example.org"}]}],
}


@dataclass(frozen=True)
class Checked:
    """The sandbox, and the addresses of the proxies before it."""

    box: Sandbox
    sendgrid: str
    twilio: str

    def count(self) -> int:
        return sum(self.box.accepted().values())


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checked]:
    folder: Path = tmp_path_factory.mktemp("contracts")
    specs = strict_sendgrid(), strict_twilio()
    with ExitStack() as stack:
        box = stack.enter_context(running())
        with ThreadPoolExecutor() as both:  # each takes seconds to start
            starting = [
                both.submit(stack.enter_context, proxy(one, box.url, folder)) for one in specs
            ]
            first, second = (one.result() for one in starting)
        yield Checked(box, first, second)


def opened(url: str, channel: str, **options: str) -> Provider:
    adapter = sendgrid if channel == "email" else twilio
    access = Access("a", channel, url, SECRETS, options, time_out=20, callback_url=BASE_URL)
    return adapter.open_account(access)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "categories": "campaign, category, arm",
            "unsubscribe_groups": "promo=12",
            "ip_pool": "warm",
        },
        {"categories": "none", "sandbox_mode": "no"},
    ],
)
def test_batches_and_single_emails_keep_sendgrids_contract(
    checked: Checked, options: dict[str, str]
) -> None:
    before = checked.count()
    provider = opened(checked.sendgrid, "email", **options)
    assert {o.kind for o in send(provider, *(personal(n) for n in range(1000)))} == ACCEPTED
    odd = outgoing(
        1, content=email(subject=ODD, html=ODD, text=ODD, headers=HEADERS), sender_name=ODD
    )
    assert {o.kind for o in send(provider, odd)} == ACCEPTED
    plain = outgoing(2, content=email(text="", headers={}), sender_name="", is_test=True)
    assert {o.kind for o in send(provider, plain)} == ACCEPTED
    bare = [outgoing(n, content=Personal(SKELETON, (ODD, ""), {})) for n in (3, 4)]
    assert {o.kind for o in send(provider, *bare)} == ACCEPTED
    assert checked.count() == before + 1004


@pytest.mark.parametrize(
    "options", [{}, {"messaging_service": "MG" + "1" * 32}, {"callbacks": "no"}]
)
@pytest.mark.parametrize("text", ["Hi", ODD, "ü" * 1600], ids=["plain", "odd", "long"])
def test_sms_keep_twilios_contract(checked: Checked, options: dict[str, str], text: str) -> None:
    provider = opened(checked.twilio, "sms", **options)
    for hours in (1, 200):
        later = NOW + timedelta(hours=hours)
        (outcome,) = send(provider, outgoing(1, "sms", content=Sms(text), expires_at=later))
        assert outcome.kind is OutcomeKind.ACCEPTED, outcome.evidence


def test_a_look_up_keeps_twilios_contract(checked: Checked) -> None:
    async def asked() -> object:
        async with opened(checked.twilio, "sms") as provider:
            message = outgoing(77, "sms", to="+493087654321", content=Sms("look for me"))
            (sent,) = await provider.send([message], NOW)
            found = await provider.lookup(message, NOW, NOW)
            return found is not None and found.provider_id == sent.provider_id

    assert asyncio.run(asked())


@pytest.mark.parametrize(
    "change",
    [
        {"send_at": "tomorrow"},
        {"custom_arg": {}},
        {"personalizations": []},
        {"personalizations": [{"to": []}]},
        {"personalizations": [{"to": [{"email": "a@b.de"}], "custom_args": {"n": 1}}]},
        {"from": {"email": "nope"}},
        {"content": [{"type": "text/plain", "value": ""}]},
        {"subject": ""},
    ],
)
def test_what_breaks_the_contract_never_reaches_the_sandbox(
    checked: Checked, change: dict[str, object]
) -> None:
    """Else this file would prove nothing."""
    before = len(checked.box.entries())
    assert post(checked, {**BODY, **change}) == 422
    assert len(checked.box.entries()) == before
    assert post(checked, BODY) == 202


def test_the_sandboxs_own_refusal_keeps_the_contract(checked: Checked) -> None:
    """The contract lets a mail without content through; SendGrid does not."""
    assert post(checked, {**BODY, "content": []}) == 400


def post(checked: Checked, body: dict[str, object]) -> int:
    """The status of the answer."""
    headers = {"Authorization": f"Bearer {sandbox.KEY}", "Content-Type": "application/json"}
    url = f"{checked.sendgrid}/v3/mail/send"

    async def posted() -> int:
        async with Transport(checked.sendgrid, 1, 20) as transport:
            answer = await transport.request("POST", url, headers, body=json.dumps(body).encode())
            return answer.status

    return asyncio.run(posted())
