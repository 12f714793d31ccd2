"""SendGrid's API, as far as we use it: sending."""

import secrets
from typing import Any

import orjson

from antiphon.sandbox.answers import Answer, as_json
from antiphon.sandbox.journal import Kind
from antiphon.sandbox.mail_rules import LARGEST, Fault, faults_of
from antiphon.sandbox.state import WRONG, State

API = "sendgrid"
MARK = "antiphon_message"  # our message id in custom_args
TOO_LARGE = b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n</html>\r\n"


def send(state: State, body: bytes) -> Answer:
    """POST /v3/mail/send: 202 and X-Message-Id, 200 in sandbox mode, or SendGrid's refusal."""
    if len(body) > LARGEST:
        return Answer(413, TOO_LARGE, {"content-type": "text/html"})
    try:
        mail = orjson.loads(body)
    except orjson.JSONDecodeError:
        return refusal([Fault("Bad Request", None)])
    faults = faults_of(mail, state.clock())
    batch = mail.get("batch_id") if isinstance(mail, dict) else None
    if batch is not None and batch not in state.batches:
        faults.append(Fault("The batch id is not valid.", "batch_id"))
    if faults:
        return refusal(faults)
    line = orjson.dumps(mail) if b"\n" in body else body
    number = secrets.token_urlsafe(16)
    if (mail.get("mail_settings") or {}).get("sandbox_mode", {}).get("enable") is True:
        state.journal.write(state.clock(), API, number, messages_of(mail), line, kind=Kind.CHECKED)
        return Answer(200)
    messages = messages_of(mail)
    if batch is not None and mail.get("send_at"):
        state.scheduled.setdefault(batch, []).append((number, mail["send_at"], messages))
    state.accept(API, number, messages, line)
    return Answer(202, b"", {"x-message-id": number})


def messages_of(mail: dict[str, Any]) -> list[str]:
    """Our message id of each personalization, '' where it has none."""
    everybody = (mail.get("custom_args") or {}).get(MARK, "")
    return [
        str((person.get("custom_args") or {}).get(MARK, everybody))
        for person in mail["personalizations"]
    ]


def refusal(faults: list[Fault], status: int = 400) -> Answer:
    """SendGrid's error body."""
    return as_json(status, {"errors": [fault.told() for fault in faults]})


def unauthorized(header: str) -> Answer | None:
    """SendGrid's 401 where the key is missing or ends with `wrong`; None where it will do."""
    scheme, _, key = header.partition(" ")
    if scheme.lower() == "bearer" and key and not key.endswith(WRONG):
        return None
    message = "The provided authorization grant is invalid, expired, or revoked"
    return refusal([Fault(message, None)], 401)
