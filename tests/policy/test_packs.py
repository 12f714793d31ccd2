"""The shipped packs: every rule is sourced, and binds whom it says and nobody else."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from policy_world import Person, campaign, contact, history, people, policy

from antiphon.audience.conditions import Condition, parse
from antiphon.campaigns.configuration import PACKS, POLICY, draft
from antiphon.campaigns.rules import Pack, PolicyRule, Times
from antiphon.campaigns.touches import touches
from antiphon.check import load
from antiphon.files import ProjectFiles, read_files
from antiphon.policy.brakes import BrakeReading
from antiphon.policy.decide import judge
from antiphon.policy.moment import Moment
from antiphon.policy.times import next_allowed

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = read_files(ROOT)
PACK_OF = draft(SHIPPED).under(PACKS, Pack)
RULES = {one.name: one for pack in PACK_OF.values() for one in pack.rules()}


@pytest.fixture(scope="module")
def whole() -> ProjectFiles:
    """The shipped project with every pack."""
    lines = [line for line in SHIPPED.texts[POLICY].splitlines() if not line.startswith("packs:")]
    lines.append(f"packs: [{', '.join(PACK_OF)}]")
    return ProjectFiles({**SHIPPED.texts, POLICY: "\n".join(lines) + "\n"})


def test_the_four_packs_are_shipped_and_all_may_be_included_at_once(whole: ProjectFiles) -> None:
    assert set(PACK_OF) == {"bulk-mail", "us-telephone", "eu-consent", "ru-advertising"}
    policy = load(whole).policy
    assert set(RULES) <= {one.name for one in policy.rules()}


@pytest.mark.parametrize("name", RULES)
def test_every_rule_of_a_pack_has_its_source(name: str) -> None:
    source = RULES[name].source
    assert len(source) > 20
    assert any(sign.isdigit() for sign in source), "no section is named"


def test_every_pack_says_of_what_day_it_is() -> None:
    assert all(date(2025, 1, 1) < pack.as_of < date(2027, 1, 1) for pack in PACK_OF.values())


def test_no_rule_of_a_pack_concerns_service_messages() -> None:
    assert all("service" not in (rule.category or ()) for rule in RULES.values())
    assert all(rule.category for rule in RULES.values())


# ------------------------------------------------------------ whom a rule binds


@pytest.fixture(scope="module")
def binds(whole: ProjectFiles) -> "Binds":
    return Binds(whole)


class Binds:
    """Asks a rule's condition of one person, as the engine would."""

    def __init__(self, files: ProjectFiles) -> None:
        self.features = load(files).features
        self.lake = duckdb.connect()

    def __call__(self, rule: PolicyRule, country: str | None, region: str | None = None) -> bool:
        if rule.where is None:
            return True
        found = parse(rule.where, self.features)
        assert isinstance(found, Condition), found
        self.lake.execute(
            "CREATE OR REPLACE TEMP TABLE frame AS SELECT $1::TEXT AS country, $2::TEXT AS region",
            [country, region],
        )
        [(answer,)] = self.lake.execute(f"SELECT {found.sql} FROM frame").fetchall()
        return answer is True


@pytest.mark.parametrize(
    ("name", "bound", "free"),
    [
        ("us-hours", [("US", "NY"), ("US", None), (None, None)], [("CA", "ON"), ("DE", None)]),
        ("us-hours-unknown-state", [("US", None), (None, None)], [("US", "NY"), ("DE", None)]),
        ("us-hours-florida", [("US", "FL"), ("US", "florida"), (None, "US-FL")], [("US", "GA")]),
        ("us-hours-oklahoma", [("US", "OK"), ("US", "Oklahoma")], [("US", "TX"), ("DE", "OK")]),
        ("us-hours-maryland", [("US", "MD"), ("US", "US-MD")], [("US", "VA"), ("US", None)]),
        ("us-hours-connecticut", [("US", "CT"), ("US", "Connecticut")], [("US", "NY")]),
        ("us-hours-washington", [("US", "WA"), ("US", "Washington")], [("US", "OR")]),
        ("us-hours-texas", [("US", "TX"), ("US", "Texas")], [("US", "OK"), ("MX", "TX")]),
        ("us-three-a-day", [("US", "FL"), ("US", "MD"), ("US", None)], [("US", "NY")]),
        ("eu-prior-consent", [("DE", None), ("NO", None), (None, None)], [("GB", None)]),
        ("eu-consent-on-record", [("FR", None), ("IS", None)], [("US", None), ("CH", None)]),
        ("eu-existing-customers", [("PL", None), (None, None)], [("RU", None)]),
        ("de-double-opt-in", [("DE", None), (None, None)], [("AT", None)]),
        ("ru-prior-consent", [("RU", None), (None, None)], [("KZ", None)]),
        ("ru-separate-consent", [("RU", "Moscow"), (None, None)], [("DE", None)]),
    ],
)
def test_a_rule_concerns_those_who_live_there_and_those_of_whom_it_is_not_known(
    binds: Binds,
    name: str,
    bound: list[tuple[str | None, str | None]],
    free: list[tuple[str | None, str | None]],
) -> None:
    assert all(binds(RULES[name], *person) for person in bound)
    assert not any(binds(RULES[name], *person) for person in free)


def test_the_eu_is_of_27_states_and_the_eea_of_30(binds: Binds) -> None:
    eu = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
    assert len(eu.split()) == 27
    for name in ("eu-prior-consent", "eu-consent-on-record", "eu-existing-customers"):
        assert all(binds(RULES[name], one) for one in [*eu.split(), "IS", "LI", "NO"])
        assert not any(binds(RULES[name], one) for one in ("GB", "CH", "UA", "TR", "EL"))


# ------------------------------------------------------------ what a rule asks


@pytest.mark.parametrize(
    ("region", "at", "allowed"),
    [  # the clock in New York: all of these states are judged by it here
        ("NY", "2026-05-13 07:59", "2026-05-13 08:00"),
        ("NY", "2026-05-13 20:59", "2026-05-13 20:59"),
        ("NY", "2026-05-13 21:00", "2026-05-14 08:00"),
        ("FL", "2026-05-13 20:00", "2026-05-14 08:00"),
        ("OK", "2026-05-13 20:30", "2026-05-14 08:00"),
        ("MD", "2026-05-13 19:59", "2026-05-13 19:59"),
        ("WA", "2026-05-13 20:00", "2026-05-14 08:00"),
        ("CT", "2026-05-13 08:30", "2026-05-13 09:00"),
        ("TX", "2026-05-13 20:30", "2026-05-13 20:30"),
        ("TX", "2026-05-16 21:00", "2026-05-18 09:00"),  # not on Sunday the 17th
        (None, "2026-05-16 20:00", "2026-05-18 09:00"),
    ],
)
def test_an_sms_waits_for_the_hours_of_the_recipients_state(
    binds: Binds, region: str | None, at: str, allowed: str
) -> None:
    times = [one for one in RULES.values() if isinstance(one, Times) and binds(one, "US", region)]
    found = next_allowed(_new_york(at), "America/New_York", "US", times)
    assert found == _new_york(allowed)


def _new_york(text: str) -> datetime:
    """In summer."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(hours=4)


def test_complaints_brake_at_the_thresholds_of_the_providers() -> None:
    [brake] = PACK_OF["bulk-mail"].brakes
    assert (Decimal(str(brake.warn)), Decimal(str(brake.stop))) == (
        Decimal("0.001"),
        Decimal("0.003"),
    )
    assert (brake.channel, brake.category) == (("email",), ("promo", "lifecycle"))


def test_consent_rules_ask_what_their_sources_ask() -> None:
    asked = {
        one.name: (one.needs, one.proof, one.separate, one.acts_since)
        for pack in PACK_OF.values()
        for one in pack.consents
    }
    assert asked == {
        "eu-prior-consent": ("opt_in", False, False, None),
        "eu-consent-on-record": ("opt_in", True, False, None),
        "eu-existing-customers": ("opt_out", False, False, None),
        "de-double-opt-in": ("double_opt_in", True, False, None),
        "ru-prior-consent": ("opt_in", True, False, None),
        "ru-separate-consent": ("opt_in", False, True, date(2025, 9, 1)),
    }


# ------------------------------------------------------------ each rule binds in a decision

NOON = datetime(2026, 5, 13, 16, tzinfo=UTC)  # a Wednesday, 12:00 in New York
LATE = NOON + timedelta(hours=8, minutes=30)  # 20:30
NIGHT = NOON + timedelta(hours=10)  # 22:00
SUNDAY = NOON + timedelta(days=4)


def _decided(binds: Binds, pack: str, home: tuple[str | None, str | None], **given: Any) -> Any:
    """The decision on an advertisement by SMS (or `channel`) to somebody who agreed, under the
    rules of one pack. `agreed`: consent rules that the act fulfils."""
    at, agreed = given.get("at", NOON), given.get("agreed", ())
    of = campaign(
        channels=(given.get("channel", "sms"),),
        repeat_after="1 hour",
        expires_after="1 hour",
        category=given.get("category", "promo"),
    )
    nothing = dict.fromkeys(("promo", "lifecycle", "service"), "none")
    rules = policy(winners_per_day=9, consent=nothing).with_packs((PACK_OF[pack],))
    granted = not given.get("objects", False)
    acts = ((of.channels[0], of.category, granted, NOON - timedelta(days=300)),)
    person = Person("p", acts=() if given.get("silent") else acts)
    columns: dict[str, Any] = {"timezone": "America/New_York", "country": home[0] or "US"}
    for rule in rules.rules():
        if rule.is_personal:
            columns[f"in:{rule.name}"] = binds(rule, *home)
    for rule in rules.consents:
        for channel in ("email", "sms"):
            for category in rule.category or ():
                column = f"agreed:{rule.name}:{channel}:{category}"
                columns[column] = rule.name in agreed
    table = people([person])
    table = table.drop_columns([name for name in columns if name in table.column_names])
    for name, value in columns.items():
        table = table.append_column(name, pa.array([value]))
    other = campaign("other", channels=of.channels)
    sent = history([contact("p", other, NOON - one) for one in given.get("before", ())])
    judged = judge(
        table,
        sent,
        touches([of]),
        rules,
        Moment(at, at.date(), "America/New_York"),
        salt="salt",
        brakes=given.get("brakes"),
    )
    rows = [*judged.survivors.to_pylist(), *judged.held.to_pylist()]
    assert len(rows) == 1
    return rows[0]["rule"]


HOURS = [timedelta(hours=hours) for hours in (2, 4, 6)]
CONFIRMED = ("eu-consent-on-record", "de-double-opt-in")
ON_RECORD = ("ru-prior-consent", "ru-separate-consent")
# Rule: its pack, who lives where, and what makes it bind; then the neighbour whom it lets through.
BINDING: dict[str, tuple[str, tuple[str | None, str | None], dict[str, Any], dict[str, Any]]] = {
    "us-hours": ("us-telephone", ("US", "NY"), {"at": NIGHT}, {"at": LATE}),
    "us-hours-unknown-state": ("us-telephone", ("US", None), {"at": LATE}, {}),
    "us-hours-florida": ("us-telephone", ("US", "FL"), {"at": LATE}, {}),
    "us-hours-oklahoma": ("us-telephone", ("US", "OK"), {"at": LATE}, {}),
    "us-hours-maryland": ("us-telephone", ("US", "MD"), {"at": LATE}, {}),
    "us-hours-connecticut": ("us-telephone", ("US", "CT"), {"at": LATE}, {}),
    "us-hours-washington": ("us-telephone", ("US", "WA"), {"at": LATE}, {}),
    "us-hours-texas": ("us-telephone", ("US", "TX"), {"at": SUNDAY}, {"at": LATE}),
    "us-three-a-day": ("us-telephone", ("US", "FL"), {"before": HOURS}, {"before": HOURS[:2]}),
    "mail-complaints": (
        "bulk-mail",
        ("US", "NY"),
        {"channel": "email", "brakes": {"mail-complaints": BrakeReading(10_000, 30)}},
        {"channel": "email", "brakes": {"mail-complaints": BrakeReading(10_000, 29)}},
    ),
    "eu-prior-consent": ("eu-consent", ("FR", None), {"silent": True, "agreed": CONFIRMED}, {
        "agreed": CONFIRMED
    }),
    "eu-consent-on-record": ("eu-consent", ("FR", None), {}, {"agreed": CONFIRMED[:1]}),
    "de-double-opt-in": (
        "eu-consent",
        ("DE", None),
        {"agreed": CONFIRMED[:1], "channel": "email"},
        {"agreed": CONFIRMED, "channel": "email"},
    ),
    "eu-existing-customers": (
        "eu-consent",
        ("SE", None),
        {"category": "lifecycle", "objects": True},
        {"category": "lifecycle", "silent": True},
    ),
    "ru-prior-consent": ("ru-advertising", ("RU", None), {"agreed": ON_RECORD[1:]}, {
        "agreed": ON_RECORD
    }),
    "ru-separate-consent": ("ru-advertising", ("RU", None), {"agreed": ON_RECORD[:1]}, {
        "agreed": ON_RECORD
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", BINDING)
def test_each_rule_holds_a_message_back_and_lets_its_neighbour_through(
    binds: Binds, name: str
) -> None:
    pack, home, bound, free = BINDING[name]
    assert _decided(binds, pack, home, **bound) == RULES[name].title
    assert _decided(binds, pack, home, **free) is None


def test_every_rule_of_every_pack_was_seen_binding() -> None:
    """But for one: headers are audited, in the e-mails that a run prints for proof."""
    assert set(RULES) - set(BINDING) == {"mail-one-click"}


def test_a_service_message_passes_every_pack(binds: Binds) -> None:
    for pack in PACK_OF:
        for country in ("US", "DE", "RU"):
            assert _decided(binds, pack, (country, None), at=NIGHT, category="service") is None
