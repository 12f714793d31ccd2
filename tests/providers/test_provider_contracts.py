"""The contract of providers, kept by every adapter that speaks HTTP, against the sandbox."""

from collections.abc import Iterator

import pytest
from provider_contract import ProviderContract

from antiphon.providers import Access, Provider, sandbox, sendgrid, twilio
from antiphon.sandbox.server import Sandbox, running

BASE_URL = "https://mail.linden.example"
SECRETS = {"key": sandbox.KEY, "account": sandbox.ACCOUNT_SID, "token": sandbox.AUTH_TOKEN}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with running() as server:
        yield server


def access(name: str, channel: str, box: Sandbox) -> Access:
    return Access(name, channel, url=box.url, secrets=SECRETS, time_out=10, callback_url=BASE_URL)


class TestSendGrid(ProviderContract):
    @pytest.fixture
    def provider(self, box: Sandbox) -> Provider:
        return sendgrid.open_account(access("sendgrid", "email", box))


class TestTwilio(ProviderContract):
    @pytest.fixture
    def provider(self, box: Sandbox) -> Provider:
        return twilio.open_account(access("twilio", "sms", box))


class TestSandboxEmail(ProviderContract):
    @pytest.fixture
    def provider(self, box: Sandbox) -> Provider:
        return sandbox.open_account(access("sandbox", "email", box))


class TestSandboxSms(ProviderContract):
    @pytest.fixture
    def provider(self, box: Sandbox) -> Provider:
        return sandbox.open_account(access("sandbox", "sms", box))


@pytest.mark.parametrize("channel", ["email", "sms"])
def test_the_sandbox_reaches_nobody(box: Sandbox, channel: str) -> None:
    opened = sandbox.open_account(access("sandbox", channel, box))
    assert not opened.capabilities.reaches_people
    assert opened.name == "sandbox"
