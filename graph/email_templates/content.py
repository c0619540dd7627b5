"""What can be wrong with what a template says, in a workspace whose leads have some attributes."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from db.engine import Reads, Transaction
from db.errors import Problem
from db.models.email_templates import CONTENT
from db.models.email_words import LARGEST_HTML, LARGEST_TEXT, LONGEST_SUBJECT
from db.queries.leads import reading
from jobs.mailings.templates import template_problems, variables_of

SUBJECT = f"1 to {LONGEST_SUBJECT} characters on one line."
HTML = (
    f"At most {LARGEST_HTML:,} characters. Variables as {{{{ name }}}}, with the filters default, upper, lower, title, capitalize and trim; "
    "{% if %}, {% elif %}, {% else %}, and, or, not, == and !=. Variables are those of EmailTemplate; one that no lead has is INVALID."
)
TEXT = f"At most {LARGEST_TEXT:,} characters, with variables as in the HTML. Null or blank: made from the HTML."


async def content_problems(
    reader: Reads | Transaction, content: Mapping[str, Any], also_known: Collection[str] = ()
) -> list[Problem]:
    """All that is wrong with subject, HTML and text (left out or None: made from the HTML), at these fields.

    ``also_known``: attributes that count as known, whether or not a lead has them.
    """
    subject, html, text = (content.get(name) for name in CONTENT)
    sources = [source for source in (subject, html, text) if source is not None]
    # Beside the event loop: half a megabyte of HTML takes a while.
    mentioned = await asyncio.to_thread(_mentioned, [one for one in sources if len(one) <= max(CONTENT.values())])
    known = {*await reading.attributes_known(reader, mentioned), *also_known}
    return await asyncio.to_thread(template_problems, subject or "", html or "", text, known)


def _mentioned(sources: Collection[str]) -> set[str]:
    return {name for source in sources for name in variables_of(source)}


def without_blank_text(values: dict[str, Any]) -> dict[str, Any]:
    """Values of a template, where a text that is blank is none: it is made from the HTML."""
    text = values.get("text")
    return values if text is None or text.strip() else {**values, "text": None}
