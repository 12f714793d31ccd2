"""SendGrid's API, as far as we use it: batches, suppressions, activity, and what an account may."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from antiphon.sandbox.answers import Answer, as_json
from antiphon.sandbox.index import Index, Item
from antiphon.sandbox.journal import Kind
from antiphon.sandbox.mail import API, MARK, refusal
from antiphon.sandbox.mail_rules import Fault
from antiphon.sandbox.state import State, Suppressed, new_id

LISTS = ("bounces", "blocks", "spam_reports", "invalid_emails", "unsubscribes")
LARGEST_PAGE = 500
SCOPES = ("mail.send", "mail.batch.create", "user.scheduled_sends.create", "suppression.read")
_TERM = re.compile(r"""(\w+)(?:\[['"]?([\w-]+)['"]?\])?\s*=\s*"([^"]*)\"""")


def new_batch(state: State) -> Answer:
    """POST /v3/mail/batch."""
    batch = new_id()
    state.batches[batch] = ""
    return as_json(201, {"batch_id": batch})


def known_batch(state: State, batch: str) -> Answer:
    """GET /v3/mail/batch/{id}."""
    if batch in state.batches:
        return as_json(200, {"batch_id": batch})
    return refusal([Fault("invalid batch id", "batch_id")])


def schedule(state: State, body: bytes) -> Answer:
    """POST /v3/user/scheduled_sends: pause or cancel what has not left yet."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        asked = {}
    batch, status = str(asked.get("batch_id", "")), asked.get("status")
    if batch not in state.batches:
        return refusal([Fault("invalid batch id", "batch_id")])
    if status not in {"pause", "cancel"}:
        return refusal([Fault("status must be pause or cancel", "status")])
    if state.batches[batch]:
        return refusal([Fault("a status for this batch already exists", "batch_id")])
    return _decided(state, batch, status, 201)


def reschedule(state: State, batch: str, body: bytes) -> Answer:
    """PATCH /v3/user/scheduled_sends/{batch_id}; what is cancelled stays so."""
    try:
        status = orjson.loads(body).get("status")
    except (orjson.JSONDecodeError, AttributeError):
        status = None
    if status not in {"pause", "cancel"} or not state.batches.get(batch):
        return refusal([Fault("invalid batch id or status", "batch_id")], 404)
    return _decided(state, batch, status, 204)


def resume(state: State, batch: str) -> Answer:
    """DELETE /v3/user/scheduled_sends/{batch_id}: neither paused nor cancelled any more."""
    if state.batches.get(batch) != "pause":
        return refusal([Fault("not found", "batch_id")], 404)
    state.batches[batch] = ""
    return Answer(204)


def scheduled(state: State, batch: str | None = None) -> Answer:
    """GET /v3/user/scheduled_sends, of one batch or of all."""
    shown = [
        {"batch_id": one, "status": status}
        for one, status in state.batches.items()
        if status and batch in {None, one}
    ]
    return as_json(200, shown)


def suppressed(state: State, kind: str, query: Mapping[str, str]) -> Answer:
    """GET /v3/suppression/{list}: a page, oldest first."""
    if kind not in LISTS:
        return refusal([Fault("not found", None)], 404)
    start, end = int(query.get("start_time", 0)), int(query.get("end_time", 2**40))
    offset = int(query.get("offset", 0))
    limit = min(int(query.get("limit", LARGEST_PAGE)), LARGEST_PAGE)
    found = [
        one
        for one in state.suppressed.get(kind, {}).values()
        if start <= int(one.at.timestamp()) <= end
    ]
    return as_json(200, [_listed(kind, one) for one in found[offset : offset + limit]])


def globally_suppressed(state: State, address: str) -> Answer:
    """GET /v3/asm/suppressions/global/{email}: {} where it is not."""
    found = state.suppressed.get("unsubscribes", {}).get(address.lower())
    return as_json(200, {"recipient_email": found.address} if found else {})


def activity(state: State, index: Index, query: Mapping[str, str]) -> Answer:
    """GET /v3/messages, a paid addition of theirs: 403 where it was not bought."""
    if not state.shows_activity:
        return refusal([Fault("access forbidden", None)], 403)
    terms = _TERM.findall(query.get("query", ""))
    if query.get("query") and not terms:
        return refusal([Fault("invalid query", "query")])
    limit = max(1, min(int(query.get("limit", 10)), 1000))
    found = [item for item in _candidates(index, terms) if _is_meant(index, item, terms)]
    return as_json(200, {"messages": [_shown(index, item) for item in found[-limit:][::-1]]})


def scopes() -> Answer:
    """GET /v3/scopes: what the key may do."""
    return as_json(200, {"scopes": SCOPES})


def senders(state: State) -> Answer:
    """GET /v3/verified_senders."""
    return as_json(200, {"results": [{"id": 1, "from_email": state.sender, "verified": True}]})


def domains(state: State) -> Answer:
    """GET /v3/whitelabel/domains: the sender's, authenticated."""
    domain = state.sender.rpartition("@")[2]
    return as_json(200, [{"id": 1, "domain": domain, "valid": True, "default": True}])


def _decided(state: State, batch: str, status: str, code: int) -> Answer:
    state.batches[batch] = status
    if status == "cancel":
        now = state.clock()
        for provider_id, send_at, messages in state.scheduled.pop(batch, []):
            if send_at > now.timestamp():
                state.journal.write(now, API, provider_id, messages, kind=Kind.CANCELLED)
    return as_json(code, {"batch_id": batch, "status": status}) if code == 201 else Answer(code)


def _listed(kind: str, one: Suppressed) -> dict[str, Any]:
    shown: dict[str, Any] = {"created": int(one.at.timestamp()), "email": one.address}
    if kind == "spam_reports":
        shown["ip"] = "127.0.0.1"
    elif kind != "unsubscribes":
        shown["reason"] = one.reason
        if kind != "invalid_emails":
            shown["status"] = one.status
    return shown


Terms = list[tuple[str, str, str]]


def _candidates(index: Index, terms: Terms) -> list[Item]:
    """Few of all messages, where the query names one or its person."""
    for field, key, value in terms:
        if field == "unique_args" and key == MARK:
            return [*index.of_message(value)]
        if field == "to_email":
            return [*index.of_person(value)]
    return [*index.everything()]


def _is_meant(index: Index, item: Item, terms: Terms) -> bool:
    fields: dict[str, Callable[[], str]] = {
        "unique_args": lambda: item.message_id,
        "to_email": item.to.lower,
        "subject": lambda: item.subject,
        "msg_id": lambda: item.provider_id,
        "status": lambda: _status(index, item),
    }
    return item.entry.api == API and all(
        field in fields and fields[field]() == (value.lower() if field == "to_email" else value)
        for field, _, value in terms
    )


def _status(index: Index, item: Item) -> str:
    return "not_delivered" if index.is_cancelled(item) else "delivered"


def _shown(index: Index, item: Item) -> dict[str, Any]:
    return {
        "from_email": index.request(item).get("from", {}).get("email", ""),
        "msg_id": item.provider_id,
        "subject": item.subject,
        "to_email": item.to,
        "status": _status(index, item),
        "opens_count": 0,
        "clicks_count": 0,
        "last_event_time": item.entry.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
