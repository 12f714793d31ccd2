"""The page of a run and the notebook's DataFrames, over a day to which answers came."""

import re
import shutil
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from demo_project import AT, demo_clock

import antiphon
from antiphon import keys
from antiphon.cli import exit_code
from antiphon.collection import record
from antiphon.errors import UserFilesError
from antiphon.ledger.responses import Response
from antiphon.project import Project, open_project
from antiphon.reports.digest import digest
from antiphon.reports.page import write_page
from antiphon.reports.ran import run_story
from antiphon.states import MessageState

RUN = "2026-05-12-daily-1"


@pytest.fixture(scope="module")
def answered(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The demo day, and a click to every third message."""
    folder = shutil.copytree(project, tmp_path_factory.mktemp("answered") / "shop")
    company = folder / "config" / "settings.yaml"
    company.write_text(
        re.sub(r"(?m)^(\s+name:).*$", r"\1 Linden & <Söhne>", company.read_text("utf-8"), count=1),
        encoding="utf-8",
    )
    shop = open_project(folder, demo_clock())
    sent = [one for one in shop.ledger.messages.of_run(RUN) if one.state is MessageState.ACCEPTED]
    now = shop.clock()
    clicks = [
        Response(
            response_id=keys.digest("response", "test", one.message_id),
            kind="click",
            occurred_at=now + timedelta(seconds=30),
            received_at=now + timedelta(seconds=30),
            provider="test",
            message_id=one.message_id,
        )
        for one in sent[::3]
    ]
    assert record(shop, clicks)["click"] == len(clicks) > 10
    return open_project(folder, lambda: now + timedelta(hours=2))


class Reader(HTMLParser):
    """What a browser would see: text, open tags, and everything that it would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.fetched: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "br", "link", "img"}:
            self.open.append(tag)
        for name, value in attrs:
            if name in {"src", "srcset", "xlink:href"} or (name == "href" and value[:1] != "#"):
                self.fetched.append(value or "")
            if name == "id":
                self.ids.add(value or "")
        if tag in {"script", "link", "iframe", "img"}:
            self.fetched.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def page(answered: Project, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "day.html"
    write_page(answered, path)
    return path.read_text(encoding="utf-8")


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_the_page_is_one_file_that_fetches_nothing(page: str) -> None:
    found = read(page)
    assert found.fetched == []
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_every_section_is_there_and_linked(page: str) -> None:
    found = read(page)
    linked = set(re.findall(r'href="#([a-z]+)"', page))
    sections = {"day", "held", "funnel", "rates", "lift", "moved", "quality", "trouble", "run"}
    assert linked == sections <= found.ids


def test_names_are_text_and_never_markup(page: str) -> None:
    assert "Linden &amp; &lt;Söhne&gt;" in page
    assert "<Söhne>" not in page


def test_rates_stand_with_counts_and_intervals_beside_their_charts(
    answered: Project, page: str
) -> None:
    campaigns = antiphon.open(answered.root).report("campaigns")
    row = campaigns.loc[campaigns["clicked"].idxmax()]
    told = " ".join("".join(read(page).text).split())
    assert f"{row['clicked']} of {row['sent']}" in told
    assert f"{row['clicked_rate']:.1%}" in told
    assert f"{row['clicked_low']:.1%} – {row['clicked_high']:.1%}" in told
    assert page.count('<circle class="point') > 10


def test_the_page_holds_nobodys_name_or_address(answered: Project, page: str) -> None:
    people = [one for one in answered.ledger.messages.of_run(RUN) if one.address]
    assert len(people) > 10
    assert [one.customer_id for one in people if one.customer_id in page] == []
    assert [one.address for one in people if one.address and one.address in page] == []


def test_a_town_is_labelled_as_simulated(answered: Project, page: str, tmp_path: Path) -> None:
    assert "Simulated" not in page
    marker = answered.root / "town.yaml"
    marker.touch()
    write_page(answered, tmp_path / "town.html")
    marker.unlink()
    assert "Simulated" in (tmp_path / "town.html").read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_told(answered: Project, tmp_path: Path) -> None:
    with pytest.raises(UserFilesError, match="cannot be written"):
        write_page(answered, tmp_path / "nowhere" / "day.html")
    with pytest.raises(UserFilesError, match="there is no run x"):
        write_page(answered, tmp_path / "day.html", "x")


def test_the_command_writes_it_and_takes_no_other_report(
    answered: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ANTIPHON_AT", AT)
    path = tmp_path / "day.html"
    asked = ["--project", str(answered.root), "report", "--html", str(path)]
    assert exit_code(asked) == 0
    assert f"run {RUN}" in capsys.readouterr().out
    assert path.stat().st_size > 10_000
    assert exit_code([*asked, "--json"]) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_the_digest_tells_what_the_page_tells_in_short(answered: Project) -> None:
    told = digest(answered, run_story(answered, RUN), Path("report.html"))
    assert told.startswith(f"# {RUN}\n")
    assert "| consent | no consent |" in told
    assert "## Worth" in told


@pytest.mark.parametrize("name", ["contacts", "responses", "decisions", "conversions", "lift"])
def test_a_dataframe_has_the_columns_that_are_documented(answered: Project, name: str) -> None:
    shop = antiphon.open(answered.root)
    frame, documented = getattr(shop, name)(), shop.columns(name)
    assert list(frame.columns) == list(documented.index)
    assert documented.str.len().min() > 2


def test_the_notebook_counts_what_the_ledger_has(answered: Project) -> None:
    shop = antiphon.open(answered.root / "config")
    contacts, responses = shop.contacts(), shop.responses()
    messages = answered.ledger.messages.of_run(RUN)
    assert set(contacts["message_id"]) == {one.message_id for one in messages}
    clicked = responses[responses["kind"].eq("click") & responses["message_id"].notna()]
    assert set(clicked["message_id"]) <= set(contacts["message_id"])
    assert str(contacts["contact_at"].dtype) == "datetime64[us, Europe/Berlin]"
    decisions = shop.decisions()
    assert decisions["outcome"].eq("send").sum() == sum(one.sent for one in shop.run().summaries)
    one = shop.contacts(campaign="may-letter")
    assert set(one["campaign"]) == {"may-letter"}
    assert shop.sql("SELECT count(*) AS n FROM contacts")["n"].tolist() == [len(contacts)]


def test_the_notebook_says_what_there_is_instead(answered: Project) -> None:
    shop = antiphon.open(answered.root)
    with pytest.raises(UserFilesError, match="There are those of: 2026-05-12-daily-1"):
        shop.decisions("2026-05-11-daily-1")
    with pytest.raises(UserFilesError, match="contacts, conversions, decisions, lift, responses"):
        shop.columns("orders")
