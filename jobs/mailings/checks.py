"""What can be wrong with a template: all of it at once, each with the field and the line."""

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from jinja2 import TemplateError

from db.errors import Problem, invalid
from db.models.email_words import LARGEST_HTML, LARGEST_TEXT, LONGEST_LINK, LONGEST_SUBJECT, MOST_LINKS
from jobs.mailings.links import Attribute, Href, Page, begins_web, distinct, hrefs_of, is_fit, is_within, page_of
from jobs.mailings.syntax import (
    VARIABLE,
    Construct,
    clean,
    constructs,
    forbidden,
    is_whole,
    masked,
    parsed,
    variables_of,
)
from jobs.mailings.texts import NoText, text_of

BUILT_IN = ("name", "email", "key", "unsubscribe_url")
"""The variables that every lead has, whatever its attributes are."""
_PARTS = (("subject", LONGEST_SUBJECT), ("html", LARGEST_HTML), ("text", LARGEST_TEXT))
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NAMED = 20
"""Variables that a message names, and problems of a part."""
_LONGEST_NAMED = 64
_ADDRESS_IN_TEXT = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_CODE = ("script", "style")
_GOING = ("action", "formaction", "xlink:href")
_LOADING = (("iframe", "src"), ("embed", "src"), ("object", "data"), ("base", "href"))
"""Where an address is followed, and ``javascript:`` is run."""
_NO_EMAIL = "A link may not hold the recipient's address: it would stand in the logs of all that it passes."


def template_problems(subject: str, html: str, text: str | None, known: Collection[str]) -> list[Problem]:
    """All that is wrong with a template, at the fields ``subject``, ``html`` and ``text``.

    ``known`` are the names of the workspace's attributes; those of BUILT_IN are known always. ``text`` is None where it is to
    be made from the HTML.
    """
    problems: list[Problem] = []
    for (name, most), source in zip(_PARTS, (subject, html, text), strict=True):
        if source is not None:
            problems += _problems(name, source, most, known)
    if text is None and not problems:
        problems += _of_made_text(html)
    return problems


def _problems(name: str, source: str, most: int, known: Collection[str]) -> list[Problem]:
    """What is wrong with one part. Its HTML is looked at where its language is right."""
    if first := next(_of_characters(name, source, most), None):
        return [invalid(first, name)]
    source = clean(source)
    wrong = list(forbidden(source)) or list(_unknown(source, known))
    if not wrong and name != "subject":
        wrong = list(islice(_of_html(source) if name == "html" else _of_text(source), _NAMED))
    return [invalid(message, name) for message in dict.fromkeys(wrong[:_NAMED])]


def _of_characters(name: str, source: str, most: int) -> Iterator[str]:
    if not source.strip() and name != "text":
        yield f"The {name} is empty."
    if len(source) > most:
        yield f"The {name} has {len(source):,} characters; {most:,} are the most."
    if _UNWRITABLE.search(source):
        yield f"The {name} has characters that cannot be stored (U+0000, or half of a pair)."
    if name == "subject" and _BREAKS.search(source):
        yield "The subject has line breaks or control characters."


def _unknown(source: str, known: Collection[str]) -> Iterator[str]:
    missing = sorted(variables_of(source) - set(known) - set(BUILT_IN))
    if missing:
        says = "is no variable" if len(missing) == 1 else "are no variables"
        yield f"{_some(missing)} {says}. Known are {_some([*BUILT_IN, *sorted(set(known) - set(BUILT_IN))])}."


def _some(names: Sequence[str]) -> str:
    """The first of some names. A template may ask for names of any length."""
    shown = [name if len(name) <= _LONGEST_NAMED else f"{name[:_LONGEST_NAMED]}..." for name in names[:_NAMED]]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(shown)}{more}"


def _of_html(source: str) -> Iterator[str]:
    found = constructs(source)
    hidden = masked(source, found)
    page = page_of(hidden)
    if place := re.search(r"</?\{[{%#]", source):
        yield _at(source, place.start(), "The name of a tag cannot be made by a template.")
    if page.unended is not None:
        yield _at(source, page.unended, "This tag, comment or element never ends: nothing behind it would be seen.")
    yield from (_at(source, place, message) for place, message in _of_names(hidden, page))
    yield from (_at(source, place, message) for place, message in _of_unread(source, hidden, page))
    spans = [(construct.start, construct.end) for construct in found]
    for attribute in page.attributes:
        if message := _wrong(source, hidden, attribute, spans):
            yield _at(source, attribute.start, message)
    yield from _of_links(source, page, found)
    yield from _of_text(source)  # pictures, style sheets, and what Outlook alone reads, in comments


def _of_names(hidden: str, page: Page) -> Iterator[tuple[int, str]]:
    for start, end in page.names:
        if VARIABLE in hidden[start:end]:
            yield start, "Within a tag, placeholders stand in the quotes of an attribute only."


def _of_unread(source: str, hidden: str, page: Page) -> Iterator[tuple[int, str]]:
    for tag, start, end in page.unread:
        if tag in _CODE and (VARIABLE in hidden[start:end] or not is_whole(source[start:end])):
            yield start, f"There are no placeholders in <{tag}>: a value could become a part of the program."


def _wrong(source: str, hidden: str, attribute: Attribute, spans: Sequence[tuple[int, int]]) -> str | None:
    """What is wrong with the way an attribute's value is written. ``spans`` are where constructs are."""
    name, (begin, end) = attribute.name[:40], attribute.between
    has_variable = VARIABLE in hidden[attribute.start : attribute.end]
    if not is_whole(source[attribute.start : attribute.end]) or (begin < end and is_within(begin, spans)):
        return f"In {name}, a condition begins or ends within the value and goes on outside of it."
    written = source[attribute.start : attribute.end]
    # What is tracked is written anew, in quotes.
    is_replaced = attribute.is_link and Href(attribute.whole, written).is_tracked
    if not attribute.is_quoted and ((has_variable and not is_replaced) or is_within(attribute.end, spans)):
        return f"In {name}, the value has placeholders or conditions and needs quotes."
    if has_variable and (name.startswith("on") or name == "srcdoc"):
        return f"There are no placeholders in {name}: a value could become a part of the program."
    goes_on = name in _GOING or (attribute.tag, name) in _LOADING
    if has_variable and goes_on and not begins_web(written):
        return f"In {name}, an address with placeholders begins with https:// or http://: a value could be a program."
    return None


def _of_links(source: str, page: Page, found: Sequence[Construct]) -> Iterator[str]:
    links = [attribute for attribute in page.attributes if attribute.is_link]
    hrefs = hrefs_of(source, page, found)
    if len(distinct(hrefs)) > MOST_LINKS:
        yield f"There are more than {MOST_LINKS:,} different links."
    for attribute, href in zip(links, hrefs, strict=True):
        if not is_fit(href.url):
            kinds = "https://, http://, mailto:, tel: or a placeholder"
            yield _at(source, attribute.start, f"The link {_short(href.url)} does not begin with {kinds}.")
        if len(href.url) > LONGEST_LINK:
            yield _at(source, attribute.start, f"A link has more than {LONGEST_LINK:,} characters.")
    for attribute in page.attributes:
        written = source[attribute.start : attribute.end]
        if attribute.name == "href" and "email" in written and "email" in variables_of(written):
            yield _at(source, attribute.start, _NO_EMAIL)


def _of_text(source: str) -> Iterator[str]:
    for run in _ADDRESS_IN_TEXT.finditer(masked(source, constructs(source), VARIABLE)):
        written = source[slice(*run.span())]
        if "email" in written and "email" in variables_of(written):
            yield _at(source, run.start(), _NO_EMAIL)


def _of_made_text(html: str) -> Iterator[Problem]:
    """What keeps a text from being made from HTML that is right otherwise."""
    try:
        parsed(text_of(html))
    except (NoText, TemplateError):
        yield invalid("No text can be made from this HTML: give one.", "text")


def _at(source: str, place: int, message: str) -> str:
    line = source.count("\n", 0, place) + 1
    return f"Line {line}: {message}"


def _short(url: str) -> str:
    return f'"{url[:60]}..."' if len(url) > 60 else f'"{url}"'
