"""The links of a template's HTML: found where they stand, and made to be replaced for each recipient.

Every ``href`` of ``<a>`` and ``<area>`` whose address begins with http://, https:// or a placeholder becomes a marker around
its address. Markers are control characters, which neither templates nor values can hold; when all is rendered, one
replacement puts into their place what stands in this recipient's message.
"""

import html
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html.entities import html5
from itertools import pairwise

from jobs.mailings.syntax import Construct, constructs

START, MIDDLE, END = "\x02", "\x03", "\x04"
MARKED = re.compile(f"{START}([0-9]+){MIDDLE}([^{END}]*){END}")
"""A link in what was rendered: its position, and its address."""
HARMLESS = "#"
"""What stands for a link whose values made no address."""
_TAG = re.compile(r"<(?:(!--)|([!?/])|([A-Za-z][^\s/>]*))", re.ASCII)
_NAME = re.compile(r"[\s/]*([^\s/>][^\s/>=]*)", re.ASCII)
_COMMENT_END = re.compile("--!?>")
_EQUALS = re.compile(r"\s*=\s*", re.ASCII)
_UNQUOTED = re.compile(r"[^\s>]*", re.ASCII)
_UNREAD = ("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes")
"""Elements whose content is text, whatever it looks like."""
_ENTITY = re.compile(r"&(?:#[0-9]+;?|#[xX][0-9A-Fa-f]+;?|[A-Za-z][A-Za-z0-9]*;?)")
_BEGINS_WEB = re.compile(r"https?://[^\s/?#]", re.IGNORECASE)
_WEB = re.compile(r"https?://[^\W_][^\s\"<>\\]*|https?://\[[^\s\"<>\\]*", re.IGNORECASE)
_OTHERS = re.compile(r"(?:mailto|tel):.", re.IGNORECASE)
_ENDS = r"(?=[.,;:!?)\]}'*_]*(?:[\s<>\"]|\{[%#]|$))"
"""What stands behind an address in a text: marks of punctuation, and then no more of it."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute with a value: where the value stands, and where with its quotes."""

    tag: str
    name: str
    start: int
    end: int
    whole: tuple[int, int]
    between: tuple[int, int]
    """What is between the ``=`` and the value: white space, or a construct that looks like it."""

    @property
    def is_quoted(self) -> bool:
        """Whether the value has quotes."""
        return self.whole[0] < self.start

    @property
    def is_link(self) -> bool:
        """Whether people can click on it."""
        return self.name == "href" and self.tag in ("a", "area")


@dataclass(slots=True)
class Page:
    """What is found in HTML without building a tree of it, in order."""

    attributes: list[Attribute] = field(default_factory=list)
    unread: list[tuple[str, int, int]] = field(default_factory=list)
    """Contents of scripts, style sheets and the like: element, start, end."""
    tags: list[tuple[int, int]] = field(default_factory=list)
    """Where start tags are, all of each."""
    names: list[tuple[int, int]] = field(default_factory=list)
    """Where names of tags and attributes are."""
    body_end: int | None = None
    """Where the last ``</body>`` begins."""
    unended: int | None = None
    """Where what never ends begins: a tag, a comment, or an element whose content is text. All behind it is a part of it."""


def page_of(source: str) -> Page:
    """Reads HTML as browsers do, in time that is linear in its length. Constructs are masked."""
    page, position = Page(), 0
    while found := _TAG.search(source, position):
        position = _after(source, found, page)
        if position < 0:
            page.unended = found.start()
            break
    return page


def _after(source: str, found: re.Match[str], page: Page) -> int:
    """Where what begins here ends; negative where it does not."""
    if found[1]:
        closed = _COMMENT_END.search(source, found.start() + 2)
        return closed.end() if closed else -1
    if found[2]:
        if found[2] == "/" and source[found.end() : found.end() + 4].lower() == "body":
            page.body_end = found.start()
        end = source.find(">", found.end())
        return end + 1 if end >= 0 else end
    return _after_start(source, found, page)


def _after_start(source: str, found: re.Match[str], page: Page) -> int:
    tag = found[3].lower()
    page.names.append(found.span(3))
    position = _attributes(source, found.end(), tag, page)
    page.tags.append((found.start(), position if position > 0 else len(source)))
    if position < 0 or tag not in _UNREAD:
        return position
    end = re.compile(f"</{tag}(?=[\\s/>])", re.IGNORECASE).search(source, position)
    page.unread.append((tag, position, end.start() if end else len(source)))
    return end.start() if end else -1


def _attributes(source: str, position: int, tag: str, page: Page) -> int:
    """Reads the attributes of a tag. Answers where the tag ends; negative where it does not."""
    while name := _NAME.match(source, position):
        position = name.end()
        page.names.append(name.span(1))
        if equals := _EQUALS.match(source, position):
            attribute = _value(source, equals, tag, name[1].lower())
            if attribute is None:
                return -1
            page.attributes.append(attribute)
            position = attribute.whole[1]
    return source.find(">", position) + 1 or -1


def _value(source: str, equals: re.Match[str], tag: str, name: str) -> Attribute | None:
    start, between = equals.end(), (source.index("=", equals.start()) + 1, equals.end())
    quote = source[start : start + 1]
    if quote not in ('"', "'"):
        found = _UNQUOTED.match(source, start)
        end = found.end() if found else start
        return Attribute(tag, name, start, end, (start, end), between)
    end = source.find(quote, start + 1)
    return None if end < 0 else Attribute(tag, name, start + 1, end, (start, end + 1), between)


def decoded(text: str) -> str:
    """The value of an attribute as browsers read it: ``&copy=`` is no character there, unlike in texts."""
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(found: re.Match[str]) -> str:
    is_open_end = not found[0].endswith(";") and found.string[found.end() : found.end() + 1] == "="
    is_known = found[0][1] == "#" or (found[0][1:] in html5 and not is_open_end)
    return html.unescape(found[0]) if is_known else found[0]


@dataclass(frozen=True, slots=True)
class Href:
    """One href of a template: where its value stands with its quotes, and the address, with its constructs in it."""

    whole: tuple[int, int]
    url: str

    @property
    def is_tracked(self) -> bool:
        """Whether it becomes a tracked link: it can lead to the web, and is not the way to unsubscribe."""
        return (is_open(self.url) and not is_unsubscribe(self.url)) or begins_web(self.url)


def begins_web(url: str) -> bool:
    """Whether an address begins with http:// or https://, whatever its values are."""
    return _BEGINS_WEB.match(url) is not None


def is_open(url: str) -> bool:
    """Whether only its values say what it is the address of."""
    return url.startswith(("{{", "{%"))


def is_unsubscribe(url: str) -> bool:
    """Whether it begins with the placeholder of the address to unsubscribe at."""
    return re.match(r"\{\{[-+]?\s*unsubscribe_url\s*[-+]?\}\}", url) is not None


def is_fit(url: str) -> bool:
    """Whether an address, as it is written in a template, is one that messages may have."""
    return is_open(url) or begins_web(url) or _OTHERS.match(url) is not None


def web_url(url: str) -> str | None:
    """An address as it was rendered, if it leads to the web; None if it does not."""
    url = url.strip()
    return url if _WEB.fullmatch(url) else None


def hrefs_of(source: str, page: Page, found: Sequence[Construct]) -> list[Href]:
    """All that people can click on, in order."""
    links = (attribute for attribute in page.attributes if attribute.is_link)
    return [Href(link.whole, _url(source, link.start, link.end, found)) for link in links]


def _url(source: str, start: int, end: int, found: Sequence[Construct]) -> str:
    """The address between two places: constructs as they are, the rest read as browsers do."""
    first, last = (bisect_left(found, place, key=lambda construct: construct.start) for place in (start, end))
    inside = [construct for construct in found[first:last] if construct.end <= end]
    places = [start, *(place for construct in inside for place in (construct.start, construct.end)), end]
    parts = [source[first:last] for first, last in pairwise(places)]
    parts[0] = parts[0].lstrip()
    parts[-1] = parts[-1].rstrip()
    parts[::2] = [_static(part) for part in parts[::2]]
    return "".join(parts)


def _static(text: str) -> str:
    """A part without constructs. Braces are written so that nothing that an entity hides becomes a construct."""
    text = re.sub(r"[\x00-\x1f]", "", decoded(text))
    return text.replace("{", "%7B").replace("}", "%7D").replace(" ", "%20")


def distinct(hrefs: Sequence[Href]) -> tuple[str, ...]:
    """The addresses of tracked links, each once, in order."""
    return tuple(dict.fromkeys(href.url for href in hrefs if href.is_tracked))


def marked(position: int, url: str) -> str:
    """The source of a link: a marker around its address, whose values are encoded where they stand."""
    parts, last, seen = [], 0, ""
    for construct in constructs(url):
        seen += url[last : construct.start]
        parts += [url[last : construct.start], _encoded(url, construct, "?" in seen or "#" in seen)]
        last = construct.end
    address = "".join([*parts, url[last:]])
    return f"{START}{position}{MIDDLE}{address}{END}"


def _encoded(url: str, construct: Construct, is_query: bool) -> str:
    if not construct.is_variable:
        return url[construct.start : construct.end]
    first, last = construct.inner
    wrapped = f" ({url[first:last]}) | {'_query' if is_query else '_url'} "
    return url[construct.start : first] + wrapped + url[last : construct.end]


def marked_html(source: str, page: Page, hrefs: Sequence[Href], foot: str) -> str:
    """HTML with a marker, in quotes, in place of each tracked href, and with ``foot`` where its body ends."""
    positions = {url: position for position, url in enumerate(distinct(hrefs))}
    tracked = [href for href in hrefs if href.is_tracked]
    pieces = [(href.whole, f'"{marked(positions[href.url], href.url)}"') for href in tracked]
    end = len(source) if page.body_end is None else page.body_end
    return replaced(source, sorted([*pieces, ((end, end), foot)]))


def marked_text(source: str, links: Sequence[str]) -> str:
    """A text with a marker in place of each address that is that of a tracked link, as it is written there."""
    if not links:
        return source
    positions = {url: position for position, url in enumerate(links)}
    longest_first = "|".join(re.escape(url) for url in sorted(links, key=len, reverse=True))
    known = re.finditer(f"(?<![A-Za-z0-9])(?:{longest_first}){_ENDS}", source)
    inner = [(construct.start + 1, construct.end) for construct in constructs(source)]
    found = [match for match in known if not is_within(match.start(), inner)]
    return replaced(source, [(match.span(), marked(positions[match[0]], match[0])) for match in found])


def is_within(place: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a place is in one of some spans, which are in order."""
    before = bisect_right(spans, place, key=lambda span: span[0]) - 1
    return before >= 0 and place < spans[before][1]


def replaced(source: str, pieces: Sequence[tuple[tuple[int, int], str]]) -> str:
    """The source with other texts in some places, which are in order."""
    return "".join(_pieces(source, pieces))


def _pieces(source: str, pieces: Sequence[tuple[tuple[int, int], str]]) -> Iterator[str]:
    last = 0
    for (start, end), text in pieces:
        yield source[last:start]
        yield text
        last = end
    yield source[last:]


def resolve(rendered: str, address: Callable[[int, str], str]) -> str:
    """What was rendered, with what ``address`` answers in place of each marker."""
    return MARKED.sub(lambda found: address(int(found[1]), found[2]), rendered)
