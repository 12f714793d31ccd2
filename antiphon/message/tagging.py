"""Campaign tags (UTM) on the links of messages, for web analytics."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from antiphon.campaigns.settings import Settings

_PLACE = re.compile(r"\{(\w+)\}")
_REMEMBERED = 4_096


@dataclass(frozen=True)
class Tags:
    """`parameters`: utm_… → text with {places}. `sites`: hosts whose links are tagged, with
    their subdomains."""

    parameters: Mapping[str, str]
    sites: Collection[str]

    def filled(self, places: Mapping[str, str]) -> dict[str, str]:
        """The parameters of one message; a place that is not known stays as it is written."""
        return {
            name: _PLACE.sub(lambda place: places.get(place[1], place[0]), text)
            for name, text in self.parameters.items()
        }

    def concerns(self, host: str) -> bool:
        """Whether links to this host are tagged."""
        return any(host == site or host.endswith(f".{site}") for site in self.sites)

    def on(self, address: str, places: Mapping[str, str]) -> str:
        """The address with its tags; those it has already, and its fragment, stay as they are."""
        return _tagged(self, address, tuple(places.items()))

    def __hash__(self) -> int:
        return hash((tuple(self.parameters.items()), tuple(self.sites)))


def tags_of(settings: Settings) -> Tags | None:
    """The campaign tags of config/settings.yaml, on links to the company's site and others."""
    utm = settings.links.utm
    if utm is None:
        return None
    texts = {"source": utm.source, "medium": utm.medium, "campaign": utm.campaign}
    texts |= {"content": utm.content} if utm.content else {}
    own = (urlsplit(settings.company.website).hostname or "").removeprefix("www.")
    sites = (own, *(site.lower() for site in utm.domains))
    return Tags({f"utm_{name}": text for name, text in texts.items()}, sites)


@lru_cache(_REMEMBERED)
def _tagged(tags: Tags, address: str, places: tuple[tuple[str, str], ...]) -> str:
    try:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not tags.concerns(parts.hostname or ""):
            return address
        present = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    except ValueError:  # not an address; it is written as it was
        return address
    added = [
        f"{name}={quote(text, safe='')}"
        for name, text in tags.filled(dict(places)).items()
        if name not in present
    ]
    query = "&".join([parts.query, *added] if parts.query else added)
    return urlunsplit(parts._replace(query=query))
