"""Claims on definitions: what builds on what, cycles, names, and how a dimension divides."""

from itertools import pairwise

import pytest
from defined import ENGINE, column, constants, customers, defined, tried
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.audience.definitions import define
from antiphon.audience.derived import derived_sql
from antiphon.audience.resolution import in_layers
from antiphon.campaigns.models import Segments, Sources
from antiphon.files import ProjectFiles


def messages(**sections):
    return [problem.message for problem in tried(**sections)[1]]


def chosen(source, definitions, segment):
    found = constants(source, definitions)
    relation = derived_sql(source, definitions, found)
    where = definitions.segments[segment].sql
    sql = f"SELECT customer_id FROM {relation} AS frame WHERE {where} ORDER BY 1"
    return [name for (name,) in ENGINE.execute(sql).fetchall()]


PEOPLE = [
    {"customer_id": "ann", "orders_so_far": 7, "days": 10, "spend": "24.9999", "town": "Ulm"},
    {"customer_id": "bob", "orders_so_far": 1, "days": 200, "spend": "25", "town": "Kiel"},
    {"customer_id": "cat", "orders_so_far": 3, "days": 40, "spend": "-3"},
    {"customer_id": "dan"},
]


def test_segments_dimensions_and_scores_build_on_one_another_in_any_order():
    definitions = defined(
        segments={
            "good": {"where": "in_segment('frequent') and stage = 'here'", "title": "Good ones"},
            "frequent": {"where": "fine >= 2"},
            "recent": {"where": "days < 60"},
            "bought": {"where": "orders_so_far > 0"},
        },
        dimensions={"stage": {"cases": {"here": "in_segment('recent')"}, "rest": "gone"}},
        scores={"fine": {"of": "orders_so_far", "where": "in_segment('bought')", "parts": "3"}},
    )
    assert chosen(customers(PEOPLE), definitions, "good") == ["ann", "cat"]
    assert definitions.titles["good"] == "Good ones"
    assert definitions.closure({"stage"}) == {"stage", "days"}
    assert definitions.closure({"fine", "town"}) == {"fine", "orders_so_far", "town"}


def test_a_cycle_shows_all_its_members_and_nothing_else_is_complained_of():
    found = messages(
        segments={
            "a": {"where": "days > 3 and in_segment('b')"},
            "b": {"where": "stage = 'x'"},
            "outside": {"where": "in_segment('a')"},
        },
        dimensions={"stage": {"cases": {"x": "grade = 5 or days > 3"}, "rest": "y"}},
        scores={"grade": {"of": "days", "where": "in_segment('a')"}},
    )
    assert found == ["'grade' is built on itself: grade → a → b → stage → grade"]


def test_a_segment_that_names_itself_is_a_cycle_of_one():
    assert messages(segments={"a": {"where": "in_segment('a') or days = 1"}}) == [
        "'a' is built on itself: a → a"
    ]


def test_two_cycles_are_two_problems():
    where = {one: {"where": f"in_segment('{other}')"} for one, other in ("ab", "ba", "cd", "dc")}
    assert messages(segments=where) == [
        "'a' is built on itself: a → b → a",
        "'c' is built on itself: c → d → c",
    ]


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcdefg"), st.sets(st.sampled_from("abcdefgz")), max_size=7)
)
def test_layers_need_only_those_before_and_every_cycle_is_one(graph):
    layers, cycles = in_layers(graph)
    assert sorted(node for layer in layers for node in layer) == sorted(graph)
    for cycle in cycles:
        assert all(other in graph[one] for one, other in pairwise([*cycle, cycle[0]]))
        assert len(set(cycle)) == len(cycle)
    if not cycles:
        done = set()
        for layer in layers:
            assert all(graph[node] & set(graph) <= done for node in layer)
            done |= layer


def test_a_wrong_segment_is_complained_of_once_wherever_it_is_used():
    found = messages(
        segments={
            "wrong": {"where": "dayz > 3"},
            "uses": {"where": "in_segment('wrong')"},
            "again": {"where": "not in_segment('wrong')"},
        }
    )
    assert found == ["unknown column 'dayz'"]


@pytest.mark.parametrize(
    "where",
    [
        "stage = 'gne'",
        "stage not in ('here', 'gne')",
        "'gne' <> stage",
        "coalesce(stage, '') = 'a'",
    ],
)
def test_a_dimension_beside_a_text_that_is_none_of_its_names_is_answered(where):
    stage = {"cases": {"here": "days < 60"}, "rest": "gone"}
    found = tried(segments={"some": {"where": where}}, dimensions={"stage": stage})[1]
    if "coalesce" in where:  # a calculation may yield other texts
        assert found == []
        return
    [problem] = found
    assert problem.message == "stage is never 'gne'"
    assert problem.hint == "Did you mean 'gone'? Its names: here, gone."
    assert where[problem.column - 1 :].startswith("'gne'")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("days", "already a column of sql/features/facts.sql"),
        ("language", "already a column of customers"),
        ("cell", "a word of Antiphon's own"),
        ("unit", "a word of Antiphon's own"),
        ("id", "a word of Antiphon's own"),
        ("select", "a word of SQL"),
        ("case", "a word of SQL"),
    ],
)
def test_a_name_that_is_taken_is_refused(name, words):
    assert messages(scores={name: {"of": "rate"}}) == [f"'{name}' of 'scores' is {words}"]


def test_two_definitions_of_one_name_are_refused():
    dimension = {"cases": {"x": "days > 3"}, "rest": "y"}
    found = messages(scores={"stage": {"of": "rate"}}, dimensions={"stage": dimension})
    assert found == ["'stage' of 'dimensions' is also one of 'scores'"]
    found = messages(segments={"stage": {"where": "days > 3"}}, dimensions={"stage": dimension})
    assert found == ["the segment 'stage' has the name of a feature"]


def test_a_name_whose_shape_is_wrong_is_known_all_the_same():
    model = Segments.model_validate(
        {"version": "1", "segments": {"a": {"where": "stage = 'x' and in_segment('broken')"}}}
    )
    unread = {"dimensions": ["stage"], "segments": ["broken"]}
    _, problems = define(ProjectFiles({}), Sources(version="1", sources={}), model, [], unread)
    assert problems == []


# ---------------------------------------------------------------- dimensions

SPEND = {"low": {"below": "0"}, "some": {"from": "0", "below": "25"}, "much": {"from": "25"}}


def test_a_band_holds_its_from_and_not_its_below():
    definitions = defined(dimensions={"band": {"of": "spend", "bands": SPEND, "rest": "none"}})
    assert column(customers(PEOPLE), definitions, "band") == {
        "ann": "some",
        "bob": "much",
        "cat": "low",
        "dan": "none",
    }


def test_values_are_texts_and_the_rest_is_all_others_and_nobody():
    values = {"north": ["Kiel", "O'Fallon"], "south": ["Ulm"]}
    definitions = defined(dimensions={"place": {"of": "town", "values": values, "rest": "north"}})
    assert set(column(customers(PEOPLE), definitions, "place").items()) == {
        ("ann", "south"),
        ("bob", "north"),
        ("cat", "north"),
        ("dan", "north"),
    }
    assert definitions.dimensions["place"].names == ("north", "south")


def test_of_several_cases_the_first_that_holds_counts():
    cases = {"often": "orders_so_far > 2", "late": "days > 30", "ever": "orders_so_far > 0"}
    definitions = defined(dimensions={"kind": {"cases": cases, "rest": "never"}})
    assert column(customers(PEOPLE), definitions, "kind") == {
        "ann": "often",
        "bob": "late",
        "cat": "often",
        "dan": "never",
    }


def test_bands_without_a_rest_hold_everybody_where_nothing_is_null():
    bands = {"none": {"below": "1"}, "some": {"from": "1"}}
    definitions = defined(dimensions={"band": {"of": "orders_so_far", "bands": bands}})
    assert set(column(customers(PEOPLE), definitions, "band").values()) == {"none", "some"}
    assert definitions.features["band"].nullable is False


def test_a_dimension_may_join_the_names_of_another_without_a_rest():
    dimensions = {
        "band": {"of": "spend", "bands": SPEND, "rest": "none"},
        "coarse": {"of": "band", "values": {"little": ["none", "low"], "good": ["some", "much"]}},
    }
    definitions = defined(dimensions=dimensions)
    assert column(customers(PEOPLE), definitions, "coarse")["dan"] == "little"
    assert column(customers(PEOPLE), definitions, "coarse")["ann"] == "good"


@settings(max_examples=60, deadline=None)
@given(
    limits=st.lists(st.integers(-20, 20), min_size=1, max_size=5, unique=True),
    values=st.lists(st.one_of(st.none(), st.integers(-25, 25)), min_size=1, max_size=20),
)
def test_bands_divide_every_value_as_sorting_does(limits, values):
    ends = sorted(limits)
    bands = {"b0": {"below": str(ends[0])}}
    for place, (low, high) in enumerate(pairwise(ends), start=1):
        bands[f"b{place}"] = {"from": str(low), "below": str(high)}
    bands[f"b{len(ends)}"] = {"from": str(ends[-1])}
    shuffled = dict(sorted(bands.items(), key=lambda item: item[0][::-1], reverse=True))
    definitions = defined(dimensions={"band": {"of": "days", "bands": shuffled, "rest": "none"}})
    rows = [
        {"customer_id": f"C{k}"} | ({} if value is None else {"days": value})
        for k, value in enumerate(values)
    ]
    found = column(customers(rows), definitions, "band")
    for k, value in enumerate(values):
        expected = "none" if value is None else f"b{sum(value >= end for end in ends)}"
        assert found[f"C{k}"] == expected


@pytest.mark.parametrize(
    ("dimension", "message"),
    [
        (
            {"of": "days", "bands": {"a": {"below": "3"}, "b": {"from": "3"}}},
            "no name for customers without a value of days",
        ),
        (
            {"of": "orders_so_far", "bands": {"a": {"from": "0", "below": "3"}}},
            "no name for customers with orders_so_far below 0 or with orders_so_far from 3",
        ),
        (
            {"of": "days", "bands": {"a": {"below": "3"}, "b": {"below": "5"}}, "rest": "c"},
            "the bands 'a' (below 3) and 'b' (below 5) overlap",
        ),
        (
            {"of": "days", "bands": {"a": {}, "b": {"from": "5"}}, "rest": "c"},
            "the bands 'a' (every value) and 'b' (from 5) overlap",
        ),
        (
            {"of": "days", "bands": {"a": {"from": "5", "below": "5"}}, "rest": "c"},
            "no value is in the band 'a': 5 to below 5",
        ),
        (
            {"of": "days", "bands": {"a": {"from": "1e18"}}, "rest": "c"},
            "'1000000000000000000' has more than 18 digits",
        ),
        ({"rest": "x"}, "the dimension has no names"),
        ({"of": "days", "bands": {}, "rest": "x"}, "'bands' names nothing"),
        ({"bands": {"a": {"below": "3"}}, "rest": "x"}, "'bands' of which feature?"),
        ({"of": "dayz", "bands": {"a": {}}, "rest": "x"}, "unknown column 'dayz'"),
        (
            {"of": "days", "values": {"a": ["3"]}, "rest": "x"},
            "'days' is integer: 'values' are texts",
        ),
        (
            {"of": "days", "cases": {"a": "days > 1"}, "rest": "x"},
            "'cases' divide by no single feature",
        ),
    ],
)
def test_a_dimension_that_divides_badly_is_refused(dimension, message):
    assert messages(dimensions={"kind": dimension}) == [message]


# ---------------------------------------------------------------- sql/segments/

OPENING = "-- title: Came to the opening\n-- reads: events\nSELECT customer_id FROM events;\n"


def test_a_segment_by_hand_is_a_hidden_column_that_others_may_build_on():
    definitions = defined(
        texts={"sql/segments/opening-day.sql": OPENING},
        segments={"came_and_bought": {"where": "in_segment('opening-day') and orders_so_far > 0"}},
    )
    hidden = definitions.by_hand["opening-day"].column
    rows = [{**one, hidden: one["customer_id"] in ("ann", "dan")} for one in PEOPLE]
    people = customers(rows, [hidden])
    assert chosen(people, definitions, "opening-day") == ["ann", "dan"]
    assert chosen(people, definitions, "came_and_bought") == ["ann"]
    assert definitions.titles["opening-day"] == "Came to the opening"
    assert definitions.segments["came_and_bought"].segments == {"opening-day"}


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("SELECT order_id FROM events", "the SELECT returns no column 'customer_id'"),
        ("SELECT customer_id FROM orders", "orders"),
        ("SELECT customer_id FROM events WHERE occurred_at < now()", "asks the machine"),
        ("DELETE FROM events", "SELECT"),
        ("SELECT customer_id FROM", "cannot be read"),
    ],
)
def test_a_segment_by_hand_is_one_select_of_what_it_says_it_reads(select, message):
    header = OPENING[: OPENING.index("SELECT")]
    _, problems = tried(texts={"sql/segments/opening.sql": header + select})
    (problem,) = problems
    assert message in problem.message + problem.hint
    assert problem.file == "sql/segments/opening.sql"
