"""What the pages say, by language; the first is that of companies which speak neither."""

from typing import Final

CATEGORIES = {
    "de": {
        "promo": "Angebote und Werbung",
        "lifecycle": "Tipps und Erinnerungen",
        "service": "Nachrichten zu Bestellungen und Konto",
    },
    "en": {
        "promo": "Offers and advertising",
        "lifecycle": "Tips and reminders",
        "service": "Messages on orders and account",
    },
}
CHANNELS = {"de": {"email": "E-Mail", "sms": "SMS"}, "en": {"email": "E-mail", "sms": "SMS"}}

_EN = {
    "wrong_link": "This link does not work",
    "forged": "It is not complete, or it is not one of ours. Copy it whole from the message, or "
    "follow it there.",
    "unknown": "We no longer know the message that it came with.",
    "expired": "It came with a message of long ago and has expired. Use the link in a newer "
    "message.",
    "forgotten_title": "Nothing is held of you any more",
    "forgotten": "It came with a message to somebody whose data we have erased. So there is "
    "nothing left to show or to choose, and we write nothing down.",
    "write_us": "Or write to us:",
    "later": "Not now",
    "later_text": "We cannot do this at the moment. Nothing has changed. Please try again in a few "
    "minutes.",
    "unsubscribe": "Unsubscribe",
    "unsubscribe_ask": "Shall we no longer send you this?",
    "unsubscribe_button": "Unsubscribe",
    "unsubscribed": "You are unsubscribed",
    "unsubscribed_text": "We no longer send you:",
    "unsubscribed_under_way": "A message that is under way already may still arrive.",
    "unsubscribed_already": "You have unsubscribed already. We do not send you:",
    "not_here": "This cannot be switched off here",
    "not_here_text": "These are messages about your orders and your account. They come as long as "
    "you are a customer; nothing has changed. You can stop everything else:",
    "not_here_change": "Choose what else we send you, or stop all of it",
    "by": "by",
    "change": "Choose what we send you, or take a break",
    "preferences": "What we may send you",
    "preferences_text": "Choose what you would like to receive, and how.",
    "always": "always, as long as you are a customer",
    "language": "Language of our messages",
    "language_keep": "as before",
    "pause": "Take a break: nothing but messages on orders and account for 30 days",
    "pausing_until": "You are taking a break until",
    "pause_end": "End the break now",
    "none": "Unsubscribe from all of this: nothing but messages on orders and account",
    "save": "Save",
    "saved": "Saved. It holds from now on.",
    "not_saved": "Nothing was saved: what came here could not be read. Choose below what you would "
    "like, and press Save.",
    "blocked": "Your mailbox reported our messages as unwanted, or they do not arrive. So we send "
    "nothing there. Write to us to change that.",
    "held": "What we hold of you",
    "held_text": "To see everything, or to have it erased, write to us.",
    "addresses": "Addresses we wrote to",
    "told": "What you told us",
    "sent": "What we sent you",
    "sent_none": "Nothing yet.",
    "sent_more": "and earlier ones:",
    "confirm": "Confirm",
    "confirm_ask": "Do you agree that we send you this?",
    "confirm_button": "Yes, I agree",
    "confirm_undo": "You can take it back at any time by a link in every message.",
    "confirmed": "Thank you, confirmed",
    "confirmed_text": "From now on we may send you:",
    "nothing_asked": "This message asked nothing that could be confirmed.",
    "web_none": "This message cannot be shown any more.",
    "moved": "This link cannot be followed",
    "moved_text": "The page that it led to is not known any more.",
    "to_site": "To our web site",
}
_DE = {
    "wrong_link": "Dieser Link funktioniert nicht",
    "forged": "Er ist nicht vollständig oder nicht von uns. Kopieren Sie ihn ganz aus der "
    "Nachricht, oder folgen Sie ihm dort.",
    "unknown": "Die Nachricht, mit der er kam, kennen wir nicht mehr.",
    "expired": "Er kam mit einer Nachricht von vor langer Zeit und ist abgelaufen. Nehmen Sie den "
    "Link aus einer neueren Nachricht.",
    "forgotten_title": "Von Ihnen ist nichts mehr gespeichert",
    "forgotten": "Der Link kam mit einer Nachricht an jemanden, dessen Daten wir gelöscht haben. "
    "Darum gibt es nichts mehr zu zeigen oder zu wählen, und wir schreiben nichts auf.",
    "write_us": "Oder schreiben Sie uns:",
    "later": "Gerade nicht möglich",
    "later_text": "Das geht im Moment nicht. Es hat sich nichts geändert. Bitte versuchen Sie es "
    "in ein paar Minuten noch einmal.",
    "unsubscribe": "Abmelden",
    "unsubscribe_ask": "Sollen wir Ihnen das nicht mehr schicken?",
    "unsubscribe_button": "Abmelden",
    "unsubscribed": "Sie sind abgemeldet",
    "unsubscribed_text": "Das schicken wir Ihnen nicht mehr:",
    "unsubscribed_under_way": "Eine Nachricht, die schon unterwegs ist, kann noch ankommen.",
    "unsubscribed_already": "Sie haben sich schon abgemeldet. Das schicken wir Ihnen nicht:",
    "not_here": "Das lässt sich hier nicht abstellen",
    "not_here_text": "Das sind Nachrichten zu Ihren Bestellungen und Ihrem Konto. Sie kommen, "
    "solange Sie Kundin oder Kunde sind; es hat sich nichts geändert. Alles andere können Sie "
    "abbestellen:",
    "not_here_change": "Wählen, was wir Ihnen sonst schicken, oder alles davon abbestellen",
    "by": "per",
    "change": "Wählen, was wir Ihnen schicken, oder eine Pause machen",
    "preferences": "Was wir Ihnen schicken dürfen",
    "preferences_text": "Wählen Sie, was Sie bekommen möchten, und wie.",
    "always": "immer, solange Sie Kundin oder Kunde sind",
    "language": "Sprache unserer Nachrichten",
    "language_keep": "wie bisher",
    "pause": "Pause: 30 Tage lang nur Nachrichten zu Bestellungen und Konto",
    "pausing_until": "Sie machen Pause bis",
    "pause_end": "Die Pause jetzt beenden",
    "none": "Von alledem abmelden: nur noch Nachrichten zu Bestellungen und Konto",
    "save": "Speichern",
    "saved": "Gespeichert. Es gilt ab sofort.",
    "not_saved": "Nichts wurde gespeichert: Was hier ankam, war nicht zu lesen. Wählen Sie unten, "
    "was Sie möchten, und drücken Sie auf Speichern.",
    "blocked": "Ihr Postfach hat unsere Nachrichten als unerwünscht gemeldet, oder sie kommen "
    "nicht an. Darum schicken wir nichts dorthin. Schreiben Sie uns, um das zu ändern.",
    "held": "Was wir von Ihnen wissen",
    "held_text": "Um alles zu sehen oder löschen zu lassen, schreiben Sie uns.",
    "addresses": "Adressen, an die wir schrieben",
    "told": "Was Sie uns gesagt haben",
    "sent": "Was wir Ihnen geschickt haben",
    "sent_none": "Noch nichts.",
    "sent_more": "und frühere:",
    "confirm": "Bestätigen",
    "confirm_ask": "Sind Sie einverstanden, dass wir Ihnen das schicken?",
    "confirm_button": "Ja, einverstanden",
    "confirm_undo": "Sie können das jederzeit über einen Link in jeder Nachricht zurücknehmen.",
    "confirmed": "Danke, bestätigt",
    "confirmed_text": "Das dürfen wir Ihnen ab jetzt schicken:",
    "nothing_asked": "Diese Nachricht bat um nichts, was man bestätigen könnte.",
    "web_none": "Diese Nachricht kann nicht mehr gezeigt werden.",
    "moved": "Diesem Link kann man nicht folgen",
    "moved_text": "Die Seite, zu der er führte, kennen wir nicht mehr.",
    "to_site": "Zu unserer Website",
}
WORDS: Final[dict[str, dict[str, str]]] = {"en": _EN, "de": _DE}
LANGUAGES = tuple(WORDS)
