"""The sandbox as an ASGI application: both APIs under one address, and its own pages."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from antiphon.errors import UserFilesError
from antiphon.sandbox import mail, texts
from antiphon.sandbox.answers import Answer
from antiphon.sandbox.failing import Failing
from antiphon.sandbox.faults import parse_script
from antiphon.sandbox.state import State
from antiphon.sandbox.texts import Texts

Endpoint = Callable[[Request], Awaitable[Response]]
TWILIO = "/2010-04-01/Accounts/{account}"


def create_app(state: State) -> ASGIApp:
    """The application over a state; faults happen outside of everything else."""
    listed = Texts(state)
    routes = [
        Route("/v3/mail/send", _sendgrid(state, _send(state)), methods=["POST"]),
        Route(f"{TWILIO}/Messages.json", _twilio(_create(listed)), methods=["POST"]),
        Route(f"{TWILIO}/Messages.json", _twilio(_list(listed))),
        Route(f"{TWILIO}/Messages/{{sid}}.json", _twilio(_fetch(listed))),
        Route(f"{TWILIO}.json", _twilio(_account)),
        Route("/sandbox/faults", _faults(state), methods=["GET", "POST", "DELETE"]),
    ]
    return Failing(Starlette(routes=routes), state.faults)


def response(answer: Answer) -> Response:
    """The answer as Starlette puts it on the wire."""
    return Response(answer.body, answer.status, dict(answer.headers))


def _sendgrid(state: State, answer: Callable[[Request], Awaitable[Answer]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        refused = mail.unauthorized(request.headers.get("authorization", ""))
        return response(refused or await answer(request))

    return endpoint


def _twilio(answer: Callable[[Request], Awaitable[Answer]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        account = request.path_params["account"]
        refused = texts.unauthorized(request.headers.get("authorization", ""), account)
        return response(refused or await answer(request))

    return endpoint


def _send(state: State) -> Callable[[Request], Awaitable[Answer]]:
    async def send(request: Request) -> Answer:
        return mail.send(state, await request.body())

    return send


def _create(listed: Texts) -> Callable[[Request], Awaitable[Answer]]:
    async def create(request: Request) -> Answer:
        return listed.create(request.path_params["account"], await request.body())

    return create


def _list(listed: Texts) -> Callable[[Request], Awaitable[Answer]]:
    async def shown(request: Request) -> Answer:
        return listed.list(request.path_params["account"], dict(request.query_params))

    return shown


def _fetch(listed: Texts) -> Callable[[Request], Awaitable[Answer]]:
    async def fetch(request: Request) -> Answer:
        return listed.fetch(request.path_params["sid"])

    return fetch


async def _account(request: Request) -> Answer:
    return texts.account_of(request.path_params["account"])


def _faults(state: State) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            if request.method == "POST":
                state.faults.load(parse_script(await request.body(), "faults"))
            elif request.method == "DELETE":
                state.faults.load(parse_script("{}", "faults"))
        except UserFilesError as error:
            return JSONResponse({"error": str(error)}, 400)
        script: dict[str, Any] = state.faults.script.model_dump(mode="json")
        return JSONResponse({**script, "met": state.faults.met, "done": state.faults.done})

    return endpoint
