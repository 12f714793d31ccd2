"""How fast messages are written: python -m bench.rendering. Pages a second of CPU time, one core.

The shipped win-back e-mail in German (6 KB of HTML, its text derived from it) for people of whom
different things are known: by plain Jinja (the same files, one environment, no sandbox, no text
part, CSS not inlined), by `Templates.render`, and by `Templates.personal`, whose skeleton
travels once a batch. Each time with what the dispatcher does for a message: its values are read
from their JSON and its links signed. Beside it an SMS.
"""

import gc
import random
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from jinja2 import DictLoader, Environment

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.touches import Touch
from antiphon.check import load
from antiphon.entities import ColumnType
from antiphon.files import read_files
from antiphon.message.content import Personal
from antiphon.message.formats import Formats
from antiphon.message.links import LinkSigner
from antiphon.message.packing import Values
from antiphon.message.templates import Templates
from antiphon.message.values import unpack
from bench.company import CHECKOUT

PEOPLE = 2_000
SECONDS = 4.0
PAGE = ("winback", "discount", "de")
FEATURES = {
    **dict.fromkeys(("first_name", "favourite_category", "timezone"), ColumnType.TEXT),
    "bonus_points": ColumnType.INTEGER,
    "last_order_day": ColumnType.DAY,
}
NAMES = ("Ada", "Jörg", "Anna-Lena", "O'Neil", "Zoë", "Maximilian", "Françoise", None)
CATEGORIES = ("vitamins", "skin care", "allergy", None)
CAMPAIGN = {
    "campaign": "winback-lost-loyal",
    "title": "Win back",
    "category": "promo",
    "priority": "60",
    "runs": {"from": "2026-01-01"},
    "audience": {"where": "true"},
    "channels": ["email", "sms"],
    "message": "winback",
    "variants": {"discount": "50", "gift": "50"},
    "offer": {"code": "WB15", "discount": "15%", "valid": "14 days"},
}


def people(templates: Templates) -> list[tuple[str, str]]:
    """Message ids and stored values."""
    draw = random.Random(7)
    day = date(2026, 5, 12)
    values = Values(Touch(Campaign.model_validate(CAMPAIGN)), day, templates.needed(*PAGE, "email"))
    return [
        (
            f"{number:032x}",
            values.pack({
                "first_name": draw.choice(NAMES),
                "favourite_category": draw.choice(CATEGORIES),
                "bonus_points": draw.choice((0, draw.randrange(3_000))),
                "last_order_day": draw.choice((None, day - timedelta(draw.randrange(400)))),
                "timezone": "Europe/Berlin",
            }),
        )
        for number in range(PEOPLE)
    ]  # fmt: skip


def per_second(work: Callable[[str, str], object], messages: list[tuple[str, str]]) -> float:
    """Pages a second of CPU time; whatever is compiled or learnt first is not counted."""
    for message in messages[:200]:
        work(*message)
    gc.collect()
    done, began = 0, time.process_time()
    while time.process_time() - began < SECONDS:
        for message in messages[:200]:
            work(*message)
        done += 200
        messages = messages[200:] + messages[:200]
    return done / (time.process_time() - began)


def plain_jinja(templates: Templates, signer: LinkSigner) -> Callable[[str, str], object]:
    """The HTML and the subject by Jinja as its README shows it."""
    files = dict(templates.tree.files)
    words = {"_layouts/words.j2": files["_layouts/de/words.j2"]}
    environment = Environment(
        loader=DictLoader(files | words), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    formats = Formats("de", "DE", "EUR", "Europe/Berlin")
    environment.filters |= formats.filters() | {
        "link": lambda text: f"https://linden.example{text}"
    }
    html = environment.get_template("winback/discount/de/body.html.j2")
    subject = environment.get_template("winback/discount/de/subject.j2")

    def page(message_id: str, stored: str) -> object:
        values = unpack(stored)
        customer: dict[str, Any] = values["customer"]
        if customer["last_order_day"]:
            customer |= {"last_order_day": date.fromisoformat(customer["last_order_day"])}
        until = date.fromisoformat(values["offer"]["valid_until"])
        context = {
            "customer": customer,
            "offer": values["offer"] | {"valid_until": until},
            "links": signer.links(message_id).fields,
            "company": templates.company,
        }
        return subject.render(context), html.render(context)

    return page


def main() -> None:
    """Print a line for each way."""
    project = read_files(CHECKOUT)
    templates = Templates.of(project.under("templates"), FEATURES, load(project).settings)
    signer = LinkSigner({"k1": "a secret of sufficient length"}, "https://mail.linden.example")
    messages = people(templates)

    def render(message_id: str, stored: str) -> object:
        return templates.render(*PAGE, "email", unpack(stored), signer.links(message_id))

    def sms(message_id: str, stored: str) -> object:
        return templates.render(*PAGE, "sms", unpack(stored), signer.links(message_id))

    def personal(message_id: str, stored: str) -> Personal:
        made = templates.personal(*PAGE, unpack(stored), signer.links(message_id))
        assert isinstance(made, Personal)
        return made

    rates = {
        "plain Jinja, HTML and subject only": per_second(plain_jinja(templates, signer), messages),
        "Templates.render": per_second(render, messages),
        "Templates.personal": per_second(personal, messages),
        "Templates.render of an SMS": per_second(sms, messages),
    }
    made = personal(*messages[0])
    whole, skeleton = made.whole(), made.skeleton
    print(f"{len(whole.html):,} characters of HTML, {len(whole.text):,} of text;", end=" ")
    size = sum(map(len, made.values)) + sum(map(len, skeleton.markers))
    print(f"{len(skeleton.markers)} substitutions, {size:,} characters a person")
    for name, rate in rates.items():
        print(f"{name:36s} {rate:10,.0f} a second")


if __name__ == "__main__":
    main()
