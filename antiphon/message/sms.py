"""How many segments of an SMS a text takes, which is what providers charge for.

3GPP TS 23.038 (GSM 03.38), 6.2.1 and 6.2.1.1: the default alphabet of 7 bits and its extension
table, whose characters take two septets. TS 23.040 (GSM 03.40), 9.2.3.24.1: a message of several
segments gives 6 octets of each to the header that joins them. A text with any other character is
sent as UCS-2 whole. Libraries that count were wrong (py-smsify), unmaintained (smsutil, 2020) or
counted nothing (gsm0338): docs/decisions.md.
"""

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")
LONGEST_SMS = 1_600  # characters that Twilio takes
_SEPTETS, _SEPTETS_JOINED = 160, 153
_UNITS, _UNITS_JOINED = 70, 67


def segments(text: str) -> int:
    """Segments of the text as a phone gets it; an empty one takes one, too.

    A character of two septets, or of two UTF-16 units, is never divided between segments.
    """
    characters = set(text)
    if characters <= _BASIC | _EXTENSION:
        wide, one, joined = _EXTENSION, _SEPTETS, _SEPTETS_JOINED
    else:
        wide, one, joined = (
            frozenset(c for c in characters if ord(c) > 0xFFFF),
            _UNITS,
            _UNITS_JOINED,
        )
    if len(text) + sum(map(text.count, wide & characters)) <= one:
        return 1
    count, room = 1, joined
    for character in text:
        size = 2 if character in wide else 1
        if size > room:
            count, room = count + 1, joined
        room -= size
    return count


def foreign(text: str) -> str:
    """The characters that no 7-bit alphabet has, each once, in their order."""
    return "".join(dict.fromkeys(c for c in text if c not in _BASIC and c not in _EXTENSION))
