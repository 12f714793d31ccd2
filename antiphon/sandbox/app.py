"""The sandbox as an ASGI application: both APIs under one address, and its own pages."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from antiphon.errors import UserFilesError
from antiphon.sandbox import mail, mail_account, texts
from antiphon.sandbox.answers import Answer, as_json
from antiphon.sandbox.failing import Failing
from antiphon.sandbox.faults import parse_script
from antiphon.sandbox.index import Index
from antiphon.sandbox.mail_rules import Fault
from antiphon.sandbox.mailbox import Mailbox
from antiphon.sandbox.signing import EventSigner
from antiphon.sandbox.state import State
from antiphon.sandbox.texts import Texts

Endpoint = Callable[[Request], Awaitable[Response]]
Asked = Callable[[Request, bytes], Answer]
TWILIO = "/2010-04-01/Accounts/{account}"


def create_app(state: State) -> ASGIApp:
    """The application over a state; faults happen outside of everything else.

    It answers to no other name than this machine's own, so that no page on the web can read a
    rehearsal by a name that leads here.
    """
    index = Index(state.journal.folder)
    routes = [
        *_twilio_routes(state, Texts(state)),
        *_sending_routes(state),
        *_account_routes(state, index),
        *Mailbox(index).routes(),
        Route("/sandbox/faults", _faults(state), methods=["GET", "POST", "DELETE"]),
    ]
    guard = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    return Failing(Starlette(routes=routes, middleware=[guard]), state.faults, state.clock)


def _twilio_routes(state: State, listed: Texts) -> list[Route]:
    def account(request: Request) -> str:
        return str(request.path_params["account"])

    return [
        _twilio(state, "/Messages.json", "POST", lambda r, body: listed.create(account(r), body)),
        _twilio(
            state, "/Messages.json", "GET", lambda r, _: listed.list(account(r), r.query_params)
        ),
        _twilio(
            state, "/Messages/{sid}.json", "GET", lambda r, _: listed.fetch(r.path_params["sid"])
        ),
        _twilio(
            state,
            "/Messages/{sid}.json",
            "POST",
            lambda r, body: listed.update(r.path_params["sid"], body),
        ),
        _twilio(state, ".json", "GET", lambda r, _: texts.account_of(account(r))),
    ]


def _sending_routes(state: State) -> list[Route]:
    def batch(request: Request) -> str:
        return str(request.path_params["batch"])

    sends = "/user/scheduled_sends"
    return [
        _mail("/mail/send", "POST", lambda _, body: mail.send(state, body)),
        _mail("/mail/batch", "POST", lambda *_: mail_account.new_batch(state)),
        _mail("/mail/batch/{batch}", "GET", lambda r, _: mail_account.known_batch(state, batch(r))),
        _mail(sends, "POST", lambda _, body: mail_account.schedule(state, body)),
        _mail(sends, "GET", lambda *_: mail_account.scheduled(state)),
        _mail(sends + "/{batch}", "GET", lambda r, _: mail_account.scheduled(state, batch(r))),
        _mail(
            sends + "/{batch}",
            "PATCH",
            lambda r, body: mail_account.reschedule(state, batch(r), body),
        ),
        _mail(sends + "/{batch}", "DELETE", lambda r, _: mail_account.resume(state, batch(r))),
    ]


def _account_routes(state: State, index: Index) -> list[Route]:
    return [
        _mail(
            "/suppression/{kind}",
            "GET",
            lambda r, _: mail_account.suppressed(state, r.path_params["kind"], r.query_params),
        ),
        _mail(
            "/asm/suppressions/global/{email}",
            "GET",
            lambda r, _: mail_account.globally_suppressed(state, r.path_params["email"]),
        ),
        _mail("/messages", "GET", lambda r, _: mail_account.activity(state, index, r.query_params)),
        _mail(
            "/user/webhooks/event/settings/signed",
            "GET",
            lambda *_: as_json(200, {"public_key": EventSigner(state.journal.folder).public_key}),
        ),
        _mail("/scopes", "GET", lambda *_: mail_account.scopes()),
        _mail("/verified_senders", "GET", lambda *_: mail_account.senders(state)),
        _mail("/whitelabel/domains", "GET", lambda *_: mail_account.domains(state)),
    ]


def _mail(path: str, method: str, answer: Asked) -> Route:
    """A path of SendGrid's, for those with a key."""

    async def endpoint(request: Request) -> Response:
        refused = mail.unauthorized(request.headers.get("authorization", ""))
        try:
            return _response(refused or answer(request, await request.body()))
        except ValueError:
            return _response(mail.refusal([Fault("Bad Request", None)]))

    return Route(f"/v3{path}", endpoint, methods=[method])


def _twilio(state: State, path: str, method: str, answer: Asked) -> Route:
    """A path of Twilio's, for those with its credentials."""

    async def endpoint(request: Request) -> Response:
        account = request.path_params["account"]
        refused = texts.unauthorized(state, request.headers.get("authorization", ""), account)
        try:
            return _response(refused or answer(request, await request.body()))
        except ValueError:
            return _response(texts.refusal(20001))

    return Route(f"{TWILIO}{path}", endpoint, methods=[method])


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, dict(answer.headers))


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
