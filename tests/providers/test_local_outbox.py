"""The local outbox: files a mail program opens, whole or not there."""

import asyncio
import email as mail
import errno
import os
import signal
import subprocess
import sys
from email import policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_contract import HEADERS, NOW, ProviderContract, email, outgoing, send

from antiphon.message.content import Sms
from antiphon.providers import Access, OutcomeKind, Provider, local
from antiphon.providers.local import RETRY_AFTER, LocalOutbox, as_mime


class TestEmail(ProviderContract):
    @pytest.fixture
    def provider(self, tmp_path: Path) -> Provider:
        return local.open_account(Access("paper", "email", folder=str(tmp_path)))


class TestSms(ProviderContract):
    @pytest.fixture
    def provider(self, tmp_path: Path) -> Provider:
        return LocalOutbox(tmp_path, "sms", durable=True)


def read(path: Path) -> EmailMessage:
    message = mail.message_from_bytes(path.read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert message.defects == []
    return message


def test_an_eml_reads_back_as_it_was_meant(tmp_path):
    send(LocalOutbox(tmp_path, "email"), outgoing(1))
    path = tmp_path / "2026-05-12" / "spring" / f"{1:032x}.eml"
    message = read(path)
    assert message["Subject"] == "Grüße 🌿"
    assert message["From"].addresses[0].display_name == "Linden Apotheke, Köln"
    assert message["From"].addresses[0].addr_spec == "news@linden.example"
    assert message["To"] == "ada@example.org"
    assert message["Message-ID"] == f"<{1:032x}@linden.example>"
    assert message["Date"].datetime == NOW
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    html, text = message.get_body(("html",)), message.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert html.get_content().strip() == "<p>Schöne Grüße</p>"
    assert text.get_content().strip() == "Schöne Grüße"


def test_one_click_headers_stand_on_one_line_unencoded(tmp_path):
    send(LocalOutbox(tmp_path, "email"), outgoing(1))
    raw = next(tmp_path.rglob("*.eml")).read_bytes()
    for name, value in HEADERS.items():
        assert f"\r\n{name}: {value}\r\n".encode() in raw


def test_every_line_keeps_to_the_standard():
    long = email(subject="ä" * 500, text="x" * 5000, html="<p>" + "y" * 9000)
    lines = as_mime(outgoing(1), long, NOW).split(b"\r\n")
    assert max(map(len, lines)) <= 998  # RFC 5322, 2.1.1
    assert all(b"\n" not in line and b"\r" not in line for line in lines)


@settings(max_examples=100, deadline=None)
@given(subject=st.text(), name=st.text(), text=st.text(st.characters(codec="utf-8")))
def test_no_text_adds_a_header_or_breaks_the_mail(subject, name, text):
    content = email(subject=subject, text=text, html=text)
    raw = as_mime(outgoing(1, sender_name=name), content, NOW)
    message = mail.message_from_bytes(raw, policy=policy.compat32)
    plain = as_mime(outgoing(1), email(), NOW)
    assert message.keys() == mail.message_from_bytes(plain, policy=policy.compat32).keys()
    bodies = [part.get_payload(decode=True) for part in message.get_payload()]
    assert bodies == [text.encode(), text.encode()]


def test_an_sms_is_a_text_file(tmp_path):
    send(LocalOutbox(tmp_path, "sms"), outgoing(1, "sms"))
    (path,) = tmp_path.rglob("*.txt")
    head, _, body = path.read_text().partition("\n\n")
    assert head == "To: +493012345678\nFrom: Linden\nDate: 2026-05-12T08:00:00+00:00"
    assert body == "Grüße 🌿\n"


@pytest.mark.parametrize("channel", ["email", "sms"])
def test_writing_the_same_message_again_leaves_one_file_of_the_same_bytes(tmp_path, channel):
    outbox = LocalOutbox(tmp_path, channel)
    first = send(outbox, outgoing(1, channel))
    (path,) = (p for p in tmp_path.rglob("*") if p.is_file())
    content = path.read_bytes()
    assert send(LocalOutbox(tmp_path, channel), outgoing(1, channel)) == first
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]
    assert path.read_bytes() == content


@pytest.mark.parametrize("field", ["message_id", "campaign"])
@pytest.mark.parametrize("value", ["../up", "/etc/x", "", ".hidden", "a/b", "a\x00b"])
def test_no_name_leads_out_of_the_outbox(tmp_path, field, value):
    box = tmp_path / "box"
    (outcome,) = send(LocalOutbox(box, "email"), outgoing(1, **{field: value}))
    assert outcome.kind is OutcomeKind.REFUSED
    assert not any(tmp_path.rglob("*"))


def test_an_international_domain_is_written_in_ascii(tmp_path):
    send(LocalOutbox(tmp_path, "email"), outgoing(1, to="ada@bücher.example"))
    assert read(next(tmp_path.rglob("*.eml")))["To"] == "ada@xn--bcher-kva.example"


def test_a_disk_that_is_full_sends_nothing_and_says_when_to_try_again(tmp_path):
    """A real refusal by the system: files of this process may not grow beyond 100 bytes."""
    code = (
        "import asyncio, signal, resource, sys\n"
        f"sys.path[:0] = {[str(Path(__file__).parent / 'contract')]!r}\n"
        "from provider_contract import NOW, outgoing, send\n"
        "from antiphon.providers.local import LocalOutbox\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "(o,) = send(LocalOutbox(sys.argv[1], 'email'), outgoing(1))\n"
        "print(o.kind, (o.retry_at - NOW).total_seconds(), o.evidence)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    expected = f"try_later {RETRY_AFTER.total_seconds()} {os.strerror(errno.EFBIG)}"
    assert done.stdout.strip() == expected
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_file_that_may_not_outlive_a_crash_is_in_doubt(tmp_path, monkeypatch):
    """The rename succeeded, flushing the folder did not: the one case of doubt."""
    real = os.fsync

    def fsync(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").resolve().is_dir():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    (outcome,) = send(LocalOutbox(tmp_path, "email", durable=True), outgoing(1))
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert outcome.retry_at is None


def test_a_folder_that_cannot_be_made_is_tried_later(tmp_path):
    (tmp_path / "box").write_text("in the way")
    (outcome,) = send(LocalOutbox(tmp_path / "box", "email"), outgoing(1))
    assert outcome.kind is OutcomeKind.TRY_LATER


def test_a_killed_writer_leaves_whole_files_and_the_rest_is_certain(tmp_path):
    code = (
        "import sys\n"
        f"sys.path[:0] = {[str(Path(__file__).parent / 'contract')]!r}\n"
        "from provider_contract import outgoing, send\n"
        "from antiphon.providers.local import LocalOutbox\n"
        "box = LocalOutbox(sys.argv[1], 'email')\n"
        "print('ready', flush=True)\n"
        "for n in range(100000): send(box, outgoing(n))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    while len(list(tmp_path.rglob("*.eml"))) < 20:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    written = sorted(tmp_path.rglob("*.eml"))
    expected = [as_mime(outgoing(n), email(), NOW) for n in range(len(written))]
    assert [path.read_bytes() for path in written] == expected
    box = LocalOutbox(tmp_path, "email")
    for number in (0, len(written) - 1):
        found = asyncio.run(box.lookup(outgoing(number), NOW, NOW))
        assert found is not None
        assert found.kind is OutcomeKind.ACCEPTED
    missing = asyncio.run(box.lookup(outgoing(len(written)), NOW, NOW))
    assert missing is not None
    assert missing.kind is OutcomeKind.TRY_LATER


def test_a_look_up_takes_no_pattern(tmp_path):
    box = LocalOutbox(tmp_path, "email")
    send(box, outgoing(1))
    found = asyncio.run(box.lookup(outgoing(1, message_id="*"), NOW, NOW))
    assert found is not None
    assert found.kind is OutcomeKind.REFUSED


def test_the_text_of_an_sms_may_be_anything_that_is_text(tmp_path):
    (outcome,) = send(LocalOutbox(tmp_path, "sms"), outgoing(1, "sms", content=Sms("x" * 2000)))
    assert outcome.kind is OutcomeKind.ACCEPTED
