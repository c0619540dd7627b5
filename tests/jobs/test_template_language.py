"""Templates of e-mails: what they may hold, what of a value comes into a message, where links are, the text of HTML."""

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.mailings.templates import NO_ADDRESS, Rendered, Template, template_problems, variables_of
from jobs.mailings.texts import text_of

LEFT = f"<i>{NO_ADDRESS}</i>"
"""Says where to unsubscribe, so that nothing is added."""


def problems(html: str = "<p>Hi</p>", subject: str = "Hi", text: str | None = "Hi") -> list[tuple[str, str]]:
    found = template_problems(subject, html, text, ["city", "plan"])
    return [(".".join(problem.field), problem.message) for problem in found]


def html_of(source: str, link: Any = None, **values: Any) -> str:
    return Template.of("s", source + LEFT, "t").render(values, link).html.removesuffix(LEFT)


class Tags(HTMLParser):
    """The start tags of HTML, each with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags_of(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(html)
    return parser.found


def numbered(position: int, url: str) -> str:
    return f"https://t.example/{position}?a&to={url}"


def test_placeholders_filters_and_conditions_are_what_templates_have() -> None:
    html = '<p>{{ name | default("you") | title }}</p>{% if city == "Bern" and not plan %}x{% elif plan %}y{% else %}z{% endif %}{# n #}'
    assert problems(html, "Hi {{ name | trim }}", "{{ unsubscribe_url }}") == []
    assert html_of(html, city="Bern") == "<p>You</p>x"
    assert html_of(html, plan="pro", name="ana li") == "<p>Ana Li</p>y"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("\n{% for x in city %}{% endfor %}", "Line 2: Templates have no loops."),
        ("{{ city.x }}", "Line 1: Templates know no attributes of variables (a dot behind a name)."),
        ("{{ city['x'] }}", "Line 1: Templates know no items of variables (brackets behind a name)."),
        ("{{ city() }}", "Line 1: Templates call no functions."),
        ("{% macro m() %}{% endmacro %}", "Line 1: Templates have no macros."),
        ('{% include "x" %}', "Line 1: Templates include no other templates."),
        ("{% set city = 1 %}", "Line 1: Templates set no variables."),
        ("{% filter upper %}{% endfilter %}", "Line 1: Templates have no filter blocks: filters stand within {{ }}."),
        ("{% raw %}{{{% endraw %}", "Line 1: Templates have no raw blocks."),
        ("{{ 10 ** 10 }}", "Line 1: Templates do not calculate or join values."),
        ("{{ city < 1 }}", "Line 1: Templates compare by == and != only."),
        ("{{ city | upper(1) }}", "Line 1: The filter upper takes nothing in parentheses."),
        ("{{ city | safe }}", "Line 1: Templates have no filter safe; the filters are default, upper, lower, title, capitalize, trim."),
        ("{{ self }}", "Line 1: The name self is Jinja's own and cannot be a variable."),
        ("a\n{% if city %}", "Line 2: Unexpected end of template. Jinja was looking for the following tags: 'elif' or 'else' or 'endif'. The innermost block that needs to be closed is 'if'."),
        ("{{ " + "(" * 3000 + "city" + ")" * 3000 + " }}", "This is nested too deeply."),
        ("{% if city %}" * 60 + "{% endif %}" * 60, "Line 1: This is nested too deeply."),
        ("{{ city" + " | upper" * 2000 + " }}", "Line 1: This is nested too deeply."),
        ("{{ " + "9" * 5000 + " }}", "A number is too large."),
        ("\n{{ 0x" + "f" * 5000 + " }}", "Line 2: A number is too large."),
        ("{{ 1e999 }}", "Line 1: A number is too large."),
        ("x\n{#", "Line 2: Missing end of comment tag."),
        (r'{{ city | default("\ud800") }}', "Line 1: A text in quotes has control characters or halves of pairs, which no mail can hold."),
        ("{{ city }}" * 2001, "There are more than 2,000 placeholders, conditions and comments."),
        ("{##}" * 2001, "There are more than 2,000 placeholders, conditions and comments."),
        ("{{ city" + " == city" * 10_000 + " }}", "Line 1: There are too many conditions and comparisons."),
    ],
)  # fmt: skip
def test_everything_else_is_named_with_its_line(source: str, message: str) -> None:
    assert problems(source) == [("html", message)]
    with pytest.raises(ValueError, match=r"\."):
        Template.of("s", source, "t")


def test_unknown_variables_are_named_with_what_is_known() -> None:
    known = "Known are name, email, key, unsubscribe_url, city, plan."
    assert problems("{{ town }}{{ nme }}{{ city }}", "{{ Name }}") == [
        ("subject", f"Name is no variable. {known}"),
        ("html", f"nme, town are no variables. {known}"),
    ]
    many = [f"x{number:02}" for number in range(22)]
    assert problems("".join(f"{{{{ {name} }}}}" for name in [*many, "y" * 900])) == [
        ("html", f"{', '.join(many[:20])} and 3 more are no variables. {known}")
    ]
    assert problems(f"{{{{ {'y' * 900} }}}}") == [("html", f"{'y' * 64}... is no variable. {known}")]
    assert variables_of("{% if a == 'x' %}{{ b | default(c) }}{% endif %}") == {"a", "b", "c"}
    assert variables_of("{{ broken") == frozenset()


def test_each_part_has_a_length_and_characters() -> None:
    assert problems(" ", "", "\0") == [
        ("subject", "The subject is empty."),
        ("html", "The html is empty."),
        ("text", "The text has characters that cannot be stored (U+0000, or half of a pair)."),
    ]
    assert problems("x" * 524_289, "x" * 501, "x" * 131_073) == [
        ("subject", "The subject has 501 characters; 500 are the most."),
        ("html", "The html has 524,289 characters; 524,288 are the most."),
        ("text", "The text has 131,073 characters; 131,072 are the most."),
    ]
    assert problems(subject="a\r\nBcc: b") == [("subject", "The subject has line breaks or control characters.")]


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "java&#10;script:x", "data:text/html,x", "/page", "#top", "", "https:"]
)
def test_links_lead_to_the_web_or_to_a_mailbox_or_a_telephone(url: str) -> None:
    [(field, message)] = problems(f'<p>\n<a href="{url}">x</a>')
    assert (field, message[:16]) == ("html", "Line 2: The link")
    assert message.endswith("does not begin with https://, http://, mailto:, tel: or a placeholder.")


@pytest.mark.parametrize(
    "url", ["HTTPS://x.example", " http://x.example ", "mailto:a@b.example", "tel:+41", "{{ city }}"]
)
def test_links_that_are_right(url: str) -> None:
    assert problems(f'<a href="{url}">x</a>') == []


@pytest.mark.parametrize(
    "html",
    ['<img src="https://x.example/{{ email }}.gif">', '<!--[if mso]><v:rect href="https://x.example/?{{ email }}"><![endif]-->'],
)  # fmt: skip
def test_no_other_address_does(html: str) -> None:
    assert [message[:34] for _, message in problems(html)] == ["Line 1: A link may not hold the re"]


def test_a_link_holds_no_address_of_the_recipient() -> None:
    message = "A link may not hold the recipient's address: it would stand in the logs of all that it passes."
    html = '\n<a href="https://x.example/?{% if email %}a{% endif %}">x</a>'
    assert problems(html, text="See https://x.example/?e={{ city | default(email) }}") == [
        ("html", f"Line 2: {message}"),
        ("text", f"Line 1: {message}"),
    ]


@pytest.mark.parametrize(
    "html",
    [
        "<p {{ city }}>",
        "<p title={{ city }}>",
        "<h{{ city }}>",
        "<{{ city }}>",
        '<p title={% if city %}"{% endif %}{{ city }}">',
        '<p title="{% if city %}a" b="{% endif %}{{ city }}">',
        "<script>{{ city }}</script>",
        "<style>a { color: {{ city }} }</style>",
        "<script>{% if city %}</script>{% endif %}",
        "<p onclick=\"f('{{ city }}')\">",
        '<iframe srcdoc="{{ city }}"></iframe>',
        "<a href=https://x.example/{% if city %}a{% endif %}>x</a>",
        "<a href=mailto:{{ city }}>x</a>",
        "<a href={{ unsubscribe_url }}{{ city }}>x</a>",
        "<!-- x --!><p title={{ city }}>",
        '<form action="{{ city }}">',
        '<iframe src="{{ city }}"></iframe>',
    ],
)
def test_values_stand_where_escaping_holds_them(html: str) -> None:
    found = problems(html)
    assert {(field, message[:7]) for field, message in found} == {("html", "Line 1:")}


@pytest.mark.parametrize("end", ["<!-- x", "<p", '<a href="https://x.example/>x</a>', "<title>x", "</p"])
def test_html_that_swallows_what_comes_behind_it_is_wrong(end: str) -> None:
    message = "Line 2: This tag, comment or element never ends: nothing behind it would be seen."
    assert problems(f"<p>x\n{end}") == [("html", message)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@settings(max_examples=60, deadline=None)
@given(
    value=JSON
    | st.sampled_from(
        ["{{ 7654*321 }}", "{% raw %}", '"><script>x</script>', "\x020\x03https://e.example\x04", "'\"<>&"]
    )
)
def test_no_value_becomes_markup_or_a_template(value: Any) -> None:
    source = (
        '<p title="{{ v }}">{{ v }}</p><a href="https://x.example/{{ v }}?q={{ v }}">x</a><a href=\'{{ v }}\'>y</a>'
    )
    rendered = Template.of("{{ v }}", source + LEFT, "{{ v }}|").render({"v": value}, numbered)
    tags = tags_of(rendered.html)
    assert [(tag, *attributes) for tag, attributes in tags] == [("p", "title"), ("a", "href"), ("a", "href"), ("i",)]
    assert rendered.html.count("t.example") <= 2
    assert "2456934" not in rendered.html
    assert rendered.text.endswith(f"|\n\nUnsubscribe: {NO_ADDRESS}\n")
    assert rendered.subject.isprintable() or any(not one.isprintable() and ord(one) > 0x9F for one in rendered.subject)


PIECES = st.sampled_from(
    ["<p>", "</p>", "<a ", "href=", '"', "'", ">", "https://x.example/", "{{ city }}", "{{- plan -}}", "{% if city %}", "{% else %}",
     "{%- endif %}", " ", "\n", "<!--", "-->", "<table><tr>", "<td>", "&amp;", "?", "<script>", "</script>", "x", "{# n #}", "</body>",
     '<a href="https://x.example/{{ city }}">', "<a href='{{ plan }}'>", "</a>", "{{ unsubscribe_url }}", "\ue0000\ue001", "{", "}"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(PIECES, max_size=25))
def test_what_has_no_problems_is_rendered(pieces: list[str]) -> None:
    source = "".join(pieces)
    for text in (None, source):
        if not template_problems("s", source, text, ["city", "plan"]):
            rendered = Template.of("s", source, text).render({"city": "Bern", "plan": "p"}, numbered)
            assert not set("\x02\x03\x04\x05") & {*rendered.html, *rendered.text}
            assert NO_ADDRESS in rendered.html
            assert NO_ADDRESS in rendered.text


def test_null_missing_lists_and_objects_are_empty_and_have_defaults() -> None:
    source = "{{ a }}|{{ b }}|{{ c }}|{{ d }}|{{ e | default('x') }}{{ a | default('y') }}{{ c | default('z') }}{% if b %}!{% endif %}"
    assert html_of(source, a=None, b=[1], c={}, d="") == "||||xyz"
    assert html_of("{{ a }} {{ b }} {{ c }}", a=True, b=1.5, c=7) == "True 1.5 7"


def test_links_are_found_however_they_are_written_and_told_apart_by_their_address() -> None:
    source = (
        '<!-- <a href="https://no.example">x</a> --><link href="https://no.example">'
        '<A HREF="https://a.example/?x=1&amp;y=2&copy=3">1</A><area href=\'https://b.example/{{ city | default("a b") }}\'>'
        "<a class=x href = https://c.example/>3</a><a title='>' href=\"{{ plan }}\">4</a>"
        '<a href="https://a.example/?x=1&y=2&copy=3">1</a><a href="{{ unsubscribe_url }}">u</a><a href="mailto:a@b.example">m</a>'
        '<a {% if city %}href="https://d.example/%20 x"{% endif %}>5</a><a href="https://e.example/&#123;&#123; email }}">6</a>'
    )
    template = Template.of("s", source, "t")
    assert template.links == (
        "https://a.example/?x=1&y=2&copy=3",
        'https://b.example/{{ city | default("a b") }}',
        "https://c.example/",
        "{{ plan }}",
        "https://d.example/%20%20x",
        "https://e.example/%7B%7B%20email%20%7D%7D",
    )
    told: list[tuple[int, str]] = []

    def link(position: int, url: str) -> str:
        told.append((position, url))
        return f"https://t.example/{position}"

    rendered = template.render({"plan": "pro"}, link, "https://u.example/?a&b")
    hrefs = [attributes.get("href") for tag, attributes in tags_of(rendered.html) if tag in ("a", "area")]
    places = [f"https://t.example/{position}" for position in (0, 1, 2, 5)]
    assert hrefs == [*places[:3], "#", places[0], "https://u.example/?a&b", "mailto:a@b.example", None, places[3]]
    assert told == [
        (0, "https://a.example/?x=1&y=2&copy=3"),
        (1, "https://b.example/a%20b"),
        (2, "https://c.example/"),
        (5, "https://e.example/%7B%7B%20email%20%7D%7D"),
    ]


def test_values_in_links_are_encoded_where_they_stand() -> None:
    source = '<a href="{{ site }}/{{ city }}?a={{ city }}&amp;b=#{{ city }}">x</a>'
    assert problems(source.replace("site", "plan")) == []
    assert html_of(source, numbered, site="https://s.example:8080/p?q=1", city="St. Gallen/é&x") == (
        '<a href="https://t.example/0?a&amp;to=https://s.example:8080/p?q=1/St.%20Gallen/é&amp;x'
        '?a=St.%20Gallen%2F%C3%A9%26x&amp;b=#St.%20Gallen%2F%C3%A9%26x">x</a>'
    )
    assert html_of(source, site="javascript:alert(1)//https://x.example") == '<a href="#">x</a>'
    assert html_of('<a href="https://{{ city }}">x</a>', numbered) == '<a href="#">x</a>'


def test_links_in_a_given_text_are_replaced_where_they_are_the_same() -> None:
    html = '<a href="https://x.example/">1</a><a href="https://x.example/{{ city }}?a&amp;b">2</a>' + LEFT
    text = 'https://x.example/. (https://x.example/{{ city }}?a&b) https://x.example/no {{ plan | default("https://x.example/") }}'
    rendered = Template.of("s", html, text).render({"city": "Bern"}, lambda position, _: f"t:{position}", NO_ADDRESS)
    assert rendered.text == f"t:0. (t:1) https://x.example/no https://x.example/\n\nUnsubscribe: {NO_ADDRESS}\n"


def test_the_text_of_html_keeps_conditions_around_rows_and_shows_where_links_lead() -> None:
    html = (
        "<html><head><title>T</title><style>{% if plan %}a{% endif %}</style></head><body>"
        '<div style="display:none">Soon &zwnj;&nbsp;&zwnj;&nbsp;&zwnj;&nbsp;</div>'
        "<h1>Hello {{ name | default('you') }}!</h1><table>{% if city %}<tr><td>In  {{ city }}</td><td>now</td></tr>{% endif %}"
        '<tr><td><a {% if plan %}class="x"{% endif %} href="https://x.example/?a=1&amp;b={{ key }}"><img src="i" alt="Shop"></a></td></tr></table>'
        '<ul><li>one</li></ul><a href="https://y.example/">https://y.example/</a><p>A &lt; B</p></body></html>'
    )
    assert text_of(html) == (
        "Hello {{ name | default('you') }}!\n\n{% if city %}\nIn {{ city }} now\n{% endif %}\n"
        "Shop <https://x.example/?a=1&b={{ key }}>\n  * one\nhttps://y.example/\n\nA < B"
    )
    rendered = Template.of("s", html, None).render({"name": "Ö", "key": "k"}, lambda position, _: f"t:{position}")
    assert rendered.text == (f"Hello Ö!\n\nShop <t:0>\n  * one\nt:1\n\nA < B\n\nUnsubscribe: {NO_ADDRESS}\n")


def test_conditions_that_no_text_can_be_made_of_need_a_text() -> None:
    html = "<title>{% if city %}</title><p>x</p>{% endif %}"
    assert problems(html) == []
    assert problems(html, text=None) == [("text", "No text can be made from this HTML: give one.")]


def test_what_comes_to_the_end_of_a_body_is_no_part_of_a_comment() -> None:
    html = f"<body>{LEFT}</body><!--[if mso]></body><![endif]-->"
    rendered = Template.of("s", html, "t").render({}, picture="<img>")
    assert rendered.html == f"<body>{LEFT}<img></body><!--[if mso]></body><![endif]-->"


def test_every_message_says_where_to_unsubscribe() -> None:
    footer = '<p style="font-size:12px;color:#666666"><a href="https://u.example/?a&amp;b">Unsubscribe</a></p>\n'
    html = "<body><p>Hi</p>{% if city %}<a href='{{ unsubscribe_url }}'>x</a>{% endif %}</BODY></html>"
    template = Template.of("s\u2028{{ city }}", html, "Hi\n")
    rendered = template.render({"city": "\r\nB"}, None, "https://u.example/?a&b")
    assert rendered == Rendered(
        "s B",
        "<body><p>Hi</p><a href='https://u.example/?a&amp;b'>x</a></BODY></html>",
        "Hi\n\nUnsubscribe: https://u.example/?a&b\n",
    )
    assert template.render({}, None, "https://u.example/?a&b").html == f"<body><p>Hi</p>{footer}</BODY></html>"


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<!",
        "<a href=",
        '<a href="',
        "<!--",
        "<script>",
        "<div>",
        "&amp",
        '<a b="',
        "<a b ",
    ],
)
def test_reading_html_takes_time_in_proportion_to_its_length(piece: str) -> None:
    # What took the square of it would need minutes, and end by the test's time limit.
    template_problems("s", piece * (100_000 // len(piece)), "t", [])
