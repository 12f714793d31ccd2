"""YAML text → values and places: what was typed is what we get, or a problem at its place."""

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from antiphon.campaigns import documents
from antiphon.campaigns.documents import DEEPEST, parse
from antiphon.campaigns.places import Spot
from antiphon.errors import Problem


def _places(problems: list[Problem]) -> list[tuple[int, int, str]]:
    return [(problem.line, problem.column, problem.message) for problem in problems]


def test_scalars_stay_the_text_that_was_typed() -> None:
    text = "a: no\nb: 7:30\nc: 012\nd: 1e3\ne: ~\nf: 2026-01-01\ng: 0x1F\nh: null\ni: .inf\nj: ''\n"
    document, problems = parse("f.yaml", text)
    assert problems == []
    assert document.values == {
        "a": "no", "b": "7:30", "c": "012", "d": "1e3", "e": "~", "f": "2026-01-01",
        "g": "0x1F", "h": "null", "i": ".inf", "j": "",
    }  # fmt: skip


def test_nothing_written_is_none_and_not_text() -> None:
    document, _ = parse("f.yaml", "a:\nb: [x, ]\nc: {d: }\n")
    assert document.values == {"a": None, "b": ["x"], "c": {"d": None}}


@pytest.mark.parametrize("text", ["\ufeffa: 1\nb: é 2\n", "a: 1\r\nb: é 2\r\n", "a: 1\rb: é 2"])
def test_marks_and_line_ends_of_windows_change_neither_values_nor_places(text: str) -> None:
    document, problems = parse("f.yaml", text)
    assert problems == []
    assert document.values == {"a": "1", "b": "é 2"}
    assert document.starts[("b",)] == Spot(2, 4)
    assert document.keys[("b",)] == Spot(2, 1)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "\n\n", "---\n# x\n"])
def test_an_empty_file_is_a_problem_of_the_file(text: str) -> None:
    document, problems = parse("f.yaml", text)
    assert document.values is None
    assert _places(problems) == [(0, 0, "the file is empty")]


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("- a\n- b\n", 1, 1, "the file is not a mapping"),
        ("hello", 1, 1, "the file is not a mapping"),
        ("a: 1\nb: 2\na: 3\n", 3, 1, "the key 'a' appears twice"),
        ("a:\n  - {b: 1, b: 2}\n", 2, 12, "the key 'b' appears twice"),
        ("a: 1\n---\nb: 2\n", 2, 1, "a second document in one file"),
        ("a: &x 1\n", 1, 4, "an anchor or alias (& or *) cannot be used here"),
        ("a: *x\n", 1, 4, "an anchor or alias (& or *) cannot be used here"),
        ("a: !!python/object:os.system x\n", 1, 4, "a tag (!) cannot be used here"),
        ("a: !secret x\n", 1, 4, "a tag (!) cannot be used here"),
        ("b: 1\n<<: {a: 1}\n", 2, 1, "a merge key (<<) cannot be used here"),
        ("? [a]\n: 1\n", 1, 3, "a key that is not a word"),
        ("{a: {[b]: 1}}\n", 1, 6, "a key that is not a word"),
        ("a: b: c\n", 1, 5, "not YAML: a colon where none can be"),
        ("a:\n\tb: c\n", 2, 1, "not YAML: a character that cannot begin a value"),
        ("a: 1\n\t\n", 2, 1, "not YAML: a tab"),
        ("a: %x\n", 1, 4, "not YAML: a character that cannot begin a value"),
        ("a: 'x\n", 1, 4, "not YAML: a quote that is not closed"),
        ("a: [1, 2\n", 2, 1, "not YAML: a bracket that is not closed"),
        ('a: "\\q"\n', 1, 5, "not YAML: an unknown escape after \\"),
        ("a:\n  - b\n c: d\n", 3, 2, "not YAML: a line that is not 'key: value' at this indent"),
        ("a: x\nb: \x00\n", 2, 4, "a character that text files cannot hold (U+0000)"),
        ("a: \ud800\n", 1, 4, "a character that text files cannot hold (U+D800)"),
    ],
)
def test_what_is_wrong_with_the_text_is_said_at_its_place(
    text: str, line: int, column: int, message: str
) -> None:
    _, problems = parse("f.yaml", text)
    assert _places(problems) == [(line, column, message)]


def test_the_second_of_two_keys_is_dropped_with_all_below_it() -> None:
    document, problems = parse("f.yaml", "a: {x: 1}\na: {x: 2, y: 3}\nb: 4\n")
    assert document.values == {"a": {"x": "1"}, "b": "4"}
    assert problems[0].hint == "It is already on line 1; keep one of them."


def test_a_billion_laughs_are_refused_at_once() -> None:
    lines = ["a0: &a0 [lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    started = time.process_time()
    _, problems = parse("f.yaml", "\n".join(lines))
    assert time.process_time() - started < 1
    assert _places(problems) == [(1, 5, "an anchor or alias (& or *) cannot be used here")]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000,
        "{" * 10_000,
        "a: " + "[" * 10_000,
        "a: " + "{b: " * 10_000,
        "a:\n " + "- " * 10_000,
        "? " * 10_000,
        "\n".join("  " * depth + "a:" for depth in range(3_000)),
    ],
)
def test_nesting_of_any_depth_is_a_problem_and_no_crash(text: str) -> None:
    started = time.process_time()
    document, problems = parse("f.yaml", text)
    assert time.process_time() - started < 5
    assert len(problems) == 1
    assert document.values is None


def test_the_deepest_level_is_still_read() -> None:
    depth = DEEPEST - 1
    assert parse("f.yaml", "a: " + "[" * depth + "x" + "]" * depth)[1] == []
    assert parse("f.yaml", "a: " + "[" * DEEPEST + "x" + "]" * DEEPEST)[1] != []


def test_a_huge_scalar_is_read_in_linear_time() -> None:
    started = time.process_time()
    document, problems = parse("f.yaml", "a: '" + "x\n " * 1_000_000 + "'\n")
    assert time.process_time() - started < 10
    assert problems == []
    assert len((document.values or {})["a"]) == 2_000_000


def test_without_the_c_parser_the_same_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: {b: [1, 'x']}\nc: >\n  y\n  z\nd: *x\nd: 1\n"
    with_c = parse("f.yaml", text)
    monkeypatch.setattr(documents, "_LOADER", yaml.SafeLoader)
    without = parse("f.yaml", text)
    assert without[0].values == with_c[0].values
    assert without[1] == with_c[1]


@pytest.mark.parametrize(
    "written",
    [
        "where: a = 1 and WORD > 2",
        "where: 'a = 1 and WORD > 2'",
        'where: "a = 1 and WORD > 2"',
        'where: "a = \\"x\\" and\\tWORD > 2"',
        "where: 'a = ''x'' and WORD > 2'",
        "where: 'a = ''it''''s'' and WORD > 2'",
        "where: a = 1\n  and WORD > 2",
        "where: a = 1\n  and\n\n  WORD > 2",
        "where: 'a = 1\n  and   \n  WORD > 2'",
        "where: '   a = 1 and WORD > 2 '",
        "where: |\n  a = 1\n    and WORD > 2\n",
        "where: |\n\n  a = 1\n\n  and WORD > 2\n",
        "where: >-\n  a = 1\n  and WORD > 2\n",
        "where: >\n  a = 1\n\n  and\n  WORD > 2\n",
        "{where: 'a = 1 and WORD > 2', other: 1}",
        "where: ä = 'ö' and WORD > 2",
        "where: |+  # a remark\n   a and WORD\n\n\nother: 1",
    ],
)
def test_a_place_within_a_text_is_found_in_the_file(written: str) -> None:
    document, problems = parse("f.yaml", "# a line before\n" + written)
    assert problems == []
    text = (document.values or {})["where"].strip()
    before = text[: text.index("WORD")]
    within = Spot(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
    spot = document.text_spot(("where",), within)
    assert document.lines[spot.line - 1][spot.column - 1 :].startswith("WORD")


def test_a_place_that_cannot_be_told_exactly_is_that_of_the_text() -> None:
    document, _ = parse("f.yaml", 'where: "a \\\n  WORD \\x41"\n')
    assert document.text_spot(("where",), Spot(1, 3)) in (Spot(1, 8), Spot(2, 3))


@given(st.text(alphabet=st.sampled_from("ab:-?[]{}'\"|>\n \t#&*!%@,~\\\u2028\ud800\x00é")))
def test_no_text_crashes_and_what_is_not_read_is_a_problem(text: str) -> None:
    document, problems = parse("f.yaml", text)
    assert (document.values is not None) or problems
    for problem in problems:
        str(problem)
    for path in document.scalars:
        for column in range(1, 4):
            spot = document.text_spot(path, Spot(1, column))
            assert 1 <= spot.line <= len(document.lines)
