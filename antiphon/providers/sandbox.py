"""The sandbox (`antiphon sandbox`): our adapters for SendGrid and Twilio at another address.

Nothing leaves the machine: the credentials are made up, so that no real provider takes them.
"""

from collections.abc import Mapping
from dataclasses import replace

from antiphon.providers import Access, Capabilities, LookUp, Provider, sendgrid, twilio

URL = "http://127.0.0.1:8025"
URL_FROM = "ANTIPHON_SANDBOX_URL"
KEY = "SG.sandbox"
ACCOUNT_SID = "AC" + "5a" * 16
AUTH_TOKEN = "sandbox"  # noqa: S105 - signs the sandbox's own callbacks, opens nothing

CAPABILITIES = Capabilities(frozenset({"email", "sms"}), 1000, LookUp.FOUND, reaches_people=False)
CAN_BE_ASKED = True  # what came back: providers.ListsSuppressions, ListsStates
SECRETS: Mapping[str, str] = {}


class Options(sendgrid.Options, twilio.Options):
    """What either adapter can be told."""


def open_account(access: Access) -> Provider:
    """SendGrid's adapter for e-mail, Twilio's for SMS; see registry.open_account."""
    is_email = access.channel == "email"
    known = (sendgrid.Options if is_email else twilio.Options).model_fields
    reached = replace(
        access,
        url=access.url or URL,
        secrets={"key": KEY, "account": ACCOUNT_SID, "token": AUTH_TOKEN},
        options={name: value for name, value in access.options.items() if name in known},
    )
    if is_email:
        return sendgrid.open_account(reached, reaches_people=False)
    return twilio.open_account(reached, reaches_people=False)
