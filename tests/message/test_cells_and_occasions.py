"""What templates and offers may say of a micro-segment and of an occasion."""

from datetime import date
from typing import Any

import pytest
from message_fixtures import LINKS, campaign_of, templates_of, values_of

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.touches import Touch, touches
from antiphon.message.content import Sms
from antiphon.message.offers import faults
from antiphon.message.packing import Values
from antiphon.message.templates import Templates
from antiphon.message.values import MessageHeld, unpack

DAY = date(2026, 5, 12)
CROSSES = {"grid": ("lifecycle", "band")}
BY = {"lifecycle": {"loyal": {"rebate": "20%"}, "otherwise": {"rebate": "10%"}}}
GRID = {"for_each": "grid", "by": BY}
CELL = {"id": "loyal/*", "lifecycle": "loyal", "band": "25-50k", "rebate": "20%"}
CART = {"audience": None, "on": {"event": "cart_abandoned"}}
ORDERED = {"audience": None, "on": {"event": "order"}}
STOCK = {"audience": None, "on": {"notice": "back_in_stock", "did": "wishlist"}}
BIRTHDAY = {"audience": None, "anniversary": {"of": "birthday"}}
PRODUCT = {"product_id": "P7", "product_name": "Zinc (small)", "value": "7.49", "day": DAY}


def chain_of(start: dict[str, Any], *messages: str, **changes: Any) -> Campaign:
    steps = [
        {"step": f"s{n}", "after": f"{n} days", "message": message, **changes}
        for n, message in enumerate(messages)
    ]
    return campaign_of(audience=None, message=None, chain={"start": start, "steps": steps})


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("cell.id", {}),
        ("cell.lifecycle", GRID),
        ("cell.rebate", GRID),
        ("occasion.product_name", CART),
        ("occasion.value", STOCK),
        ("occasion.day | date", STOCK),
        ("occasion.day | date", BIRTHDAY),
        ("occasion.day | date", ORDERED),
    ],
)
def test_what_a_campaign_gives_may_be_printed(complaints, name, given):
    assert complaints(f"{{{{ {name} }}}}", **given) == []


@pytest.mark.parametrize(
    ("name", "given", "complaint"),
    [
        ("cell.lifecycle", {}, "unknown name 'cell.lifecycle'\n.*Allowed here: id"),
        ("cell.rebat", GRID, "Did you mean 'rebate'"),
        ("cell.rebate", {"for_each": "grid"}, "unknown name 'cell.rebate'"),
        ("cell", GRID, "only a single value can be printed"),
        ("occasion.day | date", {}, "This campaign has no occasion"),
        ("occasion.product_name", BIRTHDAY, "unknown name 'occasion.product_name'"),
        ("occasion.product_name", ORDERED, "unknown name 'occasion.product_name'"),
        ("occasion.produkt_name", CART, "Did you mean 'product_name'"),
    ],
)
def test_what_a_campaign_does_not_give_is_named(complaints, name, given, complaint):
    (found,) = complaints(f"{{{{ {name} }}}}", **given)
    assert all(part in " ".join(found.split()) for part in complaint.split("\n.*"))


def test_of_a_cross_that_is_unknown_nothing_more_is_said(complaints):
    assert complaints("{{ cell.anything }}", for_each="unknown") == []


def test_every_step_of_a_chain_is_checked_with_its_own_message_and_channels():
    files = {
        "one/subject.j2": "Hi",
        "one/body.html.j2": "{{ customer.frist_name }}",
        "two/sms.j2": "{{ customer.last_nam }}",
    }
    by_event = {"event": "cart_abandoned"}
    templates = templates_of(files, ("en",))
    spoken = chain_of(by_event, "one", "none")
    found = " ".join(map(str, templates.check(spoken)))
    assert "customer.frist_name" in found
    assert "templates/none/: no such message" in found
    assert "last_nam" not in found
    by_sms = chain_of(by_event, "two", channels=("sms",))
    (problem,) = templates.check(by_sms)
    assert "customer.last_nam" in str(problem)
    (second,) = [touch for touch in touches([spoken]) if touch.step == "s1"]
    assert [problem.path for problem in templates.check_touch(second)] == ["templates/none/"]


def printed(source: str, given: dict[str, Any], **values: Any) -> str:
    """An SMS of a campaign to a customer, packed as it is stored."""
    touch = Touch(campaign_of(channels=["sms"], **given))
    files = {"hello/sms.j2": source}
    templates = templates_of(files, ("en",))
    happened = templates.needed("hello", "default", "en", "sms", "occasion")
    packed = Values(touch, DAY, (), happened, CELL if touch.campaign.for_each else {})
    return render(templates, unpack(packed.pack({}, **values)))


def render(templates: Templates, values: dict[str, Any]) -> str:
    content = templates.render("hello", "default", "en", "sms", values, LINKS)
    assert isinstance(content, Sms)
    return content.text


def test_a_message_says_its_cell_and_its_occasion():
    source = "{{ cell.id }} {{ cell.rebate }} {% if cell.band == '25-50k' %}big{% endif %}"
    assert printed(source, GRID, cell=CELL) == "loyal/* 20% big"
    assert printed("[{{ cell.id }}]{% if cell %}x{% endif %}", {}) == "[]"
    source = "{{ occasion.product_name }} for {{ occasion.value }} on {{ occasion.day | date }}"
    assert printed(source, STOCK, occasion=PRODUCT) == "Zinc (small) for 7.49 on 12 May 2026"


def test_a_product_that_is_not_known_holds_the_message_unless_there_is_a_default():
    unknown = PRODUCT | {"product_name": None}
    with pytest.raises(MessageHeld) as held:
        printed("{{ occasion.product_name }}", CART, occasion=unknown)
    assert held.value.variable == "occasion.product_name"
    source = "{{ occasion.product_name | default('your product') }}"
    assert printed(source, CART, occasion=unknown) == "your product"


def test_only_what_templates_use_of_an_occasion_is_stored():
    packed = Values(Touch(campaign_of(**CART)), DAY, (), ("value",)).pack({}, occasion=PRODUCT)
    assert unpack(packed)["occasion"] == {"value": "7.49"}
    assert "occasion" not in unpack(Values(Touch(campaign_of()), DAY, ()).pack({}))


def test_an_offer_differs_by_cell():
    offer = {"code": "MAI-{cell.band}", "discount": "{cell.rebate} off", "valid": "3 days"}
    source = "{{ offer.code }}: {{ offer.discount }} until {{ offer.valid_until | date }}"
    text = printed(source, GRID | {"offer": offer}, cell=CELL)
    assert text == "MAI-25-50k: 20% off until 15 May 2026"
    with pytest.raises(MessageHeld) as held:
        printed(source, GRID | {"offer": offer}, cell=CELL | {"rebate": None})
    assert held.value.variable == "offer.discount"


@pytest.mark.parametrize(
    ("offer", "given", "place", "message", "hint"),
    [
        ({"code": "{cell.rebat}"}, GRID, "code", "{cell.rebat}", "Did you mean 'cell.rebate'"),
        ({"code": "{rebate}"}, GRID, "code", "{rebate}", "cell.rebate"),
        ({"code": "{}"}, GRID, "code", "{}", "Allowed here"),
        ({"code": "X", "discount": "{cell.id}"}, {}, "discount", "{cell.id}", "for_each"),
    ],
)
def test_an_offer_that_no_cell_can_fill_is_named(offer, given, place, message, hint):
    (fault,) = faults(campaign_of(offer=offer, **given), CROSSES)
    assert fault[0] == ("offer", place)
    assert fault[1] == f"no cell has the value {message}"
    assert hint in fault[2]


def test_an_offer_that_every_cell_can_fill_is_right():
    offer = {"code": "{cell.lifecycle}-{cell.id}", "discount": "{cell.rebate}"}
    assert list(faults(campaign_of(offer=offer, **GRID), CROSSES)) == []
    assert list(faults(campaign_of(offer=offer, for_each="unknown"), CROSSES)) == []


@pytest.mark.parametrize(("cell", "text"), [("", "[]"), ("loyal/*", "[loyal/*]")])
def test_messages_of_before_cells_had_values_still_render(cell, text):
    bundle = templates_of({"hello/sms.j2": "[{{ cell }}]"}, ("en",)).bundle("hello")
    values = values_of() | {"cell": cell}
    assert render(Templates.from_bundle(bundle), values) == text


def test_cells_and_occasions_are_kept_with_a_message_and_its_templates():
    source = "{{ cell.rebate }} {{ occasion.day | date('day_month') }}"
    templates = Templates.from_bundle(
        templates_of({"hello/sms.j2": source}, ("en",)).bundle("hello")
    )
    values = values_of() | {"cell": CELL, "occasion": {"day": "2026-05-12"}}
    assert render(templates, values) == "20% 12 May"
