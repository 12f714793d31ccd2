"""Skeletons: what the e-mails of one variant, language and campaign share, and their values.

A page is split once into constants and slots (message/splitting.py); a slot is whatever stands
between two constants, and its code writes what belongs there for one message. How this text came
to be is no proof that it is right, so each skeleton is compared with the plain rendering while it
is used (`Split.is_due`), and the first difference ends it.
"""

from __future__ import annotations

import hashlib
import logging
import string
from collections.abc import Mapping, Sequence

from antiphon.message.content import Personal, Skeleton
from antiphon.message.derived import Derived
from antiphon.message.folding import Unsplittable
from antiphon.message.language import TemplateLanguage, printable
from antiphon.message.pages import Pages, Place
from antiphon.message.parts import SEPARATOR, Context, Parts, Program, values_of
from antiphon.message.pieces import Piece, statement
from antiphon.message.plain import Recorder
from antiphon.message.splitting import Splitter
from antiphon.message.tree import Part
from antiphon.message.values import CAMPAIGN_FIELDS, clean

log = logging.getLogger("antiphon.message")

MOST_BYTES = 10_000  # of substitutions a person: SendGrid, POST /v3/mail/send
_CORE = 4  # letters of a marker


class Subject:
    """The subject: one value, unless it is the same in every message."""

    def __init__(self, environment: TemplateLanguage, pieces: Sequence[Piece]) -> None:
        parts = Parts.of(pieces)
        self.constants = [" ".join(parts.constants[0].split())]
        self._program: Program | None = None
        if parts.slots:
            whole = [[*(statement(piece) for piece in pieces)]]
            self._program = Program(environment, Parts(["", ""], whole))
            self.constants = ["", ""]

    def values(self, context: Context) -> list[str]:
        """The value of each slot."""
        if self._program is None:
            return []
        [subject] = values_of(self._program.run(context), 1)
        return [" ".join(subject.split())]


class Body:
    """A part that is written as it is: HTML beside a text body of its own, or that text."""

    def __init__(
        self, environment: TemplateLanguage, pieces: Sequence[Piece], stripped: bool
    ) -> None:
        parts = Parts.of(pieces)
        self._leads, self._trails = parts.strip() if stripped else (False, False)
        if stripped:
            parts.constants[-1] += "\n"
        self.constants = parts.constants
        self._program = Program(environment, parts)

    def values(self, context: Context) -> list[str]:
        """The value of each slot."""
        values = values_of(self._program.run(context), len(self.constants) - 1)
        if self._leads:
            values[0] = values[0].lstrip()
        if self._trails:
            values[-1] = values[-1].rstrip()
        return values


def _core(constants: Sequence[str]) -> str:
    """Letters that make a marker unlike anything: no constant contains them, begins or ends with
    one of them; so no value and constant side by side look like a marker, unless a value holds
    all of the letters."""
    edges = {letter for text in constants if text for letter in (text[0], text[-1])}
    letters = sorted(set(string.ascii_letters) - edges)
    whole = SEPARATOR.join(constants)
    if len(letters) > 1:
        for attempt in range(100):
            drawn = hashlib.blake2b(f"{attempt}{whole}".encode()).digest()[:_CORE]
            core = "".join(letters[number % len(letters)] for number in drawn)
            if core not in whole:
                return core
    raise Unsplittable("its texts leave no room for markers")


class Split:
    """The skeleton of one variant and language for one campaign, and how to fill it."""

    def __init__(self, subject: Subject, html: Body | Derived, text: Body | None) -> None:
        self._subject, self._html, self._text = subject, html, text
        self._count = 0
        self.is_due = True
        self.is_wrong = False
        self._made: list[list[str]] = []
        self._arrange()

    def _constants(self) -> list[list[str]]:
        if isinstance(self._html, Derived):
            return [self._subject.constants, self._html.html, self._html.text]
        assert self._text is not None
        return [self._subject.constants, self._html.constants, self._text.constants]

    def _arrange(self) -> None:
        """Name the slots of all parts."""
        self._made = self._constants()
        core = self._core = _core([text for constants in self._made for text in constants])
        count = sum(len(constants) - 1 for constants in self._made)
        markers = tuple(f"-{core}{place:0{len(str(count))}d}-" for place in range(count))
        left, texts = iter(markers), []
        for constants in self._made:
            mine = [next(left) for _ in constants[1:]]
            texts.append("".join(map("".join, zip(constants, [*mine, ""], strict=True))))
        self._says = not all(not constant or constant.isspace() for constant in self._made[1])
        subject, html, text = texts
        self.skeleton = Skeleton(subject, html, text, markers)
        self._room = MOST_BYTES - sum(map(len, markers))

    def personal(self, context: Context, headers: Mapping[str, str]) -> Personal | None:
        """One e-mail; None where its values pass the limit or hold one of our markers.

        `is_due` is true afterwards for one that has to be compared with the plain rendering.
        """
        values = self._subject.values(context)
        if isinstance(self._html, Derived):
            html, text = self._html.values(context)
            self.is_due = self._html.is_new
            if self._html.text is not self._made[2]:
                self._arrange()
        else:
            assert self._text is not None
            html, text = self._html.values(context), self._text.values(context)
            self._count += 1
            self.is_due = self._count <= 8 or not self._count & (self._count - 1)
        subject, page = values[:1] or self._made[0], html
        if not (subject[0] and (self._says or (any(page) and not "".join(page).isspace()))):
            return None  # it comes out empty, which the plain rendering says
        values += html
        values += text
        together = SEPARATOR.join(values)
        if self._core in together:
            return None
        if 4 * len(together) > self._room and len("".join(values).encode()) > self._room:
            return None
        return Personal(self.skeleton, values, headers)


class Skeletons:
    """The skeletons of all e-mails of one set of templates, each made when it is first needed.

    What the company and a campaign say is part of a skeleton, as it is the same for everybody.
    """

    def __init__(self, pages: Pages, company: Mapping[str, str]) -> None:
        self._pages, self._company = pages, company
        self._splits: dict[tuple[Place, tuple[object, ...]], Split | None] = {}

    def split(self, place: Place, campaign: Mapping[str, object]) -> Split | None:
        """The skeleton of an e-mail (`place` is any part of it) for messages of one campaign; None
        where it has none. What fails is left to the plain rendering, which says where."""
        key = (place, tuple(campaign.values()))
        if key not in self._splits:
            self._splits[key] = self._made(place, campaign)
        split = self._splits[key]
        return None if split is None or split.is_wrong else split

    def _made(self, place: Place, campaign: Mapping[str, object]) -> Split | None:
        texts = {name: value for name, value in campaign.items() if isinstance(value, str)}
        known = {
            "company": self._company,
            "campaign": {name: clean(texts[name]) for name in CAMPAIGN_FIELDS if name in texts},
        }
        try:
            return split_of(self._pages, place, known)
        except Unsplittable as reason:
            log.info("templates/%s/ is not sent in batches: %s", place.message, reason)
        except Exception:
            log.info("templates/%s/ is not sent in batches", place.message, exc_info=True)
        return None


def split_of(pages: Pages, place: Place, known: Mapping[str, Mapping[str, str]]) -> Split:
    """The skeleton of an e-mail; `place` is of any part of it. `known`: fields of roots that are
    the same in all messages, of the company and the campaign. Raises Unsplittable."""

    def pieces(part: Part) -> tuple[TemplateLanguage, list[Piece], Recorder | None] | None:
        at = place._replace(part=part)
        page = pages.page(at)
        if page is None:
            return None
        if not page.inlined:
            raise Unsplittable("its CSS is inlined in every message")
        recorder = Recorder(printable) if page.recorder else None
        environment = pages.environment(at, page.sources, recorder, known["campaign"])
        splitter = Splitter(environment, page.sources, known, records=recorder is not None)
        return environment, splitter.split(page.path), recorder

    subject, html, text = map(pieces, (Part.SUBJECT, Part.HTML, Part.TEXT))
    if subject is None or html is None:
        raise Unsplittable("it has not all of its parts")
    if html[2] is not None:
        return Split(Subject(*subject[:2]), Derived(html[0], html[1], html[2]), None)
    if text is None:
        raise Unsplittable("it has not all of its parts")
    body = Body(html[0], html[1], stripped=False)
    return Split(Subject(*subject[:2]), body, Body(text[0], text[1], stripped=True))
