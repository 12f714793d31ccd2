"""The providers' own SDKs, pointed at a sandbox, and messages to send by them."""

from typing import Any

from sendgrid import SendGridAPIClient
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

ACCOUNT = "AC" + "0" * 32
SERVICE = "MG" + "1" * 32
TOKEN = "token"


def sendgrid(url: str, key: str = "SG.test") -> SendGridAPIClient:
    client = SendGridAPIClient(key, host=url)
    client.client.timeout = 10
    return client


def twilio(url: str, token: str = TOKEN) -> Client:
    client = Client(ACCOUNT, token, http_client=TwilioHttpClient(timeout=10))
    client.api.base_url = url
    return client


def person(number: int, **more: Any) -> dict[str, Any]:
    return {
        "to": [{"email": f"ann{number}@example.org", "name": "Ann"}],
        "substitutions": {"-name-": f"Ann {number}"},
        "custom_args": {"antiphon_message": f"mail-{number}"},
        "headers": {"List-Unsubscribe": f"<https://x.example/u/{number}>"},
        **more,
    }


def mail(*people: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "from": {"email": "news@example.com", "name": "Lavender"},
        "subject": "Hello -name-",
        "content": [
            {"type": "text/plain", "value": "Hello -name-"},
            {"type": "text/html", "value": "<p>Hello -name-</p>"},
        ],
        "personalizations": list(people) or [person(1)],
        **more,
    }
