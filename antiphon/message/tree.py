"""The tree of template files: which file speaks for a message, a variant and a language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

DEFAULT_VARIANT = "default"


class Part(StrEnum):
    """The parts of a message, by their file names."""

    SUBJECT = "subject.j2"
    HTML = "body.html.j2"
    TEXT = "body.txt.j2"
    SMS = "sms.j2"


REQUIRED: dict[str, tuple[Part, ...]] = {
    "email": (Part.SUBJECT, Part.HTML),
    "sms": (Part.SMS,),
}
PARTS: dict[str, tuple[Part, ...]] = {
    "email": (Part.SUBJECT, Part.HTML, Part.TEXT),
    "sms": (Part.SMS,),
}


@dataclass(frozen=True)
class Tree:
    """Paths below templates/ → text. The first language is the fallback."""

    files: Mapping[str, str]
    languages: tuple[str, ...]

    def language(self, wanted: str | None) -> str:
        """The language to write to a customer in: de for `de-AT` or `DE`; unknown: the fallback."""
        name = (wanted or "").replace("_", "-").lower()
        for candidate in (name, name.partition("-")[0]):
            if candidate in self.languages:
                return candidate
        return self.languages[0]

    def resolve(self, path: str, language: str) -> str | None:
        """The file for `path` of an include or layout, a language's folder beside it first."""
        folder, _, name = path.rpartition("/")
        return self._first([folder] if folder else [""], name, language)

    def find(self, message: str, variant: str, language: str, part: str) -> str | None:
        """The file of one part: the variant's folder before the message's, languages first."""
        own = [] if variant == DEFAULT_VARIANT else [f"{message}/{variant}"]
        return self._first([*own, message], part, language)

    def candidates(self, message: str, variant: str, language: str, part: str) -> list[str]:
        """Where `find` looks, in its order."""
        own = [] if variant == DEFAULT_VARIANT else [f"{message}/{variant}"]
        return self._places([*own, message], part, language)

    def messages(self) -> set[str]:
        """Every folder that holds a message."""
        return {
            path.split("/")[0] for path in self.files if "/" in path and not path.startswith("_")
        }

    def variants(self, message: str) -> tuple[str, ...]:
        """`default`, and every folder of the message that is not a language."""
        folders = {
            parts[1]
            for path in self.files
            if len(parts := path.split("/")) > 2 and parts[0] == message
        }
        return (DEFAULT_VARIANT, *sorted(folders - set(self.languages)))

    def _first(self, folders: Sequence[str], name: str, language: str) -> str | None:
        places = self._places(folders, name, language)
        return next((place for place in places if place in self.files), None)

    def _places(self, folders: Sequence[str], name: str, language: str) -> list[str]:
        tongues = dict.fromkeys((language, self.languages[0]))
        return [
            "/".join(part for part in (folder, tongue, name) if part)
            for folder in folders
            for tongue in (*tongues, "")
        ]
