"""What Twilio's answer says of a message: its error codes, and what failed on the way."""

from datetime import datetime
from typing import Any, NamedTuple

from twilio.base.exceptions import TwilioException

from antiphon.providers import BATCH_REFUSED, Blame, Outcome, OutcomeKind
from antiphon.providers.evidence import without_people
from antiphon.providers.transport import Answer, NotSent, Unclear
from antiphon.providers.twilio_client import NoAnswerOfTwilio

OPTED_OUT = 21610
BUSY = frozenset({20429, 21611, 30001, 14107, 63018})  # certainly not processed
ACCOUNT = {  # code → what to mend
    20003: "Twilio does not accept the account SID and token",
    20005: "the Twilio account is not active",
    20006: "the credentials may not send messages",
    20008: "these are test credentials, which send nothing",
    20404: "no such account or service at Twilio: see SID and url",
    21212: "the sender (company: sms_from) is not valid",
    21603: "no sender: write company: sms_from or the option messaging_service",
    21606: "the sender (company: sms_from) is not a number of this account",
    21609: "links: base_url is no address Twilio can call: mend it, or write callbacks: no",
    21659: "the sender (company: sms_from) is not a number of this account",
    21660: "the sender (company: sms_from) belongs to another account",
    21661: "the sender (company: sms_from) cannot send SMS",
    21701: "the Messaging Service does not exist",
    21703: "the Messaging Service has no sender",
    21704: "the Messaging Service has no sender for SMS",
    21705: "the Messaging Service is not valid",
    30002: "the Twilio account is suspended",
    30034: "the sender is not registered (10DLC)",
    90010: "the Twilio account is not active",
}
MESSAGE = {  # code → why this one is refused, where Twilio's words are not ours
    21211: "not a number Twilio knows",
    21217: "not a number Twilio knows",
    21408: "SMS to that country is not permitted: allow it in Twilio's console (Geo permissions)",
    21608: "a trial account writes only to verified numbers",
    21612: "the number cannot be reached from this sender",
    21614: "not a mobile number",
    21617: "the text is too long",
    21635: "a landline",
    30004: "blocked",
    30005: "unknown number",
    30006: "landline or unreachable carrier",
    30007: "filtered by the carrier",
}
_FAILED = frozenset({"failed", "undelivered", "canceled"})
_REDIRECTS = frozenset({301, 302, 307, 308})


class Created(NamedTuple):
    """What Twilio answers about a new message, as far as it matters here."""

    status: str | None
    sid: str | None
    error_code: int | str | None


def alone(message_id: str) -> Outcome:
    """Of a message beyond the first: Twilio takes one a request."""
    why = f"{BATCH_REFUSED}: one message a request"
    return Outcome(message_id, OutcomeKind.TRY_LATER, why)


def created(message_id: str, message: Any, found: str = "") -> Outcome:
    """Of a message Twilio has; refused where it says at once that it will not send it."""
    status, sid = str(message.status), str(message.sid or "")[:34]
    if not sid:
        evidence = "an answer Twilio does not give: no SID"
        return Outcome(message_id, OutcomeKind.UNKNOWN, evidence, blame=Blame.NETWORK)
    if status in _FAILED and message.error_code:
        outcome = refused(message_id, _code(message.error_code), status)
        if outcome.kind is OutcomeKind.REFUSED:
            return outcome
    evidence = f"{found or 'Twilio'}: {without_people(status)}"
    return Outcome(message_id, OutcomeKind.ACCEPTED, evidence, sid)


def failed(message_id: str, error: Exception, now: datetime) -> Outcome:
    """Of a message whose request raised `error`; what is not understood is in doubt."""
    if isinstance(error, NotSent):
        return Outcome(message_id, OutcomeKind.TRY_LATER, str(error), blame=Blame.NETWORK)
    if isinstance(error, NoAnswerOfTwilio):
        return _unreadable(message_id, error.answer, now)
    status, code = _status(error)
    if isinstance(error, Unclear) or not isinstance(error, TwilioException) or status is None:
        evidence = str(error) if isinstance(error, Unclear) else type(error).__name__
        return Outcome(message_id, OutcomeKind.UNKNOWN, evidence, blame=Blame.NETWORK)
    return _by_status(message_id, status, code, _words(error), now)


def _by_status(message_id: str, status: int, code: int, words: str, now: datetime) -> Outcome:
    if code in BUSY or status == 429:
        evidence = f"Twilio asks to wait ({code or status})"
        return Outcome(message_id, OutcomeKind.TRY_LATER, evidence, blame=Blame.BUSY)
    if status >= 500 or code == 20500 or status < 200 or status == 303 or status < 300:
        evidence = f"Twilio answered {status} ({code})"
        return Outcome(message_id, OutcomeKind.UNKNOWN, evidence, blame=Blame.NETWORK)
    if status == 408:
        evidence = "Twilio did not get the whole request (408)"
        return Outcome(message_id, OutcomeKind.TRY_LATER, evidence, blame=Blame.NETWORK)
    if status in _REDIRECTS:
        evidence = f"redirected ({status}): the account's url is not Twilio's API"
        return Outcome(message_id, OutcomeKind.TRY_LATER, evidence, blame=Blame.ACCOUNT)
    if status in (401, 402, 403, 404, 405, 406, 415) and code not in MESSAGE and code != OPTED_OUT:
        evidence = f"{code or status} {ACCOUNT.get(code) or _trouble(status)}"
        return Outcome(message_id, OutcomeKind.TRY_LATER, evidence, blame=Blame.ACCOUNT)
    return refused(message_id, code, words)


def refused(message_id: str, code: int, words: str) -> Outcome:
    """Of a message that was turned down with one of Twilio's codes."""
    if code == OPTED_OUT:
        evidence = "21610 the person said STOP to Twilio"
        return Outcome(message_id, OutcomeKind.REFUSED, evidence, blame=Blame.OPT_OUT)
    if code in BUSY:
        evidence = f"Twilio asks to wait ({code})"
        return Outcome(message_id, OutcomeKind.TRY_LATER, evidence, blame=Blame.BUSY)
    if code in ACCOUNT:
        evidence = f"{code} {ACCOUNT[code]}"
        return Outcome(message_id, OutcomeKind.TRY_LATER, evidence, blame=Blame.ACCOUNT)
    return Outcome(message_id, OutcomeKind.REFUSED, f"{code} {MESSAGE.get(code) or words}".strip())


def _unreadable(message_id: str, answer: Answer, now: datetime) -> Outcome:
    """Of an answer that is no JSON, or broke off; its status alone is known."""
    if answer.status == 429:
        wait = answer.wait(now)
        retry_at = now + wait if wait is not None else None
        evidence = "Twilio asks to wait (429)"
        return Outcome(message_id, OutcomeKind.TRY_LATER, evidence, "", retry_at, Blame.BUSY)
    if answer.status == 201 and not answer.is_whole:
        return Outcome(message_id, OutcomeKind.ACCEPTED, "201, its answer cut off")
    if answer.status in (400, 413) and answer.looks in ("HTML", "empty", "no JSON"):
        return Outcome(message_id, OutcomeKind.REFUSED, f"{answer.status}, {answer.looks}")
    return _by_status(message_id, answer.status, 0, answer.looks, now)


def trouble(error: Exception) -> str:
    """What is wrong with the account, when it was only asked for itself."""
    status, code = _status(error)
    if isinstance(error, NotSent | Unclear):
        return f"Twilio cannot be reached: {error}."
    if status in (401, 403) or code in ACCOUNT:
        return f"{ACCOUNT.get(code) or _trouble(status or 0)}: see its console."
    what = error if isinstance(error, NoAnswerOfTwilio) else status or type(error).__name__
    return f"Twilio cannot be asked for the account ({what})."


def _trouble(status: int) -> str:
    return {
        401: "Twilio does not accept the account SID and token",
        402: "the Twilio account has no credit",
        403: "the Twilio account may not do this",
    }.get(status, f"Twilio refuses the request ({status}): see the account's url")


def _status(error: Exception) -> tuple[int | None, int]:
    """HTTP status and Twilio's code, of either exception of the SDK (the newer by RFC 9457)."""
    if isinstance(error, NoAnswerOfTwilio):
        return error.answer.status, 0
    status = getattr(error, "status", None)
    return (status if isinstance(status, int) else None), _code(getattr(error, "code", 0))


def _code(code: object) -> int:
    return int(code) if isinstance(code, int | str) and str(code).isdigit() else 0


def _words(error: Exception) -> str:
    return without_people(str(getattr(error, "msg", "") or getattr(error, "title", "")))
