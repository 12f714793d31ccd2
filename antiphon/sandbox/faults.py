"""What goes wrong on purpose: a script of faults, in order or by chance, and which of them apply.

A script is JSON: {"seed": 7, "faults": [{"do": "busy", "api": "sendgrid", "rate": 0.05}, …]}.
docs/rehearsal.md lists every field.
"""

import random
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from antiphon.errors import UserFilesError
from antiphon.sandbox.fates import Events


class Do(StrEnum):
    """What happens to a request."""

    WAIT = "wait"  # answered `seconds` later
    READ_SLOWLY = "read_slowly"  # its body is not taken from the wire for `seconds`
    ANSWER_SLOWLY = "answer_slowly"  # the answer trickles in over `seconds`
    BUSY = "busy"  # 429, wait `seconds`
    FAIL = "fail"  # `status` with an error in the provider's words
    DROP = "drop"  # the connection ends without an answer
    CUT = "cut"  # the connection ends in the middle of the answer
    HTML = "html"  # a page of some proxy
    EMPTY = "empty"  # `status` and nothing else


DELAYS = frozenset({Do.WAIT, Do.READ_SLOWLY, Do.ANSWER_SLOWLY})
USUAL_STATUS = {Do.BUSY: 429, Do.FAIL: 500, Do.HTML: 502, Do.EMPTY: 500}


class Fault(BaseModel):
    """One fault and when it happens.

    It happens to requests of `api` that are sends (`on`) and contain the text `contains`: after
    the first `skip` of them, by chance `rate`, at most `times` times. With `accepted` the request
    was accepted, and journalled, before the fault; else it never was.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    do: Do
    api: Literal["any", "sendgrid", "twilio"] = "any"
    on: Literal["send", "other", "any"] = "send"
    contains: str = ""
    rate: float = Field(default=1.0, ge=0, le=1)
    skip: int = Field(default=0, ge=0)
    times: int | None = Field(default=None, ge=0)
    accepted: bool = False
    status: int | None = Field(default=None, ge=200, le=599)
    code: int | None = None
    message: str = ""
    field: str = ""
    seconds: float = Field(default=0, ge=0)

    @property
    def answers_with(self) -> int:
        """The status of its answer."""
        return self.status or USUAL_STATUS.get(self.do, 500)


class Script(BaseModel):
    """Faults; of those that end a request the first one counts, delays come before it.

    `events`: what becomes of messages afterwards; without it nothing does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 1
    faults: tuple[Fault, ...] = ()
    events: Events | None = None


class Faults:
    """A script as it is played; the same requests in the same order meet the same faults."""

    def __init__(self, script: Script | None = None) -> None:
        self.load(script or Script())

    def load(self, script: Script) -> None:
        """Begin another script."""
        self.script = script
        self.met = [0] * len(script.faults)
        self.done = [0] * len(script.faults)
        self._chance = [random.Random(f"{script.seed}:{n}") for n in range(len(script.faults))]  # noqa: S311

    def of(self, api: str, body: bytes | None, *, is_send: bool) -> list[Fault]:
        """What happens to this request: any delays, then at most one fault that ends it.

        Without a body: what happens before it is read.
        """
        found = []
        for number, fault in enumerate(self.script.faults):
            if (fault.do is Do.READ_SLOWLY) is not (body is None):
                continue
            if not _concerns(fault, api, body or b"", is_send=is_send):
                continue
            if not self._happens(number, fault):
                continue
            self.done[number] += 1
            found.append(fault)
            if fault.do not in DELAYS:
                break
        return found

    def _happens(self, number: int, fault: Fault) -> bool:
        self.met[number] += 1
        if fault.times is not None and self.done[number] >= fault.times:
            return False
        if self.met[number] <= fault.skip:
            return False
        return fault.rate >= 1 or self._chance[number].random() < fault.rate


def read_script(path: Path) -> Script:
    """The script in a file; raises UserFilesError that says where it is wrong."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UserFilesError(f"{path}: cannot be read ({error.strerror}).") from None
    return parse_script(text, str(path))


def parse_script(text: bytes | str, name: str) -> Script:
    """The script in a text; `name` is what errors call it."""
    try:
        return Script.model_validate_json(text)
    except ValidationError as error:
        raise UserFilesError("\n".join(_told(name, one) for one in error.errors())) from None


def _told(name: str, error: Mapping[str, object]) -> str:
    place = error["loc"]
    where = (
        ".".join(str(part) for part in place) if isinstance(place, tuple) and place else "script"
    )
    if isinstance(place, tuple) and place[:1] == ("events",):
        known = ", ".join(Events.model_fields)
        return f"{name}: {where}: {error['msg']}.\n  Keys of events are {known}."
    return (
        f"{name}: {where}: {error['msg']}.\n"
        f"  Faults are {', '.join(Do)}; their fields are in docs/rehearsal.md."
    )


def _concerns(fault: Fault, api: str, body: bytes, *, is_send: bool) -> bool:
    return (
        fault.api in {"any", api}
        and fault.on in {"any", "send" if is_send else "other"}
        and (not fault.contains or fault.contains.encode() in body)
    )
