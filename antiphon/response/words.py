"""Words by which people stop SMS, and take it back: the whole text must be one of them."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping

from antiphon.states import ResponseKind

# English: the keywords at which Twilio itself stops (its "Advanced Opt-Out", default keywords).
STOP: Mapping[str, tuple[str, ...]] = {
    "en": (
        *("stop", "stopall", "stop all", "unsubscribe", "end", "quit", "cancel", "revoke"),
        *("optout", "opt out", "opt-out", "remove"),
    ),
    "de": (
        *("stop", "stopp", "abmelden", "abmeldung", "abbestellen", "austragen", "ende"),
        *("keine werbung", "keine werbung mehr"),
    ),
    "fr": ("stop", "arret", "arrêt", "arreter", "arrêter", "desabonner", "désabonner"),
    "es": ("stop", "alto", "parar", "baja", "cancelar", "no más"),
    "it": ("stop", "basta", "cancella", "disiscrivi", "annulla"),
    "nl": ("stop", "stoppen", "afmelden", "uitschrijven"),
    "pl": ("stop", "rezygnuję", "rezygnuje", "wypisz"),
    "pt": ("stop", "parar", "sair", "cancelar"),
    "ru": ("стоп", "stop", "отписаться", "отписка", "отпишите", "хватит"),
    "tr": ("stop", "dur", "iptal", "İptal", "ret"),
    "uk": ("стоп", "stop", "відписатися", "відписка"),
}
START: Mapping[str, tuple[str, ...]] = {
    "en": ("start", "unstop", "yes"),  # as Twilio's
    "de": ("start", "anmelden", "anmeldung"),
    "fr": ("start", "reprendre"),
    "es": ("start", "iniciar", "alta"),
    "it": ("start", "inizia"),
    "nl": ("start", "aanmelden"),
    "pl": ("start",),
    "pt": ("start", "iniciar"),
    "ru": ("старт", "start", "подписаться"),
    "tr": ("start", "başla"),
    "uk": ("старт", "start", "підписатися"),
}
_SPACES = re.compile(r"\s+")


def plain(text: str) -> str:
    """The text as words are compared: composed, small letters, without what stands around it."""
    folded = _SPACES.sub(" ", unicodedata.normalize("NFKC", text).casefold())
    start, end = 0, len(folded)
    while start < end and not _speaks(folded[start]):
        start += 1
    while end > start and not _speaks(folded[end - 1]):
        end -= 1
    return unicodedata.normalize("NFKC", folded[start:end])


def _speaks(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"


class Keywords:
    """The words of a company: those of its languages, and English, at which Twilio stops."""

    def __init__(
        self,
        languages: Iterable[str],
        stop: Mapping[str, Collection[str]] | None = None,
        start: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        """`stop`, `start`: words by language, in the place of ours for that language."""
        spoken = ["en", *languages]
        self._stop = _words(spoken, STOP, stop or {})
        self._start = _words(spoken, START, start or {})

    def meaning(self, text: str) -> ResponseKind:
        """opt_out or opt_in where the whole text is such a word; else reply."""
        said = plain(text)
        if said in self._stop:
            return ResponseKind.OPT_OUT
        return ResponseKind.OPT_IN if said in self._start else ResponseKind.REPLY


def _words(
    languages: Iterable[str],
    usual: Mapping[str, Collection[str]],
    own: Mapping[str, Collection[str]],
) -> frozenset[str]:
    spoken = {*languages, *own}
    return frozenset(
        plain(word) for language in spoken for word in own.get(language, usual.get(language, ()))
    )
