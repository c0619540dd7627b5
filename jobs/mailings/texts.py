"""The plain text of an HTML template, for readers who see no HTML. Made once for a template, not for each recipient."""

import re
from typing import Any

from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.html_properties import Display
from inscriptis.model.config import ParserConfig
from inscriptis.model.html_document_state import HtmlDocumentState
from inscriptis.model.html_element import HtmlElement
from inscriptis.model.tag import CustomHtmlTagHandlerMapping

from jobs.mailings.links import hrefs_of, is_within, page_of, replaced
from jobs.mailings.syntax import clean, constructs, masked

_WORDS = re.compile("\ue000([0-9]+)\ue001")
_EMPTY_LINES = re.compile("\n\n\n+")
_TWICE = re.compile(r"(?<!\S)(https?://\S+) <\1>")
_FILLING = re.compile("(?:[\u034f\u00ad\u200b\u200c\ufeff][\u00a0 ]*){3,}")
"""What fills the line that mailboxes show below the subject."""


class NoText(ValueError):
    """No text can be made of this HTML."""


def text_of(html: str) -> str:
    """The text of HTML, its links behind what they stand on: ``Our shop <https://shop.example/>``.

    Jinja's placeholders and conditions stay where they were. There are no spaces at the ends of lines and no more than two
    line breaks together. Raises NoText where the HTML is nested too deeply, TemplateError where its syntax is wrong.
    """
    prepared, kept = _prepared(clean(html).replace("\ue000", "").replace("\ue001", ""))
    try:
        text = get_text(prepared, _CONFIG)
    except (RecursionError, ValueError):
        raise NoText("The HTML is nested too deeply.") from None
    text = _FILLING.sub("", text).replace("\u00a0", " ")
    text = _WORDS.sub(lambda found: kept[int(found[1])], text)
    return tidy(_TWICE.sub(r"\1", text))


def tidy(text: str) -> str:
    """Without spaces at the ends of lines, and with at most one empty line together."""
    text = "\n".join([line.rstrip() for line in text.split("\n")])
    return _EMPTY_LINES.sub("\n\n", text).strip("\n")


def _prepared(source: str) -> tuple[str, list[str]]:
    """The HTML with words in place of constructs and of links, and what each of them stands for."""
    found = constructs(source)
    page = page_of(masked(source, found))
    hrefs = hrefs_of(source, page, found)
    links = [href.whole for href in hrefs]
    others = [attribute.whole for attribute in page.attributes if not attribute.is_link]
    kept = [href.url for href in hrefs]
    pieces = [(href.whole, f'"{_word(number)}"') for number, href in enumerate(hrefs)]
    for one in found:
        if is_within(one.start, links):
            continue
        is_lost = is_within(one.start, page.tags) and not is_within(one.start, others)
        pieces.append(((one.start, one.end), " " if is_lost else _word(len(kept))))
        kept.append(source[one.start : one.end])
    return replaced(source, sorted(pieces)), kept


def _word(number: int) -> str:
    return f"\ue000{number}\ue001"


def _begin_link(state: HtmlDocumentState, attributes: dict[str, str]) -> None:
    state.link_target = attributes.get("href", "")


def _end_link(state: HtmlDocumentState) -> None:
    if state.link_target:
        state.tags[-1].write(f" <{state.link_target}>")
    state.link_target = ""


def _picture(state: HtmlDocumentState, attributes: dict[str, str]) -> None:
    state.tags[-1].write(attributes.get("alt", ""))


def _nothing(*_: Any) -> None:
    """Tables are not drawn: in e-mails they are there for the layout, and conditions may stand around their rows."""


_TABLES = ("table", "tr", "td", "th")
_BLOCK, _CELL = HtmlElement(display=Display.block), HtmlElement(suffix="  ")
_CONFIG = ParserConfig(
    css={**CSS_PROFILES["strict"], "table": _BLOCK, "tr": _BLOCK, "td": _CELL, "th": _CELL},
    custom_html_tag_handler_mapping=CustomHtmlTagHandlerMapping(
        start_tag_mapping={**dict.fromkeys(_TABLES, _nothing), "a": _begin_link, "img": _picture},
        end_tag_mapping={**dict.fromkeys(_TABLES, _nothing), "a": _end_link},
    ),
)
