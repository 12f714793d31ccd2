"""From settings.yaml and the environment to an adapter; a secret is never told."""

import subprocess
import sys
from pathlib import Path

import pytest

from antiphon.campaigns.settings import Settings
from antiphon.errors import UserFilesError
from antiphon.files import read_files
from antiphon.providers import registry

ROOT = Path(__file__).resolve().parents[2]
KEY, SID, TOKEN = "SG.very.secret", "AC" + "0" * 32, "very-secret-token"
LIVE = {"SENDGRID_API_KEY": KEY, "TWILIO_ACCOUNT_SID": SID, "TWILIO_AUTH_TOKEN": TOKEN}


def settings(providers: object = None, accounts: object = None) -> Settings:
    from antiphon.check import load

    shipped = load(read_files(ROOT)).settings.model_dump(by_alias=True, exclude_none=True)
    plain = {name: shipped[name] for name in ("company", "business", "salt")}
    return Settings.model_validate(
        {
            "version": "1",
            "lake": shipped["lake"],
            "links": {"base_url": "https://mail.linden.example/"},
            "providers": providers or {},
            "accounts": accounts or {},
            **plain,
        }
    )


@pytest.fixture(scope="module")
def plain() -> Settings:
    return settings()


def test_every_provider_can_be_opened_without_being_declared(plain: Settings) -> None:
    assert registry.kinds() == ("local", "sandbox", "sendgrid", "twilio")
    for name in registry.kinds():
        for channel in sorted(registry.capabilities_of(plain, name).channels):
            opened = registry.open_account(plain, LIVE, name, channel, ROOT)
            assert (opened.name, opened.channel) == (name, channel)
            reaches = registry.capabilities_of(plain, name).reaches_people
            assert opened.capabilities.reaches_people is reaches


def test_accounts_are_opened_in_their_order() -> None:
    ours = settings(
        {"email": ["second", "sendgrid", "local"]},
        {"second": {"uses": "sendgrid", "batch": "10", "secrets": {"key": "OTHER_KEY"}}},
    )
    environment = {**LIVE, "OTHER_KEY": "SG.other"}
    names = ours.providers.email
    opened = [registry.open_account(ours, environment, name, "email", ROOT) for name in names]
    assert [one.name for one in opened] == ["second", "sendgrid", "local"]
    assert [one.capabilities.batch_size for one in opened] == [10, 1000, 1000]


def test_missing_credentials_are_all_named_before_anything_is_sent(plain: Settings) -> None:
    with pytest.raises(UserFilesError) as raised:
        registry.open_account(plain, {}, "twilio", "sms", ROOT)
    assert "TWILIO_ACCOUNT_SID" in str(raised.value)
    assert "TWILIO_AUTH_TOKEN" in str(raised.value)


def test_a_key_may_stand_in_a_file(plain: Settings, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    environment = {"SENDGRID_API_KEY_FILE": str(tmp_path / "key")}
    assert registry.open_account(plain, environment, "sendgrid", "email", ROOT)


@pytest.mark.parametrize(
    ("name", "channel", "environment"),
    [
        ("sendgrid", "email", {"SENDGRID_API_KEY": "very-secret"}),
        ("sendgrid", "email", {"SENDGRID_API_KEY": "SG.very-secret\nX-Other: 1"}),
        ("sendgrid", "email", {"SENDGRID_API_KEY": "SG.very secret"}),
        ("sendgrid", "email", {"SENDGRID_API_KEY": "SG.very-secrét"}),
        ("twilio", "sms", {**LIVE, "TWILIO_ACCOUNT_SID": "SKvery-secret"}),
        ("twilio", "sms", {**LIVE, "TWILIO_AUTH_TOKEN": "very\tsecret"}),
    ],
)
def test_credentials_that_cannot_be_right_are_refused_and_not_printed(
    plain: Settings, name: str, channel: str, environment: dict[str, str]
) -> None:
    with pytest.raises(UserFilesError) as raised:
        registry.open_account(plain, environment, name, channel, ROOT)
    assert "very" not in str(raised.value)
    assert name in str(raised.value)
    assert raised.value.__cause__ is None


def test_an_unknown_provider_and_a_wrong_channel_are_refused(plain: Settings) -> None:
    with pytest.raises(UserFilesError, match=r"No provider 'pigeon'.*\n.*local, sandbox"):
        registry.open_account(plain, {}, "pigeon", "email", ROOT)
    with pytest.raises(UserFilesError, match="does not deliver sms"):
        registry.open_account(plain, LIVE, "sendgrid", "sms", ROOT)


@pytest.mark.parametrize("name", ["transport", "registry", "../x", "", "Local", "sendgrid_mail"])
def test_what_is_no_adapter_is_no_provider(name: str) -> None:
    assert registry.kind(name) is None


def test_the_sandbox_takes_its_address_from_the_environment(plain: Settings) -> None:
    environment = {"ANTIPHON_SANDBOX_URL": "http://127.0.0.1:9999/"}
    opened = registry.open_account(plain, environment, "sandbox", "email", ROOT)
    assert opened._access.url == "http://127.0.0.1:9999"  # type: ignore[attr-defined]


def test_no_secret_is_shown_with_what_holds_it(plain: Settings) -> None:
    opened = registry.open_account(plain, LIVE, "twilio", "sms", ROOT)
    assert TOKEN not in repr(opened._access)  # type: ignore[attr-defined]


def test_to_know_every_provider_takes_no_library_of_one() -> None:
    code = (
        "import sys; from antiphon.providers import registry;"
        "[registry.kind(name) for name in registry.kinds()];"
        "heavy = {'aiohttp', 'sendgrid', 'twilio', 'python_http_client', 'uvicorn', 'starlette'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
