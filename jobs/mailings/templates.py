"""Templates of e-mails: compiled once, rendered for each recipient.

A value is a value: nothing in it is read as a template, and in HTML nothing of it is markup. A lead that has no value of a
name, or null, a list or an object, has an empty text there, which ``default`` replaces.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import Template as Compiled
from markupsafe import escape

from jobs.mailings.checks import BUILT_IN, template_problems
from jobs.mailings.links import HARMLESS, distinct, hrefs_of, marked_html, marked_text, page_of, resolve, web_url
from jobs.mailings.syntax import HTML, PLAIN, Environment, clean, constructs, forbidden, masked, variables_of
from jobs.mailings.texts import text_of, tidy

__all__ = ["BUILT_IN", "NO_ADDRESS", "Rendered", "Template", "template_problems", "variables_of"]

Link = Callable[[int, str], str]
NO_ADDRESS = "https://unsubscribe.invalid/"
"""Where previews unsubscribe."""
_LARGEST_NUMBER = 4_000
"""Bits. What is larger is no number that somebody would be told."""
_FOOT = "\x05"
"""Where the body ends: a way to unsubscribe is put there when the template has none, and the picture."""
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_FOOTER = '<p style="font-size:12px;color:#666666"><a href="{}">Unsubscribe</a></p>\n'


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message to one recipient, before it is written as MIME. ``subject`` is one line; line breaks are ``\\n``."""

    subject: str
    html: str
    text: str


class Template:
    """A compiled template. ``links`` are its tracked links: distinct addresses, with their placeholders, in order."""

    def __init__(self, subject: str, html: str, text: str | None) -> None:
        subject, html = clean(subject), clean(html)
        found = constructs(_checked(html))
        page = page_of(masked(html, found))
        hrefs = hrefs_of(html, page, found)
        self.links = distinct(hrefs)
        self._is_made = text is None
        plain = text_of(html) if text is None else clean(text)
        self._subject = _compiled(PLAIN, _checked(subject))
        self._html = _compiled(HTML, marked_html(html, page, hrefs, _FOOT))
        self._text = _compiled(PLAIN, marked_text(_checked(plain), self.links))
        self._names = (variables_of(subject) | variables_of(html) | variables_of(plain)) - {"unsubscribe_url"}

    @staticmethod
    @lru_cache(maxsize=32)
    def of(subject: str, html: str, text: str | None) -> "Template":
        """The template of these sources; without ``text`` one is made from the HTML. Raises ValueError for what is none."""
        return Template(subject, html, text)

    def render(
        self,
        values: Mapping[str, Any],
        link: Link | None = None,
        unsubscribe_url: str = NO_ADDRESS,
        picture: str = "",
    ) -> Rendered:
        """The message to whom ``values`` describe.

        ``link`` is asked with the position and the final address of each link once, and answers what stands there instead.
        A link that leads nowhere with these values is ``#``. Where nothing of the message says ``unsubscribe_url``, a line that
        does is put at its end. ``picture`` is HTML that is put at the end of the body.
        """
        shown = {name: _shown(values[name]) for name in self._names if _is_shown(values.get(name))}
        shown["unsubscribe_url"] = unsubscribe_url
        address = _addresses(link)
        html = resolve(_written(self._html, shown), lambda position, url: str(escape(address(position, url))))
        text = resolve(_written(self._text, shown), address)
        return Rendered(
            subject=_BREAKS.sub(" ", _written(self._subject, shown)).strip(),
            html=_with_footer(html, str(escape(unsubscribe_url)), picture),
            text=_with_line(tidy(text.replace(f" <{HARMLESS}>", "")) if self._is_made else text, unsubscribe_url),
        )


def _checked(source: str) -> str:
    if wrong := next(forbidden(source), None):
        raise ValueError(wrong)
    return source


def _compiled(environment: Environment, source: str) -> Compiled:
    return environment.from_string(source)


def _written(template: Compiled, values: dict[str, Any]) -> str:
    """What a template is with these values. Not by ``render``, which would copy them first."""
    return "".join(template.root_render_func(template.new_context(values, shared=True)))


def _is_shown(value: object) -> bool:
    """Whether a value is one that can be written: a text, a number or a boolean."""
    if isinstance(value, int):
        return value.bit_length() <= _LARGEST_NUMBER
    return isinstance(value, str | float)


def _shown(value: Any) -> Any:
    return clean(value) if isinstance(value, str) else value


def _addresses(link: Link | None) -> Link:
    """What stands at a position: asked once for each, whether it is in the HTML, in the text or in both."""
    known: dict[tuple[int, str], str] = {}

    def address(position: int, written: str) -> str:
        url = web_url(written)
        if url is None:
            return HARMLESS
        if link is None:
            return url
        if (position, url) not in known:
            known[position, url] = link(position, url)
        return known[position, url]

    return address


def _with_footer(html: str, address: str, picture: str) -> str:
    footer = picture if address in html else _FOOTER.format(address) + picture
    before, foot, after = html.rpartition(_FOOT)
    # A condition may leave out the end of the body.
    return f"{before}{footer}{after}" if foot or not footer else f"{html}\n{footer}"


def _with_line(text: str, address: str) -> str:
    return text if address in text else f"{text.rstrip()}\n\nUnsubscribe: {address}\n".lstrip()
