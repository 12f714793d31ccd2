"""A survey as people meet it: one tap in the e-mail, then a page on a telephone, no scripts."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from survey_world import NOW, World

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))  # for headless

from headless import Page, browser_path, browsing, fits

from antiphon.surveys import settle
from antiphon.web.server import running

pytestmark = pytest.mark.skipif(browser_path() is None, reason="no chromium is installed")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browsing(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def test_a_person_answers_with_one_tap_and_tells_more(world: World, page: Page) -> None:
    message = world.message(language="de")
    with running(world.browser.app) as url:
        page.open(f"{url}{world.path(message)}/9")
        page.wait_for_text("Danke, Ihre Antwort ist notiert")
        assert fits(page, "survey-tapped")
        assert "enttäuscht" not in page.html  # nine is no disappointment
        page.click('input[name="recommend"][value="4"]')
        page.click('input[name="interest"][value="baby"]')
        assert page.box("button")[3] >= 44  # as tall as a finger
        page.click("button")
        page.wait_for_text("Was hat Sie enttäuscht?")  # four is one
        assert fits(page, "survey-one-more")
        page.click('input[name="disappointed-by"][value="delivery"]')
        page.click("button")
        page.wait_for_text("Ihre Antwort hilft uns")
        assert fits(page, "survey-thanks")
    settle(world.project, NOW)
    assert sorted(world.answers(), key=str) == [
        ("answer", "disappointed-by", "delivery"),
        ("answer", "interest", "baby"),
        ("survey", "recommend", "4"),
    ]
    assert [one["score"] for one in world.tasks()] == ["4"]


def test_the_whole_survey_fits_a_telephone(world: World, page: Page) -> None:
    message = world.message()
    with running(world.browser.app) as url:
        page.open(f"{url}{world.path(message)}/3")
        page.wait_for_text("What disappointed you?")
        assert fits(page, "survey-low")
        assert page.box(".scores label")[2] >= 36
        page.open(f"{url}{world.path(message)}")
        assert fits(page, "survey-untapped")
        page.click("button")
        page.wait_for_text("Please answer a question first")
