"""The reports themselves: a happening as SendGrid's event or Twilio's form."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from antiphon.sandbox.fates import Happening
from antiphon.sandbox.journal import Entry

RETRIES = 1  # of a callback, where its address says nothing


def email_event(
    entry: Entry, part: int, request: Mapping[str, Any], happening: Happening, at: datetime
) -> dict[str, Any]:
    """One event as it stands in SendGrid's array; the same happening has the same sg_event_id."""
    person = request["personalizations"][part]
    arguments = {**request.get("custom_args", {}), **person.get("custom_args", {})}
    name = f"{entry.provider_id}:{part}:{happening.name}:{happening.after}"
    digest = hashlib.md5(name.encode(), usedforsecurity=False).digest()
    event = {
        **arguments,
        **happening.fields,
        "email": person["to"][0]["email"],
        "timestamp": int(at.timestamp()),
        "event": happening.name,
        "sg_event_id": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "sg_message_id": f"{entry.provider_id}.recvd-sandbox-{part}",
        "smtp-id": f"<{entry.provider_id}@sandbox.invalid>",
    }
    if request.get("categories"):
        event["category"] = request["categories"]
    if request.get("asm"):
        event["asm_group_id"] = request["asm"]["group_id"]
    return event


def status_form(entry: Entry, request: Mapping[str, str], happening: Happening) -> dict[str, str]:
    """What Twilio posts to a status callback."""
    form = {
        "MessageSid": entry.provider_id,
        "SmsSid": entry.provider_id,
        "AccountSid": request.get("AccountSid", ""),
        "MessageStatus": happening.name,
        "SmsStatus": happening.name,
        "To": request["To"],
        "ApiVersion": "2010-04-01",
        **happening.fields,
    }
    for field in ("From", "MessagingServiceSid"):
        if request.get(field):
            form[field] = request[field]
    return form


def inbound_form(entry: Entry, request: Mapping[str, str], body: str) -> dict[str, str]:
    """What Twilio posts when the person answers."""
    digest = hashlib.md5(f"{entry.provider_id}:inbound".encode(), usedforsecurity=False)
    form = {
        "MessageSid": "SM" + digest.hexdigest(),
        "SmsSid": "SM" + digest.hexdigest(),
        "AccountSid": request.get("AccountSid", ""),
        "From": request["To"],
        "To": request.get("From") or "+15005550006",
        "Body": body,
        "NumMedia": "0",
        "NumSegments": "1",
        "ApiVersion": "2010-04-01",
    }
    if request.get("MessagingServiceSid"):
        form |= {"MessagingServiceSid": request["MessagingServiceSid"], "OptOutType": body}
    return form


def retries_of(callback: str) -> tuple[int, bool]:
    """How often Twilio repeats a callback, and whether whatever went wrong (else only what never
    reached us): by the fragment of its address."""
    wanted = parse_qs(urlsplit(callback).fragment)
    times = wanted.get("rc", [str(RETRIES)])[0]
    return (int(times) if times in {"0", "1", "2", "3", "4", "5"} else RETRIES), (
        "all" in ",".join(wanted.get("rp", ["ct"]))
    )
