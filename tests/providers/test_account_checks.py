"""What `antiphon check` says of accounts, at the word that is wrong."""

from pathlib import Path

import pytest

from antiphon.campaigns.configuration import SETTINGS, draft
from antiphon.campaigns.settings import Settings
from antiphon.check_accounts import AccountsCheck
from antiphon.errors import Problem
from antiphon.files import ProjectFiles

SHIPPED = (Path(__file__).resolve().parents[2] / SETTINGS).read_text("utf-8")
START = "providers:"
USUAL = SHIPPED[SHIPPED.index(START) : SHIPPED.index("links:")]


def problems(providers: str, *more: str) -> list[Problem]:
    text = SHIPPED.replace(USUAL, f"{providers}\n")
    for line in more:
        text += f"{line}\n"
    drafted = draft(ProjectFiles({SETTINGS: text}))
    settings = drafted.get(SETTINGS, Settings)
    assert settings is not None, drafted.problems
    return list(AccountsCheck(settings, drafted.positions).problems())


def accounts(text: str) -> list[Problem]:
    return problems("providers: {email: local}", f"accounts: {{{text}}}")


def test_the_shipped_settings_have_none() -> None:
    assert problems(USUAL) == []


@pytest.mark.parametrize(
    "account",
    [
        "sendgrid: {options: {categories: campaign, unsubscribe_groups: 'promo=12, service=13'}}",
        "sendgrid: {options: {categories: none, sandbox_mode: yes, ip_pool: warm}}",
        "second: {uses: sendgrid, url: 'https://api.eu.sendgrid.com', secrets: {key: OTHER_KEY}}",
        "second: {uses: twilio, options: {callbacks: no, longest_validity: 3600}}",
        "twilio: {url: 'http://127.0.0.1:8025'}",
        f"sandbox: {{options: {{messaging_service: MG{'0' * 32}, categories: arm}}}}",
        "paper: {uses: local}",
    ],
)
def test_an_account_that_can_be_used_has_none(account: str) -> None:
    assert accounts(account) == []


@pytest.mark.parametrize(
    ("account", "message", "hint"),
    [
        ("sengrid: {}", "no provider 'sengrid'", "Did you mean 'sendgrid'?"),
        ("mine: {uses: transport}", "no provider 'transport'", "Allowed here: local, sandbox"),
        ("sendgrid: {secrets: {token: X}}", "sendgrid has no secret 'token'", "key"),
        ("local: {secrets: {key: X}}", "local has no secret 'key'", "It needs none."),
        ("local: {options: {folder: x}}", "local has no option 'folder'", "It has none."),
        ("sendgrid: {options: {category: arm}}", "no option 'category'", "'categories'"),
        ("sendgrid: {options: {categories: season}}", "campaign, category, arm", "docs/"),
        ("sendgrid: {options: {categories: 'arm, arm'}}", "campaign, category, arm", "docs/"),
        ("sendgrid: {options: {unsubscribe_groups: promo}}", "promo=12", "docs/"),
        ("sendgrid: {options: {unsubscribe_groups: 'promo=1, promo=2'}}", "promo=12", "docs/"),
        ("sendgrid: {options: {sandbox_mode: perhaps}}", "'sandbox_mode'", "docs/"),
        ("sendgrid: {options: {ip_pool: x}}", "2 to 64 characters", "docs/"),
        ("twilio: {options: {messaging_service: MG12}}", "MG and 32", "docs/"),
        ("twilio: {options: {longest_validity: 36001}}", "36000", "docs/"),
        ("twilio: {url: 'http://twilio.proxy.example'}", "unencrypted", "https://"),
    ],
)
def test_an_account_that_cannot_be_used_is_told_where_and_how(
    account: str, message: str, hint: str
) -> None:
    [problem] = accounts(account)
    assert message in problem.message
    assert hint in problem.hint
    assert problem.line > 1
    assert not problem.is_warning


@pytest.mark.parametrize(
    ("providers", "message"),
    [
        ("{email: sendgrd}", "no account 'sendgrd'"),
        ("{email: twilio}", "the account 'twilio' does not deliver email"),
        ("{sms: [twilio, sendgrid]}", "the account 'sendgrid' does not deliver sms"),
        ("{sms: [twilio, twilio]}", "'twilio' appears twice in 'sms'"),
        ("{allow_list: [linden]}", "'linden' is no address"),
        ("{allow_list: ['*@*']}", "is no address"),
    ],
)
def test_a_channel_names_accounts_that_deliver_it(providers: str, message: str) -> None:
    [problem] = problems(f"providers: {providers}")
    assert message in problem.message
    assert SHIPPED.splitlines()[problem.line - 1].startswith("providers")


def test_an_allow_list_may_hold_addresses_domains_and_numbers() -> None:
    assert problems("providers: {allow_list: [a@b.de, '*@b.de', +493012345678, 030 123 456]}") == []


def test_live_and_reaching_nobody_is_warned_of() -> None:
    found = problems("providers: {email: sendgrid, sms: local}", "environment: live")
    assert [(one.message, one.is_warning) for one in found] == [
        ("environment is live, but 'local' delivers sms to nobody", True)
    ]
    found = problems(
        "providers: {email: sendgrid, sms: twilio}",
        "environment: live",
        "accounts: {sendgrid: {options: {sandbox_mode: yes}}}",
    )
    assert [one.is_warning for one in found] == [True]
    assert "sandbox mode" in found[0].message


def test_a_secret_written_as_an_option_is_not_printed() -> None:
    found = accounts("sendgrid: {options: {key: SG.abcdefghijklmnop.0123456789abcdefghij}}")
    assert found
    assert "abcdefghij" not in "".join(map(str, found))


@pytest.mark.parametrize(
    ("polled", "message", "hint"),
    [
        ("sendgird", "no account 'sendgird'", "Did you mean 'sendgrid'?"),
        ("[sendgrid, local]", "the account 'local' cannot be asked", "These can: "),
    ],
)
def test_only_accounts_that_can_be_asked_are_polled(polled: str, message: str, hint: str) -> None:
    (found,) = problems(USUAL, f"responses: {{poll: {polled}}}")
    assert message in found.message
    assert hint in str(found)
    assert problems(USUAL, "responses: {poll: [sendgrid, twilio, sandbox]}") == []
