"""The days of a town: the real runs, dispatches and readings of responses, one after the other.

A day begins with the daily run at ten. Then time goes on in steps: what people did by then is
reported as providers report it, read as the responses flow reads it, what has become due leaves,
and orders are written into the files that the next run pulls.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from antiphon.demo import AS_OF
from antiphon.ledger import Message
from antiphon.message.links import Purpose
from antiphon.project import Project, open_project
from antiphon.providers.sandbox import URL_FROM
from antiphon.sandbox.server import running
from antiphon.steps.composing import signer_of
from antiphon.steps.daily import run_daily
from antiphon.steps.dispatch import dispatch_due
from antiphon.steps.responding import collect_responses
from antiphon.town.behaviour import Behaviour
from antiphon.town.chances import of_names
from antiphon.town.clock import TownClock
from antiphon.town.founding import DEMO
from antiphon.town.happenings import Deed, Due, Happenings, Sent, follow, reactions_to
from antiphon.town.people import People, settled
from antiphon.town.post import Letter, Post, Report
from antiphon.town.receiving import served
from antiphon.town.shop import Order, Shop, Sold

BEGINS = 10  # o'clock: the daily run
STEPS = (13, 17, 21)  # o'clock
LAST = (9, 30)  # of the next morning: the shop's export before the run
QUIET = timedelta(minutes=15)  # after the last tap on a score it counts
RETURN_DAYS = 6  # within which orders come back


@dataclass(frozen=True, slots=True)
class DayDone:
    """One day that is over: the messages that left, what was told, what was sold."""

    day: date
    run_id: str
    left: int
    reports: int
    orders: int


@dataclass
class Town:
    """A town at work. `sent`: every letter by message id; `sold`: every order since its
    beginning; `people` know what only they know."""

    root: Path
    behaviour: Behaviour
    seed: int
    clock: TownClock
    people: People
    shop: Shop
    post: Post
    happenings: Happenings = field(default_factory=Happenings)
    sent: dict[str, Sent] = field(default_factory=dict)
    reported: int = 0

    @property
    def project(self) -> Project:
        """The town's own project."""
        return open_project(self.root, self.clock)

    def live(self, days: int) -> Iterator[DayDone]:
        """Day after day."""
        for _ in range(days):
            yield self._day()

    def close(self) -> None:
        """Bring the last day's orders and answers into the lake, where reports find them."""
        self.clock.move(self.clock.at(self.clock.day, BEGINS))
        self._happen()
        self.clock.move(self.clock() + QUIET)
        collect_responses(self.root, self.clock)
        run_daily(self.root, self.clock, dry_run=True)

    def _day(self) -> DayDone:
        day, before = self.clock.day, (len(self.sent), self.reported, len(self.shop.sold))
        self.clock.move(self.clock.at(day, BEGINS))
        run_id = run_daily(self.root, self.clock)
        self._take_letters()
        for customer, wall in self.people.buyers(day):
            moment = self.clock.instant(wall)
            self.happenings.add(Due(moment, Deed.ORDER, order=Order(customer, moment)))
        for customer, wall in self.people.cart_leavers(day):
            moment = self.clock.instant(wall)
            self.happenings.add(Due(moment, Deed.CART, order=Order(customer, moment)))
        for hour in STEPS:
            self._go_on_until(day, hour)
        self._go_on_until(day + timedelta(days=1), *LAST)
        after = (len(self.sent), self.reported, len(self.shop.sold))
        left, told, orders = (now - then for now, then in zip(after, before, strict=True))
        return DayDone(day, run_id, left, told, orders)

    def _go_on_until(self, day: date, hour: int, minute: int = 0) -> None:
        self.clock.move(self.clock.at(day, hour, minute))
        self._happen()
        dispatch_due(self.root, self.clock)
        self._take_letters()

    def _take_letters(self) -> None:
        """Everybody who got something thinks about it."""
        letters = self.post.letters()
        if not letters:
            return
        sent = self._known(letters)
        reactions = reactions_to(self.behaviour, self.seed, sent)
        for place, one in enumerate(sent):
            self.sent[one.letter.message_id] = one
            self.people.written_to[one.customer].append(one.at)
            for due in follow(one, reactions, place):
                self.happenings.add(due)

    def _known(self, letters: list[Letter]) -> list[Sent]:
        """The letters with whom they went to, in the order of their ids."""
        by_id = {one.message_id: one for one in letters}
        found, now, project = [], self.clock(), self.project
        messages = project.ledger.messages.several(sorted(by_id))
        for message in sorted(messages, key=lambda one: one.message_id):
            effect = self.behaviour.effect(message.campaign)[self.people.kind(message.customer_id)]
            lately = self.people.lately(message.customer_id, now, self.behaviour.fatigue.within)
            letter, customer = by_id[message.message_id], message.customer_id
            code = _code(project, message)
            asks = project.configuration.campaigns[message.campaign].survey is not None
            sent = Sent(letter, customer, message.campaign, now, effect, lately, code, asks)
            found.append(sent)
        return found

    def _happen(self) -> None:
        """Let everybody know what has happened by now."""
        due = self.happenings.until(self.clock())
        told = [
            Report(one.letter, one.happening, one.at)
            for one in due
            if one.letter is not None and one.happening is not None
        ]
        self.post.tell(told)
        for one in due:
            if one.deed is Deed.UNSUBSCRIBE and one.letter is not None:
                self.post.unsubscribe(one.letter)
            if one.deed is Deed.ANSWER and one.letter is not None:
                self._answer(one, one.letter)
        collect_responses(self.root, self.clock)
        self.reported += len(told)
        bought = [one.order for one in due if one.order and one.deed is Deed.ORDER]
        carts = [(one.order.customer, one.at) for one in due if one.order and one.deed is Deed.CART]
        self.shop.note_carts(carts)
        sold = self.shop.sell(bought)
        self.shop.take_back([(one.sold, one.at) for one in due if one.sold is not None])
        self._let_return(sold)

    def _answer(self, due: Due, letter: Letter) -> None:
        """A tap on a score in the message; some send the page's form as well."""
        project = self.project
        link = signer_of(project).url(Purpose.SURVEY, letter.message_id)
        campaign = project.configuration.campaigns[self.sent[letter.message_id].campaign]
        survey = project.configuration.surveys[campaign.survey or ""]
        form = {survey.first: str(due.score)} if due.is_submitted else {}
        self.post.answer(urlsplit(link).path, due.score, form)

    def _let_return(self, sold: list[Sold]) -> None:
        """Some of what was sold comes back."""
        chance = of_names(self.seed, [one.order_id for one in sold])
        returns, waits = chance("return"), chance("return when")
        for place, one in enumerate(sold):
            if returns[place] < self.behaviour.shopping.returned:
                moment = one.order.at + timedelta(days=RETURN_DAYS * float(waits[place]))
                self.happenings.add(Due(moment, Deed.RETURN, sold=one))


def _code(project: Project, message: Message) -> str:
    """The code that the message promised something for; '' where it has none."""
    offer = project.configuration.campaigns[message.campaign].offer
    if offer is None:
        return ""
    if offer.code and not offer.is_unique:
        return offer.code
    campaign = offer.reminds or message.campaign
    own = [
        o for o in project.ledger.codes.of_customer(message.customer_id) if o.campaign == campaign
    ]
    return own[-1].code if own else ""


@contextmanager
def inhabited(root: Path, behaviour: Behaviour, seed: int) -> Iterator[Town]:
    """The town that was founded in a folder, its sandbox and its web server at work."""
    zone = open_project(root).configuration.settings.business.timezone
    clock = TownClock(AS_OF, zone)
    people = settled(behaviour, seed)
    project = open_project(root, clock)
    with (
        running(root / "var" / "sandbox", clock=clock) as sandbox,
        _sandbox_at(sandbox.url),
        served(project) as server,
    ):
        post = Post(sandbox, server, clock)
        shop = Shop(root / DEMO, people, clock, seed)
        yield Town(root, behaviour, seed, clock, people, shop, post)


@contextmanager
def _sandbox_at(url: str) -> Iterator[None]:
    """Let the sandbox's account find it, in this process."""
    before = os.environ.get(URL_FROM)
    os.environ[URL_FROM] = url
    try:
        yield
    finally:
        if before is None:
            del os.environ[URL_FROM]
        else:
            os.environ[URL_FROM] = before
