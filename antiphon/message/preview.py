"""One page that shows a message as its reader gets it: headers, HTML, text, SMS."""

from collections.abc import Mapping
from html import escape

from antiphon.message.content import Email, Sms

_STYLE = """
body { margin: 0; background: #f4f5f4; color: #1d2721; font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 20px; margin: 0 0 14px; }
h2 { font-size: 14px; margin: 26px 0 8px; color: #5b675f; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; }
dt { color: #5b675f; } dd { margin: 0; overflow-wrap: anywhere; }
.subject { font-size: 18px; font-weight: 600; }
.frames { display: grid; grid-template-columns: minmax(0, 1fr) 400px; gap: 18px; }
iframe { width: 100%; height: 820px; border: 1px solid #d5dad6; background: #fff; }
pre, .bubble { background: #fff; border: 1px solid #d5dad6; padding: 16px; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.bubble { max-width: 340px; border-radius: 16px; background: #e3f1e6; }
"""


def preview_page(
    title: str, facts: Mapping[str, str], email: Email | None = None, sms: Sms | None = None
) -> str:
    """A whole HTML page. `facts` (campaign, customer, variant) are listed at its head.

    The e-mail stands in a frame without scripts, forms or network of its own.
    """
    sections = []
    if email is not None:
        frame = '<iframe sandbox title="{}" srcdoc="{}"></iframe>'
        page = escape(email.html)
        sections += [
            f'<h2>Subject</h2><div class="subject">{escape(email.subject)}</div>',
            f"<h2>Headers</h2>{_list(email.headers)}",
            "<h2>HTML, on a desk and on a telephone</h2>",
            f'<div class="frames">{frame.format("wide", page)}{frame.format("narrow", page)}</div>',
            f"<h2>Text</h2><pre>{escape(email.text)}</pre>",
        ]
    if sms is not None:
        count = f"SMS, {len(sms.text)} characters"
        sections.append(f'<h2>{count}</h2><div class="bubble">{escape(sms.text)}</div>')
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{escape(title)}</h1>{_list(facts)}{''.join(sections)}</main></body></html>\n"
    )


def _list(facts: Mapping[str, str]) -> str:
    rows = (f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f"<dl>{''.join(rows)}</dl>"
