"""The pages as people meet them: in a real browser, on a telephone, without scripts."""

from collections.abc import Iterator

import pytest
from headless import Page, browser_path, browsing, fits
from web_scene import NOW, Scene

from antiphon.message.links import Purpose
from antiphon.states import MessageState
from antiphon.web.server import running
from antiphon.web.words import WORDS

pytestmark = pytest.mark.skipif(browser_path() is None, reason="no chromium is installed")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browsing(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def test_a_person_unsubscribes_by_one_tap(scene: Scene, page: Page):
    message_id, waiting = scene.send(), scene.send(leaves=False)
    with running(scene.app) as url:
        page.open(url + scene.path(Purpose.UNSUBSCRIBE, message_id))
        assert fits(page, "unsubscribe")
        assert page.box("button")[3] >= 44  # as tall as a finger
        page.click("button")
        page.wait_for_text(WORDS["en"]["unsubscribed"])
        assert fits(page, "unsubscribed")
        page.click('a[href^="../p/"]')
        page.wait_for_text(WORDS["en"]["preferences"])
    assert scene.message(waiting).state is MessageState.WITHDRAWN


def test_a_person_chooses_in_the_preference_centre(scene: Scene, page: Page):
    message_id = scene.send(language="de")
    with running(scene.app) as url:
        page.open(url + scene.path(Purpose.PREFERENCES, message_id))
        assert fits(page, "preferences")
        page.click('input[name="want"][value="sms.lifecycle"]')
        page.click('input[name="want"][value="email.promo"]')
        page.click("button")
        page.wait_for_text(WORDS["de"]["saved"])
        assert fits(page, "preferences-saved")
    people = scene.project.ledger.people
    assert {(one.channel, one.category): one.granted for one in people.acts_of("ada")} == {
        ("sms", "lifecycle"): False,
        ("email", "promo"): True,
    }


def test_a_person_confirms_by_a_button(scene: Scene, page: Page):
    with running(scene.app) as url:
        page.open(url + scene.path(Purpose.CONFIRM, scene.send(language="de")))
        assert fits(page, "confirm")
        page.click("button")
        page.wait_for_text(WORDS["de"]["confirmed"])
    [act] = scene.project.ledger.people.acts_of("ada")
    assert act.confirmed_at == NOW


def test_the_message_as_a_page_leads_to_the_way_out(scene: Scene, page: Page):
    """Within the sandbox that the message is shown in, its links lead on."""
    message_id = scene.send()
    with running(scene.app) as url:
        page.open(url + scene.path(Purpose.WEB, message_id))
        assert "Hello Ada" in page.html
        page.open(url + "/u/k1.cut")
        assert fits(page, "wrong-link")
        assert "mailto:hello@scene.example" in page.html
