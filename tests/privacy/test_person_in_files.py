"""What a person is found by, and how files that others share go on without them."""

import gzip
import json
from base64 import encodebytes
from datetime import UTC, datetime
from pathlib import Path

import pytest

from antiphon.privacy.files import Done, Marks, clean, names_them, others
from antiphon.privacy.terms import is_telling, terms_of
from antiphon.sandbox.index import Index
from antiphon.sandbox.journal import Journal

MAIL = "anna+shop@example.org"
TERMS = terms_of("LP000012", [MAIL, "+491711234567"], [("Jürgen", "Groß")])
MARKS = Marks("LP000012", TERMS.pattern, frozenset({"a" * 32}))
NOW = datetime(2026, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "to LP000012.",
        "lp000012",
        f"<{MAIL.upper()}>",
        "To=anna%2Bshop%40example.org&",
        "From=%2B491711234567",
        "from 491711234567",
        '{"name": "J\\u00fcrgen Gro\\u00df"}',
        "Groß, Jürgen",
    ],
)
def test_every_spelling_is_found(text: str) -> None:
    assert MARKS.is_in(text.encode())


@pytest.mark.parametrize(
    "text", ["LP0000123", "XLP000012", "hanna+shop@example.org", "Jürgen Schmidt", "Groß"]
)
def test_what_is_somebody_elses_is_not(text: str) -> None:
    assert not MARKS.is_in(text.encode())


def test_an_id_that_might_mean_anything_is_no_word() -> None:
    assert [one for one in ("12", "12346", "anna", "LP12", "20260512", "c00001") if is_telling(one)]
    assert not any(map(is_telling, ("12", "12346", "anna", "x1")))
    assert terms_of("12", [], []).pattern is None


def test_a_line_of_a_list_goes_though_its_id_is_short(tmp_path: Path) -> None:
    path = tmp_path / "tasks" / "2026-05.csv"
    path.parent.mkdir()
    path.write_text('customer,task\n12,"call, soon"\n120,call\n', encoding="utf-8")
    short = Marks("12", None, frozenset())
    assert names_them(path, short)
    assert clean(path, short) is Done.BLANKED
    assert path.read_text(encoding="utf-8") == "customer,task\n120,call\n"
    assert not names_them(path, short)


def test_an_e_mail_is_found_by_its_text_and_goes_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.eml"
    body = encodebytes("Hallo Jürgen Groß!".encode()).replace(b"\n", b"\r\n")
    path.write_bytes(b"To: x\r\nContent-Transfer-Encoding: base64\r\n\r\n" + body + b"--x--\r\n")
    assert names_them(path, MARKS)
    assert clean(path, MARKS) is Done.REMOVED
    assert not path.exists()


def test_a_message_of_theirs_is_found_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / f"{'a' * 32}.txt"
    path.write_text("nothing of anybody", encoding="utf-8")
    assert names_them(path, MARKS)


def test_a_packed_copy_is_found_and_left(tmp_path: Path) -> None:
    path = tmp_path / "old.log.gz"
    path.write_bytes(gzip.compress(b"x" * 5_000_000 + b" LP000012 " + b"y" * 5_000_000))
    assert names_them(path, MARKS)
    assert clean(path, MARKS) is Done.LEFT


def test_a_word_is_found_where_two_pieces_of_a_file_meet(tmp_path: Path) -> None:
    path = tmp_path / "long.log"
    path.write_bytes(b"-" * ((1 << 22) - 4) + b"LP000012" + b"-" * 10)
    assert names_them(path, MARKS)
    size = path.stat().st_size
    assert clean(path, MARKS) is Done.BLANKED
    assert not names_them(path, MARKS)
    assert path.stat().st_size == size


def test_the_sandbox_finds_everybody_elses_requests_where_they_were(tmp_path: Path) -> None:
    def person(address: str, message: str) -> dict[str, object]:
        to = [{"email": address, "name": "Jürgen Groß" if message == mine else "Ben"}]
        return {"to": to, "substitutions": {"-a-": "x" * 20}, "custom_args": {"message": message}}

    mine, other = "a" * 32, "b" * 32
    with Journal(tmp_path) as journal:
        for number in range(2):
            request = {"personalizations": [person(MAIL, mine), person("ben@example.org", other)]}
            journal.write(
                NOW, "sendgrid", f"p{number}", [mine, other], json.dumps(request).encode()
            )
        sms = {"To": "+491711234567", "Body": "Hallo", "StatusCallback": f"https://x/{mine}"}
        journal.write(NOW, "twilio", "s1", [mine], json.dumps(sms).encode())
    path = tmp_path / "requests.jsonl"
    size = path.stat().st_size
    assert clean(path, MARKS) is Done.BLANKED
    assert path.stat().st_size == size
    assert not names_them(path, MARKS)
    assert b"Hallo" not in path.read_bytes()
    found = Index(tmp_path).everything()
    assert [one.to for one in found] == ["erased@invalid", "ben@example.org"] * 2 + [""]


def test_other_projects_and_sources_are_left_alone(tmp_path: Path) -> None:
    for name in ("town/config/settings.yaml", "town/var/x.log", "data.csv", "a.log", "b.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("LP000012", encoding="utf-8")
    found = list(others(tmp_path, [tmp_path / "data.csv"]))
    assert found == [tmp_path / "a.log"]
