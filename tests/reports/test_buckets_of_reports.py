"""A lake of many buckets is read bucket by bucket, and tells the same."""

import random
from dataclasses import replace

import pytest
from report_world import ORDER, World, at

from antiphon.files import ProjectFiles
from antiphon.ledger import Response
from antiphon.project import Project
from antiphon.reports.lifts import lifts, rows
from antiphon.reports.rates import BY, report_table


@pytest.fixture
def busy(world: World) -> World:
    """Two hundred messages of two campaigns, some held out, in homes of two, answered and not."""
    world.campaign("summer", ORDER)
    draw = random.Random(5)
    for number in range(200):
        customer, home = f"c{number}", f"h{number // 2}"
        campaign, arm = draw.choice(("spring", "summer")), ("discount", "gift")[number // 2 % 2]
        add = world.control if number // 2 % 5 == 0 else world.message
        arms = {} if add == world.control else {"arm": arm}
        values = {"campaign": campaign, "unit": home, "cell": f"cell-{number % 3}", **arms}
        add(f"m{number}", customer, draw.random() * 20, **values)
        world.add("customers", customer_id=customer, registered_at=at(-draw.random() * 300))
        for order in range(draw.randrange(4)):
            days, amount = draw.random() * 60 - 20, draw.choice(("10", "25.5", "-10"))
            world.order(f"o{number}-{order}", customer, days, amount)
        for kind in draw.sample(["open", "click", "reply", "complaint"], 2):
            named = draw.choice(({"message_id": f"m{number}"}, {"message_id": None}))
            days = 20 + draw.random() * 5
            world.response(kind, **named, days=days, customer_id=customer, campaign=campaign)
    return world


def told(project: Project) -> dict[str, list[dict[str, object]]]:
    """Everything that reports say."""
    tables = {name: report_table(project, name).table().to_pylist() for name in BY.values()}
    return {**tables, "lift": rows(lifts(project, by_variant=True))}


def learn(project: Project) -> None:
    """Something the ledger knows and the lake does not yet."""
    for number in range(0, 200, 7):
        known = {"message_id": f"m{number}", "customer_id": f"c{number}"}
        late = Response(f"late{number}", "opt_out", at(30), at(30), "web", **known)
        project.ledger.responses.insert([late])


def test_the_number_of_buckets_changes_no_number(busy: World) -> None:
    whole = busy.open(buckets=1)
    learn(whole)
    one = told(whole)
    parted = busy.open(buckets=8)
    assert (whole.lake.current().id, parted.lake.current().buckets) != (0, 1)
    many = told(parted)
    assert {name: len(table) for name, table in one.items()} == {
        name: len(table) for name, table in many.items()
    }
    for name, table in one.items():
        for row, other in zip(table, many[name], strict=True):
            assert row == pytest.approx(other), name
    assert one["lift"][0]["money_low"] is not None
    assert sum(int(str(row["unsubscribed"])) for row in one["campaigns"]) > 10
    assert list((parted.lake.path / "tmp").iterdir()) == []


QUERIES = (
    "SELECT count(*) AS n, min(is_sent) AS sent FROM outcomes",
    "SELECT * FROM outcomes ORDER BY message_id",
    "FROM outcomes ORDER BY message_id",
    "SELECT sum(COLUMNS('^(conversions|last_touch)$')) FROM outcomes",
    "SELECT o.Campaign, sum(c.amount) AS sum FROM outcomes o JOIN conversions c "
    "USING (message_id) GROUP BY ALL ORDER BY 1",
    "SELECT 1 AS one FROM outcomes LIMIT 1",
)


def test_a_query_may_ask_for_any_column(busy: World) -> None:
    answers = []
    for buckets in (1, 4):
        project = busy.open(buckets=buckets)
        files = {f"sql/reports/own-{number}.sql": sql for number, sql in enumerate(QUERIES)}
        configuration = replace(project.configuration, files=ProjectFiles(files))
        asked = replace(project, configuration=configuration)
        names = [f"own-{number}" for number in range(len(QUERIES))]
        answers.append([report_table(asked, name).counts.to_pylist() for name in names])
    assert answers[0] == answers[1]
    assert all(answers[0])
