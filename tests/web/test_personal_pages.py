"""Pages that messages link to: who may change what, what is shown, and to whom."""

import re
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web_scene import BASE, DAY, NOW, Scene

from antiphon import keys
from antiphon.errors import LedgerError
from antiphon.ledger import Response
from antiphon.message.links import Purpose
from antiphon.privacy.tombstones import PREFIX
from antiphon.states import MessageState
from antiphon.web.words import CATEGORIES, CHANNELS, WORDS

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
PERSONAL = (Purpose.UNSUBSCRIBE, Purpose.PREFERENCES, Purpose.CONFIRM)


def objects(scene: Scene, customer: str = "ada", channel: str = "email", category: str = "promo"):
    people = scene.project.ledger.people
    return bool(people.objections_now([customer], channel, category, scene.clock.now))


def kinds(scene: Scene, customer: str = "ada") -> list[str]:
    return [one.kind for one in scene.project.ledger.responses.of_customer(customer)]


def agree(scene: Scene, customer: str = "ada", at=NOW - 90 * DAY) -> None:
    scene.project.ledger.people.consent_act(
        customer, "email", "promo", granted=True, acted_at=at, source="import"
    )


# ---------------------------------------------------------------- unsubscribing


@pytest.mark.parametrize("purpose", PERSONAL)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_following_a_link_changes_nothing(scene: Scene, purpose: Purpose, method: str):
    message_id = scene.send()
    path = scene.path(purpose, message_id)
    answered = scene.ask(*[(method, path, {})] * 3)
    assert {one.status_code for one in answered} == {200}
    assert kinds(scene) == []
    assert not objects(scene)
    assert scene.project.ledger.people.acts_of("ada") == []


def test_one_click_ends_the_messages_of_the_category(scene: Scene):
    message_id = scene.send()
    waiting, other = scene.send(leaves=False), scene.send(category="lifecycle", leaves=False)
    answered = scene.post(scene.path(Purpose.UNSUBSCRIBE, message_id), data=ONE_CLICK)
    assert answered.status_code == 200
    assert "set-cookie" not in answered.headers
    assert objects(scene)
    assert not objects(scene, category="lifecycle")
    assert scene.message(waiting).state is MessageState.WITHDRAWN
    assert scene.message(other).state is MessageState.PLANNED
    [act] = scene.project.ledger.people.acts_of("ada")
    assert (act.source, act.acted_at) == ("link", NOW)
    assert (act.evidence or {})["message"] == message_id
    [out] = scene.project.ledger.responses.of_message(message_id)
    assert (out.evidence or {})["how"] == "one-click"


def test_one_click_may_come_as_multipart(scene: Scene):
    path = scene.path(Purpose.UNSUBSCRIBE, scene.send())
    body = (
        b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--'
    )
    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert scene.post(path, content=body, headers=headers).status_code == 200
    assert objects(scene)


def test_unsubscribing_twice_is_told_once(scene: Scene):
    path = scene.path(Purpose.UNSUBSCRIBE, scene.send())
    scene.post(path)
    scene.clock.now += timedelta(minutes=1)
    assert "unsubscribed" in scene.post(path).text
    assert kinds(scene) == ["opt_out"]


def test_one_can_unsubscribe_for_ever(scene: Scene):
    path = scene.path(Purpose.UNSUBSCRIBE, scene.send())
    scene.clock.now += 3000 * DAY
    assert scene.post(path, data=ONE_CLICK).status_code == 200
    assert objects(scene)


def test_who_has_unsubscribed_is_told_so_and_not_asked_again(scene: Scene):
    path = scene.path(Purpose.UNSUBSCRIBE, scene.send())
    assert WORDS["en"]["unsubscribe_ask"] in scene.get(path).text
    scene.post(path)
    page = scene.get(path).text
    assert WORDS["en"]["unsubscribed_already"] in page
    assert WORDS["en"]["unsubscribe_ask"] not in page


def test_who_leaves_by_the_link_during_a_break_does_not_come_back_at_its_end(scene: Scene):
    agree(scene)
    message_id = scene.send()
    scene.post(scene.path(Purpose.PREFERENCES, message_id), data={"pause": "yes"})
    scene.clock.now += DAY
    path = scene.path(Purpose.UNSUBSCRIBE, message_id)
    assert WORDS["en"]["unsubscribe_ask"] in scene.get(path).text
    scene.post(path, data=ONE_CLICK)
    scene.clock.now += 40 * DAY
    assert objects(scene)
    assert not objects(scene, category="lifecycle")


def test_what_needs_no_consent_is_not_said_to_be_switched_off(scene: Scene):
    """Orders and the account: an objection would keep nothing back."""
    path = scene.path(Purpose.UNSUBSCRIBE, scene.send(category="service"))
    for page in (scene.get(path), scene.post(path, data=ONE_CLICK)):
        assert page.status_code == 200
        assert WORDS["en"]["not_here"] in page.text
        assert WORDS["en"]["unsubscribed"] not in page.text
        assert 'href="../p/' in page.text
    assert kinds(scene) == []
    assert scene.project.ledger.people.acts_of("ada") == []


# ---------------------------------------------------------------- links


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8)
@given(cut=st.integers(1, 60))
def test_a_cut_link_is_answered_with_what_to_do(scene: Scene, cut: int):
    path = scene.path(Purpose.UNSUBSCRIBE, "00ff" * 8)
    answered = scene.post(path[:-cut])
    assert answered.status_code == 404
    assert answered.headers["content-type"].startswith("text/html")
    assert "mailto:" in answered.text


@pytest.mark.parametrize("after", [".", ")", ">.", '",'])
def test_what_stands_after_a_link_in_a_text_is_not_part_of_it(scene: Scene, after: str):
    path = scene.path(Purpose.UNSUBSCRIBE, scene.send())
    assert scene.post(path + after).status_code == 200


def test_a_fault_of_ours_is_logged_without_anything_personal(scene: Scene, monkeypatch, caplog):
    path = scene.path(Purpose.PREFERENCES, scene.send())

    def broken(_: str):
        raise RuntimeError("ada@example.com")

    monkeypatch.setattr(scene.project.ledger.messages, "by_customer", broken)
    with pytest.raises(RuntimeError):  # as a server sees it; it has answered by then
        scene.get(path)
    assert "RuntimeError at" in caplog.text
    assert "ada" not in caplog.text
    assert path.rpartition("/")[2] not in caplog.text
    assert scene.refused() == {"web: our own fault": 1}


def test_a_link_serves_only_its_purpose(scene: Scene):
    token = scene.links.token(Purpose.WEB, scene.send())
    for place in "upd":
        assert scene.post(f"/{place}/{token}").status_code == 404
    assert not objects(scene)


def test_a_link_of_a_message_nobody_knows_is_told_so(scene: Scene):
    answered = scene.get(scene.path(Purpose.WEB, "00ff" * 8), headers={"accept-language": "en"})
    assert answered.status_code == 404
    assert WORDS["en"]["unknown"] in answered.text


@pytest.mark.parametrize("purpose", [Purpose.PREFERENCES, Purpose.WEB, Purpose.CONFIRM])
def test_pages_close_when_their_message_is_old(scene: Scene, purpose: Purpose):
    path = scene.path(purpose, scene.send())
    scene.clock.now += 399 * DAY
    assert scene.get(path).status_code == 200
    scene.clock.now += 2 * DAY
    answered = scene.get(path)
    assert answered.status_code == 410
    assert WORDS["en"]["expired"] in answered.text


@pytest.mark.parametrize("purpose", Purpose)
def test_links_of_the_forgotten_show_and_write_nothing(scene: Scene, purpose: Purpose):
    """`antiphon forget` leaves the rows under a pseudonym, to be counted."""
    pseudonym = f"{PREFIX}0f"
    path = scene.path(purpose, scene.send(pseudonym))
    path += "/0123456789" if purpose is Purpose.CLICK else ""
    answered = [scene.get(path)]
    if purpose not in (Purpose.WEB, Purpose.CLICK):
        answered += [scene.post(path, data={"none": "yes", "language": "de"})]
    assert {one.status_code for one in answered} == {410}
    assert all(WORDS["en"]["forgotten_title"] in one.text for one in answered)
    assert kinds(scene, pseudonym) == []
    assert scene.project.ledger.people.acts_of(pseudonym) == []
    assert scene.project.ledger.statements.of_customer(pseudonym) == []


def test_a_ledger_that_is_away_changes_nothing_and_says_so(scene: Scene, monkeypatch):
    path = scene.path(Purpose.UNSUBSCRIBE, scene.send())

    def away(_: str):
        raise LedgerError("the ledger at x failed: away.")

    monkeypatch.setattr(scene.project.ledger.messages, "get", away)
    answered = scene.post(path, data=ONE_CLICK, headers={"accept-language": "de"})
    assert answered.status_code == 503
    assert WORDS["de"]["later"] in answered.text


@pytest.mark.parametrize("purpose", [*PERSONAL, Purpose.WEB])
def test_pages_need_no_script_no_cookie_and_nothing_from_elsewhere(scene: Scene, purpose: Purpose):
    answered = scene.get(scene.path(purpose, scene.send()))
    policy = answered.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "<script" not in answered.text
    assert answered.headers["referrer-policy"] == "no-referrer"
    assert answered.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answered.headers


@pytest.mark.parametrize(("language", "said"), [("de", "Abmelden"), ("en", "Unsubscribe")])
def test_a_page_speaks_the_language_of_its_message(scene: Scene, language: str, said: str):
    answered = scene.get(scene.path(Purpose.UNSUBSCRIBE, scene.send(language=language)))
    assert f'lang="{language}"' in answered.text
    assert said in answered.text


def test_every_word_is_there_in_every_language():
    for table in (WORDS, CATEGORIES, CHANNELS):
        assert len({frozenset(words) for words in table.values()}) == 1


# ---------------------------------------------------------------- preferences


def form_of(scene: Scene, page: str) -> dict[str, list[str]]:
    """What a browser would send of the page as it stands."""
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name, value = (re.search(rf'{key}="([^"]*)"', tag) for key in ("name", "value"))
        if 'type="hidden"' in tag or " checked" in tag:
            found.setdefault(name[1], []).append(value[1])
    return found


def test_the_page_shows_what_holds(scene: Scene):
    agree(scene)
    form = form_of(scene, scene.get(scene.path(Purpose.PREFERENCES, scene.send())).text)
    assert form["want"] == ["email.promo", "email.lifecycle", "sms.lifecycle"]
    assert form["want"] == form["was"]


def test_saving_without_a_change_says_nothing(scene: Scene):
    path = scene.path(Purpose.PREFERENCES, scene.send())
    form = form_of(scene, scene.get(path).text)
    assert scene.post(path, data=form).status_code == 200
    assert kinds(scene) == []


def test_what_cannot_be_read_is_not_said_to_be_saved(scene: Scene):
    path = scene.path(Purpose.PREFERENCES, scene.send())
    sent = [{}, {"json": {"none": "yes"}}, {"data": {"want": "fax.promo"}}]
    sent += [{"data": {"shown": "yes", "language": "xx"}}, {"data": {"foo": "bar"}}]
    for more in sent:
        answered = scene.post(path, **more)
        assert answered.status_code == 400
        assert WORDS["en"]["saved"] not in answered.text
        assert WORDS["en"]["not_saved"] in answered.text
    assert kinds(scene) == []
    for form in ({"shown": "yes", "language": ""}, {"want": "email.promo"}, {"none": "yes"}):
        assert WORDS["en"]["saved"] in scene.post(path, data=form).text


def test_each_change_is_an_act_of_its_own(scene: Scene):
    agree(scene)
    path = scene.path(Purpose.PREFERENCES, message_id := scene.send())
    form = form_of(scene, scene.get(path).text)
    form["want"] = ["email.lifecycle", "sms.promo"]
    answered = scene.post(path, data=form)
    assert objects(scene)
    assert objects(scene, channel="sms", category="lifecycle")
    assert not objects(scene, category="lifecycle")
    acts = [one for one in scene.project.ledger.people.acts_of("ada") if one.acted_at == NOW]
    assert {(one.channel, one.category, one.granted, one.source) for one in acts} == {
        ("email", "promo", False, "preferences"),
        ("sms", "promo", True, "preferences"),
        ("sms", "lifecycle", False, "preferences"),
    }
    assert all((one.evidence or {})["message"] == message_id for one in acts)
    assert sorted(form_of(scene, answered.text)["want"]) == form["want"]


def test_what_was_said_elsewhere_meanwhile_is_not_undone(scene: Scene):
    """The page was open while its person unsubscribed by the link."""
    agree(scene)
    message_id = scene.send()
    path = scene.path(Purpose.PREFERENCES, message_id)
    form = form_of(scene, scene.get(path).text)
    scene.post(scene.path(Purpose.UNSUBSCRIBE, message_id), data=ONE_CLICK)
    scene.clock.now += timedelta(minutes=1)
    scene.post(path, data=form)
    assert objects(scene)


def test_nothing_at_all_means_every_channel_and_category(scene: Scene):
    agree(scene)
    path = scene.path(Purpose.PREFERENCES, scene.send())
    scene.post(path, data={**form_of(scene, scene.get(path).text), "none": "yes"})
    assert all(
        objects(scene, channel=channel, category=category)
        for channel in ("email", "sms")
        for category in ("promo", "lifecycle")
    )


def test_a_pause_ends_by_itself_after_thirty_days(scene: Scene):
    agree(scene)
    path = scene.path(Purpose.PREFERENCES, scene.send())
    form = form_of(scene, scene.get(path).text)
    page = scene.post(path, data={**form, "pause": "yes"}).text
    assert "June 11, 2026" in page
    assert form_of(scene, page)["want"] == form["want"]
    assert objects(scene)
    scene.clock.now += timedelta(days=29, hours=23)
    assert objects(scene)
    scene.clock.now += timedelta(hours=2)
    assert not objects(scene)
    assert not objects(scene, category="lifecycle")


def test_a_pause_can_be_ended(scene: Scene):
    agree(scene)
    path = scene.path(Purpose.PREFERENCES, scene.send())
    page = scene.post(path, data={**form_of(scene, scene.get(path).text), "pause": "yes"}).text
    scene.clock.now += DAY
    scene.post(path, data={**form_of(scene, page), "resume": "yes"})
    assert not objects(scene)


def test_who_leaves_during_a_pause_does_not_come_back_at_its_end(scene: Scene):
    agree(scene)
    message_id = scene.send()
    path = scene.path(Purpose.PREFERENCES, message_id)
    scene.post(path, data={**form_of(scene, scene.get(path).text), "pause": "yes"})
    scene.clock.now += DAY
    page = scene.get(path).text
    form = form_of(scene, page)
    form["want"] = [one for one in form["want"] if one != "email.promo"]
    scene.post(path, data=form)
    scene.clock.now += 40 * DAY
    assert objects(scene)
    assert not objects(scene, category="lifecycle")


def test_a_language_is_a_statement(scene: Scene):
    path = scene.path(Purpose.PREFERENCES, scene.send())
    page = scene.post(path, data={**form_of(scene, scene.get(path).text), "language": "de"}).text
    assert scene.project.ledger.statements.latest("language", ["ada"]) == {"ada": "de"}
    assert WORDS["de"]["saved"] in page
    scene.post(path, data={"language": "xx"})
    assert scene.project.ledger.statements.latest("language", ["ada"]) == {"ada": "de"}


def test_an_opt_out_of_the_channel_is_undone_by_agreeing_but_a_complaint_is_not(scene: Scene):
    people, salt = scene.project.ledger.people, "scene"
    for customer, reason in (("ada", "opt_out"), ("bob", "complaint")):
        key = keys.address_key(salt, "email", f"{customer}@example.com")
        people.suppress("email", key, reason=reason, at=NOW - DAY, source="sendgrid")
        path = scene.path(Purpose.PREFERENCES, scene.send(customer))
        page = scene.get(path).text
        assert WORDS["en"]["blocked"] in page
        scene.post(path, data={**form_of(scene, page), "want": ["email.promo"]})
        assert bool(people.suppressed_now("email", [key])) == (reason == "complaint")


def test_it_shows_what_we_sent_and_nothing_of_anybody_else(scene: Scene):
    message_id = scene.send()
    scene.clock.now += DAY
    scene.send(channel="sms")
    scene.send("bob", campaign="secret")
    scene.send(campaign="planned", leaves=False)
    scene.clock.now += DAY
    scene.send(values_json="{}")
    scene.send(template_hash="f" * 32)
    page = scene.get(scene.path(Purpose.PREFERENCES, message_id)).text
    assert "<li>May 12, 2026, E-mail: Hello</li>" in page
    assert "<li>May 13, 2026, SMS</li>" in page
    assert page.count("<li>May 14, 2026, E-mail</li>") == 2  # cannot be rendered any more
    assert "Letter of May" not in page  # what the staff call it
    assert "secret" not in page
    assert "planned" not in page
    assert "ada@example.com" not in page
    assert "a…@example.com" in page
    assert "bob" not in page


# ---------------------------------------------------------------- confirmation


def test_a_button_confirms_what_the_message_asked(scene: Scene):
    message_id = scene.send()
    path = scene.path(Purpose.CONFIRM, message_id)
    assert CATEGORIES["en"]["promo"] in scene.get(path).text
    assert WORDS["en"]["confirmed"] in scene.post(path).text
    scene.clock.now += timedelta(minutes=1)
    scene.post(path)
    [act] = scene.project.ledger.people.acts_of("ada")
    assert (act.channel, act.category, act.granted) == ("email", "promo", True)
    assert (act.source, act.confirmed_at) == ("confirmation", NOW)
    assert kinds(scene) == ["opt_in"]


def test_who_left_after_confirming_may_confirm_again(scene: Scene):
    message_id = scene.send()
    scene.post(scene.path(Purpose.CONFIRM, message_id))
    for purpose in (Purpose.UNSUBSCRIBE, Purpose.CONFIRM):
        scene.clock.now += timedelta(minutes=1)
        scene.post(scene.path(purpose, message_id))
    assert kinds(scene) == ["opt_in", "opt_out", "opt_in"]
    assert not objects(scene)


def test_a_message_that_asked_nothing_confirms_nothing(scene: Scene):
    answered = scene.post(scene.path(Purpose.CONFIRM, scene.send(campaign="gone")))
    assert WORDS["en"]["nothing_asked"] in answered.text
    assert kinds(scene) == []


# ---------------------------------------------------------------- the message as a page


def test_the_message_is_shown_as_it_was_sent(scene: Scene):
    answered = scene.get(scene.path(Purpose.WEB, scene.send()))
    assert "<h1>Hello Ada</h1>" in answered.text
    assert "form-action 'none'" in answered.headers["content-security-policy"]


def test_an_sms_is_shown_too_and_a_control_row_is_not(scene: Scene):
    assert "/c/k1." in scene.get(scene.path(Purpose.WEB, scene.send(channel="sms"))).text
    held = scene.send(state="control", values_json="{}", leaves=False)
    assert scene.get(scene.path(Purpose.WEB, held)).status_code == 404


def test_what_was_erased_is_shown_no_more(scene: Scene):
    path = scene.path(Purpose.WEB, scene.send(values_json='{"customer": {}, "campaign": {}}'))
    assert scene.get(path).status_code == 410


# ---------------------------------------------------------------- clicks


def click(scene: Scene, message_id: str) -> str:
    page = scene.get(scene.path(Purpose.WEB, message_id)).text
    found = re.search(rf'href="{BASE}(/c/[^"]+)"', page)
    assert found
    return found[1]


PERSON = {"user-agent": "Mozilla/5.0 (iPhone)"}


def test_a_click_is_counted_and_leads_on(scene: Scene):
    path = click(scene, message_id := scene.send())
    answered = scene.get(path, headers=PERSON)
    assert answered.status_code == 302
    assert answered.headers["location"] == (
        "https://www.scene.example/cream?size=2&utm_source=antiphon"
        "&utm_medium=email&utm_campaign=letter"
    )
    [one] = scene.project.ledger.responses.of_message(message_id)
    assert (one.kind, one.value, one.is_machine) == (
        "click",
        "https://www.scene.example/cream",
        False,
    )


def test_a_program_that_looks_ahead_is_no_person(scene: Scene):
    path = click(scene, message_id := scene.send())
    assert scene.ask(("HEAD", path, {}))[0].status_code == 302
    assert kinds(scene) == []
    for headers in ({"user-agent": "LinkScanner/1"}, {**PERSON, "sec-purpose": "prefetch"}):
        scene.clock.now += timedelta(seconds=1)
        scene.get(path, headers=headers)
    found = scene.project.ledger.responses.of_message(message_id)
    assert [one.is_machine for one in found] == [True, True]


def test_no_redirect_leads_where_we_did_not_write(scene: Scene):
    path = click(scene, scene.send())
    assert scene.get(f"{path}/", headers={**PERSON, "host": "evil.example"}).status_code == 404
    for name in ("0123456789", "https:%2F%2Fevil.example", "..", "?to=https://evil.example"):
        answered = scene.get(f"{path.rpartition('/')[0]}/{name}", headers=PERSON)
        assert answered.status_code == 404
        assert "evil" not in answered.headers.get("location", "")


def test_a_click_leads_on_while_it_cannot_be_counted(scene: Scene, monkeypatch):
    path = click(scene, scene.send())

    def away(*_: object) -> list[Response]:
        raise LedgerError("the ledger at x failed: away.")

    monkeypatch.setattr(scene.project.ledger.responses, "known", away)
    monkeypatch.setattr(scene.project.ledger.responses, "insert", away)
    assert scene.get(path, headers=PERSON).status_code == 302


# ---------------------------------------------------------------- the project


def test_a_changed_campaign_is_known_without_a_restart(scene: Scene, monkeypatch):
    monkeypatch.setattr("antiphon.web.site.LOOKS_EVERY", 0.0)
    path = scene.path(Purpose.CONFIRM, scene.send())
    assert CATEGORIES["en"]["promo"] in scene.get(path).text
    file = scene.project.root / "config" / "campaigns" / "letter.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("confirms: promo", "confirms: lifecycle"), encoding="utf-8")
    assert CATEGORIES["en"]["lifecycle"] in scene.get(path).text
    file.write_text("campaign: [", encoding="utf-8")
    assert CATEGORIES["en"]["lifecycle"] in scene.get(path).text
