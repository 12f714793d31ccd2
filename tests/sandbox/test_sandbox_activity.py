"""What can be asked of the sandbox as of SendGrid: activity, batches, what an account may."""

import json
from collections.abc import Iterator

import pytest
from python_http_client.exceptions import BadRequestsError, ForbiddenError
from sandbox_clients import mail, person, sendgrid

from antiphon.sandbox.server import Sandbox, running


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running() as found:
        sendgrid(found.url).send(mail(*(person(number) for number in range(5))))
        sendgrid(found.url).send(mail(person(3)))
        yield found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('to_email="Ann2@example.org"', 1),
        ("(unique_args['antiphon_message']=\"mail-3\")", 2),
        ('to_email="ann3@example.org" AND subject="Hello Ann 3"', 2),
        ('to_email="ann3@example.org" AND subject="Hello Ann 4"', 0),
        ('subject="Hello Ann 0"', 1),
        ('to_email="nobody@example.org"', 0),
        ('status="delivered"', 6),
    ],
)
def test_activity_is_found_by_query(sandbox: Sandbox, query: str, found: int) -> None:
    answer = sendgrid(sandbox.url).client.messages.get(query_params={"query": query, "limit": 50})
    messages = json.loads(answer.body)["messages"]
    assert len(messages) == found
    ids = [entry.provider_id for entry in sandbox.entries()]
    assert all(one["msg_id"].startswith(tuple(ids)) for one in messages)


def test_activity_that_was_not_bought_is_forbidden() -> None:
    with running(shows_activity=False) as sandbox, pytest.raises(ForbiddenError):
        sendgrid(sandbox.url).client.messages.get(query_params={"limit": 1})


def test_a_wrong_query_or_number_is_refused(sandbox: Sandbox) -> None:
    client = sendgrid(sandbox.url).client
    with pytest.raises(BadRequestsError):
        client.messages.get(query_params={"query": "everything"})
    with pytest.raises(BadRequestsError):
        client.suppression.bounces.get(query_params={"limit": "many"})


def test_the_account_says_what_it_may_and_who_sends(sandbox: Sandbox) -> None:
    client = sendgrid(sandbox.url).client
    assert "mail.send" in json.loads(client.scopes.get().body)["scopes"]
    [sender] = json.loads(client.verified_senders.get().body)["results"]
    [domain] = json.loads(client.whitelabel.domains.get().body)
    assert sender["from_email"].endswith("@" + domain["domain"])
    assert json.loads(client.asm.suppressions._("global")._("ann@example.org").get().body) == {}


def test_a_batch_is_known_and_decided_once(sandbox: Sandbox) -> None:
    client = sendgrid(sandbox.url).client
    batch = json.loads(client.mail.batch.post().body)["batch_id"]
    assert json.loads(client.mail.batch._(batch).get().body) == {"batch_id": batch}
    asked = {"batch_id": batch, "status": "pause"}
    client.user.scheduled_sends.post(request_body=asked)
    with pytest.raises(BadRequestsError):
        client.user.scheduled_sends.post(request_body=asked)
    assert client.user.scheduled_sends._(batch).delete().status_code == 204
    assert json.loads(client.user.scheduled_sends.get().body) == []
