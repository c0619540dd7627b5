"""What people see of tracking: the pages about unsubscribing. Plain HTML without a script, and without anything from elsewhere."""

import base64
import hashlib

_STYLE = (
    "body{font:1.125rem/1.5 system-ui,sans-serif;color:#1b1b1b;background:#fff;max-width:32rem;margin:4rem auto;padding:0 1rem}"
    "button{font:inherit;padding:.6rem 1.2rem;color:#fff;background:#0b57d0;border:2px solid #0b57d0;border-radius:.3rem}"
    "button:focus-visible{outline:3px solid #1b1b1b;outline-offset:2px}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of the pages."""
_FORM = (
    '<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click">'
    '<button type="submit">Unsubscribe</button></form>'
)


def _page(title: str, text: str, more: str = "") -> bytes:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1><p>{text}</p>{more}</main></body></html>\n"
    ).encode()


ASKING = _page("Unsubscribe", "Do you want no more e-mails from this sender?", _FORM)
DONE = _page(
    "You are unsubscribed",
    "You will get no more e-mails from this sender. One that was on its way already may still arrive.",
)
WRONG = _page(
    "This link does not work",
    "It was changed, or only a part of it was copied. Open it in the e-mail again, or copy all of it.",
)
LATER = _page("Not now", "This could not be done just now. Please try again in a moment.")
TRY_AGAIN = _page("Not now", "You could not be unsubscribed just now. Please try again in a moment.", _FORM)
