"""How fast messages leave: rendering, ledger and requests together, against the sandbox.

    python -m bench.dispatch [--emails N] [--singles N] [--sms N] [--postgres URL]

Each measurement is a process of its own; the sandbox is one more, as a provider would be. Beside
it the official SDKs as their READMEs show them: one message a call, one call after the other.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from antiphon.clock import clock_from
from antiphon.dispatch.dispatcher import send_due
from antiphon.sandbox.process import started
from bench.company import CHECKOUT
from bench.outbox import NOW, make_outbox

PARAGRAPH = (
    "<p style='margin:0 0 16px;font:16px/24px Helvetica,Arial,sans-serif;color:#333'>The linden "
    "trees are in flower and so is our new collection: soaps of salt and lime blossom, creams for "
    "skin that saw too much winter, and a tea that tastes of June. {}</p>\n"
)
HTML = (
    "<!doctype html><html><head><meta charset='utf-8'><title>May</title></head><body>"
    "<table width='600' align='center'><tr><td>"
    "<h1 style='font:28px/36px Georgia,serif'>Good morning, {{ customer.first_name }}!</h1>\n"
    + PARAGRAPH.format("Yours, {{ customer.first_name }}, is already wrapped.")
    + PARAGRAPH.format("") * 12
    + "{% if customer.first_name %}"
    + PARAGRAPH.format("We kept one aside for {{ customer.first_name | upper }}.")
    + "{% endif %}"
    + "<p style='font:12px/16px Helvetica'>{{ company.postal_address }} "
    "<a href='{{ links.unsubscribe }}'>Unsubscribe</a> <a href='{{ links.web }}'>In the browser</a>"
    "</p></td></tr></table></body></html>"
)
TEMPLATES = {
    "note/subject.j2": "{{ customer.first_name }}, the lindens are in flower",
    "note/body.html.j2": HTML,
    "note/body.txt.j2": "Good morning, {{ customer.first_name }}! The lindens are in flower.\n"
    "{{ company.postal_address }}\nUnsubscribe: {{ links.unsubscribe }}",
    "note/sms.j2": "{{ customer.first_name }}, your order is ready. Stop: {{ links.unsubscribe }}",
}


@dataclass(frozen=True)
class Measured:
    """What one process reached: messages, seconds without start and imports, CPU, memory."""

    work: str
    messages: int
    seconds: float
    cpu_seconds: float
    peak_mib: float

    @property
    def line(self) -> str:
        """For people."""
        minute = 60 * self.messages / self.seconds
        each = 1e6 * self.cpu_seconds / self.messages
        return (
            f"{self.work:<34}{self.messages:>9,} in {self.seconds:7.2f} s {minute:>11,.0f} a minute"
            f"{each:>8,.0f} µs CPU each {self.peak_mib:>6,.0f} MiB"
        )


def main() -> None:
    """Measure all of it, or `--one` within a process of its own."""
    parser = argparse.ArgumentParser(prog="bench.dispatch", description=__doc__)
    parser.add_argument("--emails", type=int, default=200_000)
    parser.add_argument("--singles", type=int, default=5_000)
    parser.add_argument("--sms", type=int, default=20_000)
    parser.add_argument("--postgres", default=os.environ.get("ANTIPHON_TEST_POSTGRES", ""))
    parser.add_argument("--one", nargs=3, metavar=("WORK", "MESSAGES", "URL"))
    given = parser.parse_args()
    if given.one:
        work, messages, url = given.one
        print(json.dumps(_measure(work, int(messages), url)))
        return
    plan = [("e-mails in batches", given.emails), ("e-mails singly", given.singles)]
    plan += [("SMS", given.sms)]
    if given.postgres:
        os.environ["ANTIPHON_TEST_POSTGRES"] = given.postgres
        plan += [("e-mails in batches, PostgreSQL", given.emails), ("SMS, PostgreSQL", given.sms)]
    plan += [("SendGrid's SDK as its README shows", 300), ("Twilio's SDK as its README shows", 300)]
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores before the first")
    with tempfile.TemporaryDirectory(prefix="bench-dispatch-") as folder:
        for number, (work, messages) in enumerate(plan):
            with started(Path(folder) / str(number), "--no-requests") as sandbox:
                print(_in_a_process(work, messages, sandbox.url).line, flush=True)


def _in_a_process(work: str, messages: int, url: str) -> Measured:
    command = [sys.executable, "-m", "bench.dispatch", "--one", work, str(messages), url]
    compiled = {"PYTHONPYCACHEPREFIX": str(CHECKOUT / "var" / "bench" / "bytecode")}
    environment = {**os.environ, **compiled, "PYTHONPATH": str(CHECKOUT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    output = subprocess.run(
        command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, check=True
    ).stdout
    return Measured(work, **json.loads(output.splitlines()[-1]))


def _measure(work: str, messages: int, url: str) -> dict[str, Any]:
    if "SDK" in work:
        send = _by_sendgrid if work.startswith("SendGrid") else _by_twilio
        send(url, 3)  # imports, and the first connection
        began, cpu = time.perf_counter(), time.process_time()
        send(url, messages)
    else:
        began, cpu = _dispatch(work, messages, url)
    return {
        "messages": messages,
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mib": _peak_mib(),
    }


def _dispatch(work: str, messages: int, url: str) -> tuple[float, float]:
    """Send all; the clocks as they stood after a first few messages, which import everything."""
    channel = "sms" if work.startswith("SMS") else "email"
    batch = 1 if work == "e-mails singly" else 1_000
    settings: dict[str, Any] = {
        "providers": {channel: "sandbox"},
        "accounts": {"sandbox": {"url": url, "batch": batch}},
    }
    if "PostgreSQL" in work:
        settings["ledger"] = {"url": _new_database(os.environ["ANTIPHON_TEST_POSTGRES"])}
    with tempfile.TemporaryDirectory(prefix="bench-outbox-") as folder:
        standing = clock_from(NOW)()
        outbox = make_outbox(
            Path(folder) / "project", lambda: standing, settings, templates=TEMPLATES
        )
        outbox.plan(100, channel=channel, campaign="first")
        outbox.plan(messages, channel=channel, first=1_000, not_before=NOW)
        ledger = outbox.project.ledger
        outbox.release()
        held = ledger.holds.hold("may", "paused", "the bench warms up", "bench", NOW)
        assert held
        send_due(outbox.project)
        ledger.holds.end("may", NOW)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
        began, cpu = time.perf_counter(), time.process_time()
        tally = send_due(outbox.project)
        assert tally.result() == {"accepted": messages}, tally
        return began, cpu


def _peak_mib() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _new_database(server: str) -> str:
    import sqlalchemy as sa  # noqa: PLC0415

    address = sa.make_url(server).set(drivername="postgresql+psycopg")
    name = f"bench_dispatch_{os.getpid()}"
    with sa.create_engine(address, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    address = address.set(drivername="postgresql", database=name)
    return address.render_as_string(hide_password=False)


def _by_sendgrid(url: str, messages: int) -> None:
    from sendgrid import SendGridAPIClient  # noqa: PLC0415
    from sendgrid.helpers.mail import Mail  # noqa: PLC0415

    for number in range(messages):
        message = Mail(
            from_email="hello@shop.example",
            to_emails=f"c{number:08}@example.com",
            subject="The lindens are in flower",
            html_content=HTML,
        )
        client = SendGridAPIClient("SG.sandbox", host=url)
        client.send(message)


def _by_twilio(url: str, messages: int) -> None:
    from twilio.rest import Client  # noqa: PLC0415

    client = Client("AC" + "5a" * 16, "sandbox")
    client.api.base_url = url
    for number in range(messages):
        client.messages.create(
            to=f"+4915{100_000_000 + number}", from_="+4930123456", body="Your order is ready."
        )


if __name__ == "__main__":
    main()
