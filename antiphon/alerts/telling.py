"""Telling alerts by e-mail or webhook, each once; what could not be told is tried again."""

import asyncio
import html
import json
import logging
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from http.client import HTTPException

from antiphon import keys
from antiphon.campaigns.settings import AlertSettings
from antiphon.clock import business_day
from antiphon.dispatch.guards import may_reach
from antiphon.errors import AntiphonError
from antiphon.ledger import Alert
from antiphon.message.content import Email
from antiphon.project import Project
from antiphon.providers import OutcomeKind, Outgoing, Provider
from antiphon.providers.registry import open_account
from antiphon.secrets import read_secret

TIME_OUT_SECONDS = 10
STALE = timedelta(days=2)  # older ones tell nothing new
log = logging.getLogger("antiphon.alerts")


def has_listeners(alerts: AlertSettings) -> bool:
    """Whether anybody asked to be told."""
    return bool(alerts.email or alerts.webhook or alerts.webhook_from)


def tell(project: Project) -> int:
    """Tell the open alerts; how many were told to at least one listener.

    One that nobody took stays open, and is tried again by the next look.
    """
    told, now = 0, project.clock()
    for alert in project.ledger.alerts.open():
        if alert.raised_at < now - STALE:
            continue
        by_post, by_mail = _post(project, alert), _mail(project, alert)
        if by_post or by_mail:
            told += project.ledger.alerts.mark_sent(alert.alert_id, now)
            log.info("alert: %s: %s", alert.kind, alert.subject)
        else:
            log.warning("nobody could be told: %s: %s", alert.kind, alert.subject)
    return told


def try_out(project: Project) -> list[str]:
    """Tell everybody a trial alert: what did not work, in words."""
    settings = project.configuration.settings.alerts
    trial = Alert(0, "trial", "antiphon doctor", "Alerts arrive here.", project.clock(), None)
    wrong = []
    if (settings.webhook or settings.webhook_from) and not _post(project, trial):
        wrong.append("the webhook did not take a trial alert")
    if settings.email and not _mail(project, trial):
        wrong.append("no account took a trial alert by e-mail")
    return wrong


# ---------------------------------------------------------------- webhook


def _post(project: Project, alert: Alert) -> bool:
    """Whether the webhook took it. Its address may be a secret: no error shows it."""
    address = _webhook(project)
    if not address:
        return False
    body = json.dumps(_facts(project, alert), ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "antiphon"}
    request = urllib.request.Request(address, body, headers, method="POST")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIME_OUT_SECONDS):  # noqa: S310
            return True
    except (OSError, HTTPException, ValueError) as error:  # URLError is an OSError
        code = getattr(error, "code", "")
        log.warning("the alert webhook did not answer well (%s %s)", type(error).__name__, code)
        return False


def _webhook(project: Project) -> str:
    """Its address; '' where there is none. Only http and https are spoken."""
    settings = project.configuration.settings.alerts
    named = settings.webhook_from
    address = (read_secret(project.environment, named) if named else None) or settings.webhook
    address = str(address or "")
    return address if address.lower().startswith(("https://", "http://")) else ""


def _facts(project: Project, alert: Alert) -> dict[str, str]:
    """The JSON of a webhook; `text` is what chat programs show."""
    return {
        "text": f"{_headline(project, alert)}\n{alert.detail}",
        "kind": alert.kind,
        "subject": alert.subject,
        "detail": alert.detail,
        "company": project.configuration.settings.company.name,
        "environment": project.configuration.settings.environment,
        "raised_at": alert.raised_at.isoformat(),
    }


def _headline(project: Project, alert: Alert) -> str:
    settings = project.configuration.settings
    return f"[Antiphon {settings.environment}] {alert.kind}: {alert.subject}"


# ---------------------------------------------------------------- e-mail


def _mail(project: Project, alert: Alert) -> bool:
    """Whether an account took it for each of the addresses, the first that does."""
    addresses = project.configuration.settings.alerts.email or ()
    taken = [_mail_one(project, alert, str(address)) for address in addresses]
    return bool(taken) and all(taken)


def _mail_one(project: Project, alert: Alert, address: str) -> bool:
    message = _outgoing(project, alert, address)
    for provider in _providers(project, address):
        with suppress(AntiphonError, OSError):
            if asyncio.run(_send(project, provider, message)):
                return True
    return False


def _providers(project: Project, address: str) -> Iterator[Provider]:
    """Accounts that may be used for the address; in a rehearsal at last the local outbox."""
    settings = project.configuration.settings
    last = () if settings.environment == "live" else ("local",)
    for name in dict.fromkeys((*settings.providers.email, *last)):
        try:
            provider = open_account(settings, project.environment, name, "email", project.root)
        except AntiphonError as error:
            log.warning("account %s is of no use for alerts: %s", name, str(error).splitlines()[0])
            continue
        if may_reach(settings, provider.capabilities.reaches_people, "email", address):
            yield provider


async def _send(project: Project, provider: Provider, message: Outgoing) -> bool:
    async with provider:
        outcomes = await provider.send([message], project.clock())
    return any(one.kind is OutcomeKind.ACCEPTED for one in outcomes)


def _outgoing(project: Project, alert: Alert, address: str) -> Outgoing:
    settings, now = project.configuration.settings, project.clock()
    sender, sender_name = settings.company.sender("email")
    text = f"{alert.detail}\n\n{settings.company.name}, {alert.raised_at:%Y-%m-%d %H:%M} UTC"
    page = f"<p>{html.escape(text).replace(chr(10), '<br>')}</p>"
    return Outgoing(
        message_id=keys.digest("alert", settings.salt, str(alert.alert_id), address),
        campaign="alerts",
        category="service",
        arm="default",
        day=business_day(now, settings.business.timezone),
        to=address,
        sender=sender,
        sender_name=sender_name,
        content=Email(" ".join(_headline(project, alert).split()), page, text),
        expires_at=now + timedelta(days=1),
        is_test=True,
    )
