"""What the pages of surveys say around the questions, by language."""

from typing import Final

_EN = {
    "noted": "Thank you, your answer is noted:",
    "noted_next": "You can change it here, tell us more, and send it.",
    "send": "Send",
    "more": "Thank you. One more question:",
    "thanks": "Thank you",
    "again": "Change my answer",
    "closed": "This survey is closed",
    "closed_text": "It can no longer be answered. Thank you for wanting to.",
    "nothing": "Please answer a question first.",
    "comment_hint": "We read it; nobody else does.",
}
_DE = {
    "noted": "Danke, Ihre Antwort ist notiert:",
    "noted_next": "Hier können Sie sie ändern, uns mehr sagen und sie absenden.",
    "send": "Absenden",
    "more": "Danke. Noch eine Frage:",
    "thanks": "Vielen Dank",
    "again": "Meine Antwort ändern",
    "closed": "Diese Umfrage ist beendet",
    "closed_text": "Sie kann nicht mehr beantwortet werden. Danke, dass Sie es wollten.",
    "nothing": "Bitte beantworten Sie zuerst eine Frage.",
    "comment_hint": "Das lesen nur wir.",
}
SURVEY_WORDS: Final[dict[str, dict[str, str]]] = {"en": _EN, "de": _DE}
