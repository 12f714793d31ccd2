"""A small company with a web server: its clock, its keys, messages that left, and who asks."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import orjson
import pyarrow as pa
import yaml

from antiphon import keys
from antiphon.files import read_files
from antiphon.ledger import PLAN_SCHEMA, Message, Outcome
from antiphon.message.links import LinkSigner, Purpose
from antiphon.message.templates import Templates
from antiphon.project import Project, glance
from antiphon.providers.signatures import EventVerifier, FormVerifier
from antiphon.sandbox.signing import EventSigner, twilio_signature
from antiphon.states import MessageState
from antiphon.web.app import App, create_app
from antiphon.web.keys import WebhookKeys
from antiphon.web.webhooks import EVENTS_PATH, SIGNATURE, TIMESTAMP

NOW = datetime(2026, 5, 12, 8, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SALT, TOKEN, SHARED = "scene", "12345", "a shared key"
BASE = "https://mail.scene.example"
SETTINGS = {
    "version": 1,
    "company": {
        "name": "Scene & Sons",
        "postal_address": "Scene, Street 1, 10115 Berlin",
        "website": "https://www.scene.example",
        "email_from": "hello@scene.example",
        "email_from_name": "Scene",
        "sms_from": "+4930123456",
    },
    "business": {
        "timezone": "Europe/Berlin",
        "country": "DE",
        "languages": ["de", "en"],
        "currency": "EUR",
    },
    "lake": {
        "threads": 1,
        "retention": dict.fromkeys(
            ("snapshots", "decisions", "quarantine", "validation"), "30 days"
        ),
    },
    "links": {"base_url": BASE, "clicks": "own", "utm": {"source": "antiphon"}},
    "salt": SALT,
}
POLICY = {
    "version": 1,
    "consent": {"promo": "opt_in", "lifecycle": "opt_out", "service": "none"},
}
CAMPAIGN = {
    "campaign": "letter",
    "title": "Letter of May",
    "category": "promo",
    "priority": "10",
    "runs": {"from": "2026-01-01"},
    "channels": ["email", "sms"],
    "message": "letter",
    "confirms": "promo",
    "audience": {"where": "true"},
}
TEMPLATES = {
    "letter/subject.j2": "Hello",
    "letter/body.html.j2": (
        "<html><body><h1>Hello {{ customer.first_name }}</h1>"
        "<a href=\"{{ '/cream?size=2' | link }}\">the cream</a> "
        '<a href="{{ links.unsubscribe }}">leave</a></body></html>'
    ),
    "letter/sms.j2": "{{ '/cream' | link }} STOP",
}
Get = Callable[..., Awaitable[httpx.Response]]


class Clock:
    """Shows what a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def write_company(root: Path) -> None:
    """The files of the company."""
    documents: dict[str, Mapping[str, Any]] = {
        "settings": SETTINGS,
        "policy": POLICY,
        "sources": {"version": 1, "sources": {}},
        "segments": {"version": 1, "segments": {}},
        "campaigns/letter": CAMPAIGN,
    }
    for name, document in documents.items():
        path = root / "config" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
    for name, text in TEMPLATES.items():
        path = root / "templates" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@dataclass
class Scene:
    """One company and its server."""

    project: Project
    clock: Clock
    signer: EventSigner
    app: App = field(init=False)

    def __post_init__(self) -> None:
        keys_ = WebhookKeys(
            EventVerifier([self.signer.public_key]), FormVerifier([TOKEN], [SHARED], BASE)
        )
        self.app = create_app(self.project, keys_)
        self._anchors = count()

    @classmethod
    def at(cls, root: Path, ledger: Any = None) -> "Scene":
        """A company in this folder; with that ledger, where there is one."""
        write_company(root)
        clock = Clock()
        project = glance(root, read_files(root), clock)
        if ledger is not None:
            vars(project)["ledger"] = ledger
        return cls(project, clock, EventSigner(root))

    # ------------------------------------------------------------ messages

    def send(self, customer: str = "ada", **known: Any) -> str:
        """A message that left; its id."""
        ledger, now = self.project.ledger, self.clock.now
        lease = ledger.leases.acquire("planning", "test", HOUR, now)
        run = ledger.runs.begin("daily", date(2026, 5, 12), now, now, lease=lease)
        row = self._row(customer, **known)
        table = pa.Table.from_pylist([row], schema=PLAN_SCHEMA)
        ledger.messages.plan(table, run.run_id, lease, now)
        ledger.messages.release(run.run_id, lease, now)
        ledger.runs.finish(run.run_id, "finished", "", now, lease=lease)  # type: ignore[arg-type]
        ledger.leases.release(lease)
        if known.get("leaves", True):
            for group in ledger.messages.due_groups(row["channel"], now):
                ledger.messages.claim(group, "account", 1_000, now, "test", HOUR)
            outcome = Outcome(row["message_id"], MessageState.ACCEPTED)
            ledger.messages.record([outcome], now, "test")
        return str(row["message_id"])

    def _row(self, customer: str, **known: Any) -> dict[str, Any]:
        channel = known.get("channel", "email")
        campaign = known.get("campaign", "letter")
        key = keys.occurrence_key(campaign, "", customer, f"a{next(self._anchors)}")
        address = f"{customer}@example.com" if channel == "email" else "+491701234567"
        values = {
            "customer": {"first_name": customer.title()},
            "campaign": {"name": campaign, "title": "Letter", "category": "promo"},
        }
        row: dict[str, Any] = {
            "message_id": keys.message_id(SALT, key, 1),
            "occurrence_key": key,
            "attempt": 1,
            "campaign": campaign,
            "step": "",
            "cell": "",
            "customer_id": customer,
            "unit": customer,
            "anchor": key.split("|")[2],
            "arm": "default",
            "channel": channel,
            "category": "promo",
            "address": address,
            "values_json": orjson.dumps(values).decode(),
            "template_hash": self._template(),
            "language": "en",
            "state": "planned",
            "not_before": self.clock.now,
            "expires_at": self.clock.now + 30 * DAY,
            "planned_at": self.clock.now,
            "cost_e4": 0,
        }
        return {**row, **{name: value for name, value in known.items() if name in row}}

    def _template(self) -> str:
        from antiphon.entities import ColumnType

        made = Templates.of(
            TEMPLATES, {"first_name": ColumnType.TEXT}, self.project.configuration.settings
        )
        self.project.ledger.contents.put(made.bundle("letter"))
        return made.template_hash("letter")

    def message(self, message_id: str) -> Message:
        """The message."""
        found = self.project.ledger.messages.get(message_id)
        assert found is not None
        return found

    # ------------------------------------------------------------ asking

    @property
    def links(self) -> LinkSigner:
        """Of the company's messages."""
        return self.app.site.signer

    def path(self, purpose: Purpose, message_id: str) -> str:
        """Of one page of a message."""
        return self.links.url(purpose, message_id).removeprefix(BASE)

    def ask(self, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
        """All of them at once: (method, path, what httpx takes)."""

        async def run() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self.app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://proxy") as client:
                asked = (client.request(method, path, **more) for method, path, more in requests)
                return list(await asyncio.gather(*asked))

        return asyncio.run(run())

    def get(self, path: str, **more: Any) -> httpx.Response:
        """One page."""
        return self.ask(("GET", path, more))[0]

    def post(self, path: str, **more: Any) -> httpx.Response:
        """One form."""
        return self.ask(("POST", path, more))[0]

    def signed(self, body: bytes, at: datetime | None = None) -> tuple[str, str, dict[str, Any]]:
        """SendGrid's request with this body, signed at that time."""
        stamp = str(int((at or self.clock.now).timestamp()))
        headers = {
            "content-type": "application/json",
            SIGNATURE: self.signer.sign(stamp, body),
            TIMESTAMP: stamp,
        }
        return "POST", EVENTS_PATH, {"content": body, "headers": headers}

    def texted(
        self, path: str, form: Mapping[str, str], base: str = BASE
    ) -> tuple[str, str, dict[str, Any]]:
        """Twilio's request with this form."""
        signature = twilio_signature(TOKEN, base + path, form)
        return "POST", path, {"data": dict(form), "headers": {"x-twilio-signature": signature}}

    def kept(self) -> list[bytes]:
        """The bodies in the inbox."""
        return [one.body for one in self.project.ledger.inbox.unparsed(100_000)]

    def refused(self) -> dict[str, int]:
        """What was counted."""
        self.app.site.flush()
        return self.project.ledger.tallies.since(NOW.date() - 400 * DAY)


def sha256_signature(url: str, form: Mapping[str, str]) -> str:
    """As Twilio signs with a shared key."""
    import hashlib
    import hmac

    text = url + "".join(name + form[name] for name in sorted(form))
    made = hmac.new(SHARED.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(made).decode()
