"""Faults on the wire: what a script says happens to a request, around the real application."""

import asyncio
import contextlib
from datetime import datetime, timedelta

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from antiphon.clock import Clock
from antiphon.sandbox import mail, texts
from antiphon.sandbox.answers import Answer
from antiphon.sandbox.faults import Do, Fault, Faults
from antiphon.sandbox.mail_rules import Fault as MailFault

TRANSPORT = "transport"  # in the scope's state: the connection, so that it can be broken
PAGE = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>\r\n"
STEPS = 10
HALF = b'{"message":'


class Failing:
    """An application that fails as the script says."""

    def __init__(self, app: ASGIApp, faults: Faults, clock: Clock) -> None:
        self._app = app
        self._faults = faults
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, late, wrongly or not at all."""
        api = _api(scope) if scope["type"] == "http" and self._faults.script.faults else ""
        if not api:
            await self._app(scope, receive, send)
            return
        is_send = scope["method"] == "POST" and scope["path"].endswith(("/send", "/Messages.json"))
        for fault in self._faults.of(api, None, is_send=is_send):
            await asyncio.sleep(fault.seconds)
        body = await _read(receive)
        for fault in self._faults.of(api, body, is_send=is_send):
            if fault.do is Do.WAIT:
                await asyncio.sleep(fault.seconds)
            elif fault.do is Do.ANSWER_SLOWLY:
                send = _trickling(send, fault.seconds)
            else:
                await self._fail(fault, api, scope, _again(body, receive), send)
                return
        await self._app(scope, _again(body, receive), send)

    async def _fail(
        self, fault: Fault, api: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """End the request; `accepted`: after the application has taken it and said so to nobody."""
        if fault.accepted:
            await self._app(scope, receive, _nowhere)
        if fault.do in {Do.DROP, Do.CUT}:
            await _break_off(fault, scope, receive, send)
        else:
            await _answer(_failure(fault, api, self._clock()), send)


def _api(scope: Scope) -> str:
    if scope["path"].startswith("/v3/"):
        return mail.API
    return texts.API if scope["path"].startswith("/2010-04-01/") else ""


def _failure(fault: Fault, api: str, now: datetime) -> Answer:
    """What is answered instead."""
    if fault.do is Do.HTML:
        return Answer(fault.answers_with, PAGE, {"content-type": "text/html"})
    if fault.do is Do.EMPTY:
        return Answer(fault.answers_with)
    if fault.do is Do.BUSY:
        return _busy(fault, api, now)
    if api == texts.API:
        return texts.refusal(fault.code or 20500, fault.answers_with, fault.message)
    said = fault.message or "An internal server error has occurred"
    return mail.refusal([MailFault(said, fault.field or None)], fault.answers_with)


def _busy(fault: Fault, api: str, now: datetime) -> Answer:
    """429; SendGrid names the second at which to come back, by the sandbox's clock."""
    if api == texts.API:
        answer = texts.refusal(20429, 429)
        headers = {"retry-after": str(round(fault.seconds))} if fault.seconds else {}
    else:
        answer = mail.refusal([MailFault("too many requests", None)], 429)
        reset = str(int((now + timedelta(seconds=fault.seconds)).timestamp()) + 1)
        headers = {
            "x-ratelimit-limit": "600",
            "x-ratelimit-remaining": "0",
            "x-ratelimit-reset": reset,
        }
    return Answer(answer.status, answer.body, {**answer.headers, **headers})


async def _break_off(fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
    if fault.do is Do.CUT:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send(
            {"type": "http.response.start", "status": fault.status or 201, "headers": headers}
        )
        await send({"type": "http.response.body", "body": HALF, "more_body": True})
        await asyncio.sleep(0.01)
    scope["state"][TRANSPORT].abort()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(receive(), 1)


async def _answer(answer: Answer, send: Send) -> None:
    headers = [(name.encode(), text.encode()) for name, text in answer.headers.items()]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read already, once."""
    is_given = False

    async def given() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return given


async def _nowhere(_: Message) -> None:
    """An answer that nobody gets."""


def _trickling(send: Send, seconds: float) -> Send:
    """Sends the head at once and the body in small steps (an empty one: the head late)."""

    async def slowly(message: Message) -> None:
        body = message.get("body", b"")
        if message["type"] != "http.response.body" or not body:
            if message["type"] == "http.response.start" and _is_empty(message):
                await asyncio.sleep(seconds)
            await send(message)
            return
        size = -(-len(body) // STEPS)
        parts = [body[start : start + size] for start in range(0, len(body), size)]
        for number, part in enumerate(parts, start=1):
            await asyncio.sleep(seconds / len(parts))
            await send({**message, "body": part, "more_body": number < len(parts)})

    return slowly


def _is_empty(message: Message) -> bool:
    return (b"content-length", b"0") in message["headers"]
