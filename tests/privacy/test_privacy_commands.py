"""The commands about a person's own data, as somebody types them."""

import json
from pathlib import Path

import pytest
from privacy_scene import MAIL, NEXT, WHO, Shop, traces

from antiphon.cli import exit_code
from antiphon.errors import ExitCode
from antiphon.privacy.forget import Forgotten

AT = NEXT.isoformat()


def test_an_export_is_readable_by_its_owner_alone(
    lived: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out"
    (target / "messages").mkdir(parents=True)
    for folder in (target, target / "messages"):
        folder.chmod(0o755)
    (target / "customer.json").touch(mode=0o644)
    asked = ["--project", str(lived), "export", WHO, "--folder", str(target), "--at", AT]
    assert exit_code(asked) == ExitCode.DONE
    document = target / "customer.json"
    for path in (target, *target.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    assert json.loads(document.read_text(encoding="utf-8"))["customer_id"] == WHO
    assert len(list((target / "messages").glob("*.html"))) == 2
    assert "2 messages" in capsys.readouterr().out


def test_forgetting_says_what_it_did_and_what_it_searched(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--project", str(shop.root), "forget", WHO, "--yes", "--at", AT]
    assert exit_code(asked) == ExitCode.DONE
    told = capsys.readouterr().out
    assert "to be counted: contacts 3, decisions 3, messages 2, responses 1." in told
    assert "Addresses that stay, as other customers have the same ones: 1." in told
    assert "Nothing was found." in told
    assert "data/customers.csv" in told
    assert MAIL not in told
    assert traces(shop.root, (WHO, MAIL)) == []


def test_a_repetition_says_that_an_earlier_attempt_suppressed_the_addresses(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    asked = ["--project", str(shop.root), "forget", WHO, "--yes", "--at", AT]
    with monkeypatch.context() as patched:
        patched.setattr("antiphon.privacy.forget.prove", die)
        exit_code(asked)
    capsys.readouterr()
    assert exit_code(asked) == ExitCode.DONE
    told = capsys.readouterr().out
    assert "Addresses suppressed, as salted hashes: 0; an earlier attempt did it already." in told


def test_again_asks_for_nobody_where_nothing_is_left(
    erased: tuple[Shop, Forgotten], capsys: pytest.CaptureFixture[str]
) -> None:
    shop, _ = erased
    asked = ["--project", str(shop.root), "forget", "--again", "--at", AT]
    assert exit_code(asked) == ExitCode.DONE
    assert "Nobody" in capsys.readouterr().out
    assert exit_code(["--project", str(shop.root), "forget", WHO, "--again"]) == ExitCode.USAGE
    assert exit_code(["--project", str(shop.root), "forget"]) == ExitCode.USAGE
