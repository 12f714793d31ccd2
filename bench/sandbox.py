"""How much the sandbox takes: python -m bench.sandbox. Prints a line for each way of sending.

Per second of the sandbox's own CPU time, because the sender needs the other core.
"""

import asyncio
import base64
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from antiphon.sandbox.process import SandboxProcess, started

PEOPLE = 1000
BATCHES = 60
SINGLES = 4000
AT_ONCE = 32
MAIL = {"authorization": "Bearer SG.bench", "content-type": "application/json"}
TICKS = 100  # of CPU time in a second, as /proc counts


def batch(number: int, people: int = PEOPLE) -> bytes:
    """A request of realistic size: 6 KB of HTML, eight substitutions a person."""
    line = "<p>Dear customer, " + "x" * 80 + "</p>\n"
    return orjson.dumps(
        {
            "from": {"email": "news@example.com"},
            "subject": "Hello",
            "content": [
                {"type": "text/plain", "value": "Hello -m0- " * 40},
                {"type": "text/html", "value": line * 60},
            ],
            "personalizations": [person(number * PEOPLE + one) for one in range(people)],
        }
    )


def person(number: int) -> dict[str, Any]:
    """One personalization."""
    return {
        "to": [{"email": f"customer{number}@example.org"}],
        "substitutions": {f"-m{field}-": f"value of {number} {field}" * 2 for field in range(8)},
        "custom_args": {"antiphon_message": f"{number:032x}"},
        "headers": {
            "List-Unsubscribe": f"<https://x.example/u/{number:064x}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    }


def sms(number: int) -> bytes:
    """The form of one SMS."""
    form = {
        "To": f"+1500556{number:04}",
        "From": "+15005550006",
        "Body": "Hello there, " * 8,
        "StatusCallback": f"https://x.example/twilio/status?m={number:032x}#rc=3&rp=all",
    }
    return urllib.parse.urlencode(form).encode()


async def send(url: str, requests: list[bytes], headers: dict[str, str]) -> None:
    """Post them all, some at a time."""
    waiting = iter(requests)
    async with aiohttp.ClientSession() as session:

        async def work() -> None:
            for body in waiting:
                async with session.post(url, data=body, headers=headers) as answer:
                    assert answer.status in {201, 202}, await answer.text()

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))


def measured(process: SandboxProcess, what: str, messages: int, work: Callable[[], object]) -> None:
    """Do it, and print messages a second by the sandbox's CPU and by the clock."""
    cpu, began = _cpu(process), time.monotonic()
    work()
    used, passed = _cpu(process) - cpu, time.monotonic() - began
    print(f"{what}: {messages / used:,.0f} a CPU second, {messages / passed:,.0f} a second here")


def main() -> None:
    """Measure e-mails in batches and singly, and SMS."""
    token = base64.b64encode(b"AC1:token").decode()
    form = {
        "authorization": f"Basic {token}",
        "content-type": "application/x-www-form-urlencoded",
    }
    batches = [batch(number) for number in range(BATCHES)]
    singles = [batch(number, 1) for number in range(SINGLES)]
    texts = [sms(number) for number in range(SINGLES)]
    with tempfile.TemporaryDirectory() as folder, started(Path(folder)) as process:
        mail, twilio = "/v3/mail/send", "/2010-04-01/Accounts/AC1/Messages.json"
        ways = (
            ("e-mails in batches of 1,000", BATCHES * PEOPLE, batches, mail, MAIL),
            ("e-mails singly", SINGLES, singles, mail, MAIL),
            ("SMS", SINGLES, texts, twilio, form),
        )
        for what, messages, requests, path, headers in ways:
            work = partial(asyncio.run, send(process.url + path, requests, headers))
            measured(process, what, messages, work)


def _cpu(process: SandboxProcess) -> float:
    fields = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    main()
