"""What providers post: kept as it came once it is signed, whatever it says; else refused."""

from dataclasses import replace
from datetime import timedelta

import httpx
import orjson
import pytest
import web_scene
from web_scene import BASE, DAY, NOW, TOKEN, Scene, sha256_signature

from antiphon.collection.inbox import parse
from antiphon.errors import LedgerError, UserFilesError
from antiphon.message.links import Purpose
from antiphon.response.sources import Source
from antiphon.web.app import create_app
from antiphon.web.keys import keys_of, missing
from antiphon.web.webhooks import (
    EVENTS_PATH,
    FORM_SETTINGS,
    FORM_SIGNATURE,
    INBOUND_PATH,
    MOST_EVENTS,
    SIGNATURE,
    STATUS_PATH,
    TIMESTAMP,
)

BODY = b'[{"event":"open","sg_event_id":"e1","timestamp":1}]\r\n'
KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+"
    "2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
)
FORM = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": "+491701234567", "Empty": ""}


def test_a_signed_body_is_kept_to_the_byte_before_it_is_answered(scene_on_both: Scene):
    scene = scene_on_both
    [answered] = scene.ask(scene.signed(BODY))
    assert answered.status_code == 204
    [kept] = scene.project.ledger.inbox.unparsed(10)
    assert (kept.source, kept.body, kept.received_at) == (Source.SENDGRID_EVENTS, BODY, NOW)
    assert scene.refused() == {}


def test_many_at_once_are_all_kept(scene: Scene):
    bodies = [b"[%d]" % number for number in range(200)]
    answered = scene.ask(*map(scene.signed, bodies))
    assert {one.status_code for one in answered} == {204}
    assert sorted(scene.kept()) == sorted(bodies)


def test_requests_that_arrive_together_share_their_commits(scene: Scene):
    puts, put = [], scene.project.ledger.inbox.put
    scene.project.ledger.inbox.put = lambda arrivals: puts.append(len(arrivals)) or put(arrivals)
    scene.ask(*(scene.signed(b"[%d]" % number) for number in range(100)))
    assert sum(puts) == 100
    assert len(puts) < 30


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda headers: headers.pop(SIGNATURE), "no signature"),
        (lambda headers: headers.pop(TIMESTAMP), "no signature"),
        (lambda headers: headers.update({SIGNATURE: "no base64!"}), "bad signature"),
        (lambda headers: headers.update({SIGNATURE: "bm8="}), "bad signature"),
        (lambda headers: headers.update({TIMESTAMP: "yesterday"}), "bad timestamp"),
        (lambda headers: headers.update({TIMESTAMP: "9" * 30}), "bad timestamp"),
        (
            lambda headers: headers.update({TIMESTAMP: str(int(headers[TIMESTAMP]) + 1)}),
            "bad signature",
        ),
    ],
)
def test_what_is_not_signed_is_refused_and_counted(scene: Scene, change, why):
    method, path, more = scene.signed(BODY)
    change(more["headers"])
    [answered] = scene.ask((method, path, more))
    assert answered.status_code == 403
    assert scene.kept() == []
    assert scene.refused() == {f"refused sendgrid_events: {why}": 1}


@pytest.mark.parametrize("tampered", [BODY.strip(), BODY + b" ", BODY.replace(b"open", b"oqen")])
def test_a_tampered_body_is_refused(scene: Scene, tampered: bytes):
    method, path, more = scene.signed(BODY)
    [answered] = scene.ask((method, path, {**more, "content": tampered}))
    assert answered.status_code == 403
    assert scene.kept() == []


@pytest.mark.parametrize(
    ("age", "status"),
    [
        (timedelta(0), 204),
        (DAY + timedelta(hours=6), 204),  # providers repeat for a day
        (timedelta(days=6, hours=23), 204),
        (timedelta(days=7, minutes=1), 403),
        (-timedelta(minutes=9), 204),  # their clock is fast
        (-timedelta(minutes=11), 403),
    ],
)
def test_a_signature_is_good_as_long_as_providers_repeat(scene: Scene, age, status):
    [answered] = scene.ask(scene.signed(BODY, NOW - age))
    assert answered.status_code == status


def test_a_replay_is_taken_and_changes_nothing(scene: Scene):
    event = {"email": "ada@example.com", "event": "open", "timestamp": int(NOW.timestamp())}
    message_id = scene.send()
    body = orjson.dumps([{**event, "sg_event_id": "once", "antiphon_message": message_id}])
    scene.ask(*[scene.signed(body)] * 46)
    scene.ask(scene.signed(body, NOW - timedelta(hours=1)))
    assert parse(scene.project).requests == 47
    assert len(scene.project.ledger.responses.of_message(message_id)) == 1


def test_a_burst_of_ten_thousand_events_is_one_request_and_ten_thousand_responses(scene: Scene):
    message_id = scene.send()
    at = int(NOW.timestamp())
    events = [
        {
            "email": "ada@example.com",
            "event": "click",
            "timestamp": at,
            "url": "https://www.scene.example/cream",
            "sg_event_id": f"e{number}",
            "sg_message_id": "r.filter",
            "antiphon_message": message_id,
            "useragent": "x" * 300,
        }
        for number in range(10_000)
    ]
    [answered] = scene.ask(scene.signed(orjson.dumps(events)))
    assert answered.status_code == 204
    parse(scene.project)
    assert scene.project.ledger.responses.counts(NOW - DAY) == {"click": 10_000}


@pytest.mark.parametrize("body", [b"[{", b"", b"null", b"\xff\xfe", b'{"event": "open"}'])
def test_what_is_signed_but_no_list_of_events_is_kept_and_told(scene: Scene, body: bytes):
    [answered] = scene.ask(scene.signed(body))
    assert answered.status_code == 204
    assert scene.kept() == [body]
    parse(scene.project)
    assert scene.kept() == []
    assert sum(scene.project.ledger.inbox.problems(NOW - DAY).values()) == 1


def test_a_wrong_content_type_is_refused(scene: Scene):
    method, path, more = scene.signed(BODY)
    more["headers"]["content-type"] = "text/html"
    form = scene.texted(STATUS_PATH, FORM)
    form[2]["headers"]["content-type"] = "application/json"
    assert [one.status_code for one in scene.ask((method, path, more), form)] == [415, 415]
    assert scene.kept() == []


def test_a_gigantic_body_is_refused(scene: Scene):
    """Neither one that says so, nor one that does not."""

    async def body():
        for _ in range(MOST_EVENTS // 2**20 + 1):
            yield b"x" * 2**20

    method, path, more = scene.signed(BODY)
    announced = {**more["headers"], "content-length": str(MOST_EVENTS + 1)}
    [answered] = scene.ask((method, path, {"content": body(), "headers": announced}))
    assert answered.status_code == 413
    [answered] = scene.ask((method, path, {"content": body(), "headers": more["headers"]}))
    assert answered.status_code == 413
    assert scene.kept() == []
    assert scene.refused() == {"refused sendgrid_events: too large": 2}


def test_a_get_of_a_webhook_is_no_webhook(scene: Scene):
    assert scene.get(EVENTS_PATH).status_code == 405


def test_a_ledger_that_is_away_is_answered_with_come_again(scene: Scene):
    put = scene.project.ledger.inbox.put

    def away(arrivals):
        raise LedgerError("the ledger at x failed: away.")

    scene.project.ledger.inbox.put = away
    answered = scene.ask(scene.signed(BODY), scene.texted(STATUS_PATH, FORM))
    assert [one.status_code for one in answered] == [503, 503]
    assert answered[0].headers["retry-after"]
    scene.project.ledger.inbox.put = put
    assert scene.ask(scene.signed(BODY))[0].status_code == 204
    assert scene.kept() == [BODY]


def test_a_server_starts_before_its_database_is_up(tmp_path):
    scene = Scene.at(tmp_path)
    (tmp_path / "var" / "ledger.db").mkdir(parents=True)  # no database can be here
    assert scene.get("/health").status_code == 503
    assert scene.ask(scene.signed(BODY))[0].status_code == 503
    (tmp_path / "var" / "ledger.db").rmdir()
    assert scene.ask(scene.signed(BODY))[0].status_code == 204
    assert scene.get("/health").text == "ok, 1 requests wait to be read\n"


# ---------------------------------------------------------------- Twilio


def test_a_callback_is_kept_with_the_query_that_names_our_message(scene: Scene):
    [answered] = scene.ask(scene.texted(f"{STATUS_PATH}?m=00ff", FORM))
    assert answered.status_code == 204
    [kept] = scene.project.ledger.inbox.unparsed(10)
    assert (kept.source, kept.query) == (Source.TWILIO_STATUS, "m=00ff")
    assert b"MessageStatus=delivered" in kept.body


def test_a_text_to_us_is_kept_and_answered_with_nothing_to_say(scene: Scene):
    form = {"From": "+491701234567", "Body": "STOP, bitte! ÄÖ €", "MessageSid": "SM2"}
    [answered] = scene.ask(scene.texted(INBOUND_PATH, form))
    assert (answered.status_code, answered.headers["content-type"].split(";")[0]) == (
        200,
        "text/xml",
    )
    assert "<Response/>" in answered.text
    assert len(scene.kept()) == 1


def test_a_shared_key_signs_with_sha256(scene: Scene):
    headers = {
        FORM_SIGNATURE: sha256_signature(BASE + STATUS_PATH, FORM),
        FORM_SETTINGS: "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256",
    }
    assert scene.post(STATUS_PATH, data=FORM, headers=headers).status_code == 204
    del headers[FORM_SETTINGS]
    assert scene.post(STATUS_PATH, data=FORM, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "spoil",
    [
        lambda more: more["data"].update(MessageStatus="undelivered"),
        lambda more: more["data"].update(Another="field"),
        lambda more: more["headers"].update({FORM_SIGNATURE: "bm8="}),
        lambda more: more["headers"].update({FORM_SETTINGS: "algorithm=MD5"}),
    ],
)
def test_a_callback_that_was_changed_is_refused(scene: Scene, spoil):
    method, path, more = scene.texted(STATUS_PATH, FORM)
    spoil(more)
    assert scene.ask((method, path, more))[0].status_code == 403
    assert scene.refused() == {"refused twilio_status: bad signature": 1}


def test_the_query_is_signed(scene: Scene):
    method, _, more = scene.texted(f"{STATUS_PATH}?m=00ff", FORM)
    assert scene.ask((method, f"{STATUS_PATH}?m=00fe", more))[0].status_code == 403


def test_what_a_proxy_makes_of_the_address_does_not_matter(scene: Scene):
    """The request comes to http://proxy; Twilio signed the public address."""
    method, path, more = scene.texted(STATUS_PATH, FORM)
    more["headers"]["host"] = "10.0.0.7:8080"
    assert scene.ask((method, path, more))[0].status_code == 204


def test_a_public_address_below_a_path_is_served_with_and_without_it(tmp_path, monkeypatch):
    monkeypatch.setattr("web_scene.BASE", f"{BASE}/talk")
    settings = {**web_scene.SETTINGS, "links": {"base_url": f"{BASE}/talk"}}
    monkeypatch.setattr(web_scene, "SETTINGS", settings)
    scene = Scene.at(tmp_path)
    method, path, more = scene.texted(STATUS_PATH, FORM, base=f"{BASE}/talk")
    answered = scene.ask((method, path, more), (method, f"/talk{path}", more))
    assert [one.status_code for one in answered] == [204, 204]


def test_nothing_is_taken_without_a_key(tmp_path):
    scene = Scene.at(tmp_path)
    scene.app = create_app(scene.project)
    answered = scene.ask(scene.signed(BODY), scene.texted(STATUS_PATH, FORM))
    assert [one.status_code for one in answered] == [403, 403]


@pytest.mark.parametrize(
    ("accounts", "variables", "lacking"),
    [
        ({"email": "local", "sms": "local"}, {}, []),
        ({"email": "sendgrid", "sms": "twilio"}, {}, ["SENDGRID_WEBHOOK_KEY", "auth token"]),
        ({"email": "sendgrid", "sms": "local"}, {"SENDGRID_WEBHOOK_KEY": KEY}, []),
        ({"email": "local", "sms": "twilio"}, {"TWILIO_AUTH_TOKEN": "12345"}, []),
        ({"email": "local", "sms": "twilio"}, {"TWILIO_WEBHOOK_KEY": "12345"}, []),
        ({"email": "sandbox", "sms": "sandbox"}, {}, []),  # its keys are known
    ],
)
def test_keys_come_from_the_environment_and_what_lacks_is_told(
    tmp_path, monkeypatch, accounts, variables, lacking
):
    monkeypatch.setitem(web_scene.SETTINGS, "providers", accounts)
    for name in ("SENDGRID_WEBHOOK_KEY", "TWILIO_AUTH_TOKEN", "TWILIO_WEBHOOK_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    project = Scene.at(tmp_path).project
    said = missing(project, keys_of(project))
    assert len(said) == len(lacking)
    assert all(word in line for word, line in zip(lacking, said, strict=True))


def test_a_key_that_is_none_is_named_and_not_printed(tmp_path, monkeypatch):
    monkeypatch.setenv("SENDGRID_WEBHOOK_KEY", "SG.a-secret-of-another-kind")
    with pytest.raises(UserFilesError, match="SENDGRID_WEBHOOK_KEY") as error:
        keys_of(Scene.at(tmp_path).project)
    assert "secret" not in str(error.value)


def test_counts_survive_a_ledger_that_is_away(scene: Scene):
    scene.app.site.counts.add("refused something")
    with pytest.raises(LedgerError):
        scene.app.site.counts.flush(lambda _: (_ for _ in ()).throw(LedgerError("away")))
    assert scene.refused() == {"refused something": 1}


def test_a_sender_that_goes_away_leaves_the_others_alone(scene: Scene):
    async def breaks():
        yield b"[1"
        raise httpx.WriteError("gone")

    method, path, more = scene.signed(BODY)
    with pytest.raises(httpx.WriteError):
        scene.ask((method, path, {"content": breaks(), "headers": more["headers"]}))
    assert scene.ask(scene.signed(BODY))[0].status_code == 204
    assert scene.path(Purpose.WEB, "0" * 32).startswith("/v/")


def test_a_changed_base_url_is_known_without_a_restart(scene: Scene, monkeypatch):
    monkeypatch.setattr("antiphon.web.site.LOOKS_EVERY", 0.0)
    scene.project = replace(scene.project, environment={"TWILIO_AUTH_TOKEN": TOKEN})
    vars(scene.project)["ledger"] = scene.app.site.project.ledger
    scene.app = create_app(scene.project)
    form, moved = {"MessageSid": "SM1", "MessageStatus": "delivered"}, "https://new.example/mail"
    [before] = scene.ask(scene.texted(STATUS_PATH, form))
    file = scene.project.root / "config" / "settings.yaml"
    file.write_text(file.read_text("utf-8").replace(BASE, moved), encoding="utf-8")
    method, path, more = scene.texted(STATUS_PATH, form, moved)
    answered = [before, *scene.ask((method, path, more), (method, f"/mail{path}", more))]
    assert [one.status_code for one in answered] == [204, 204, 204]
    [old] = scene.ask(scene.texted(STATUS_PATH, form))
    assert old.status_code == 403
