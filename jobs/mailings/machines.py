"""Machines: which opens and clicks no person made, by what the request says of itself.

How soon after the sending it came tells more; that is looked at where events are recorded.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from crawleruseragents import is_crawler

from db.models.email_words import BY_MACHINES, LONGEST_AGENT, EmailEventType

_AHEAD = re.compile(r"\b(?:prefetch|prerender|preview)\b", re.IGNORECASE)
_PURPOSES = ("sec-purpose", "purpose", "x-purpose", "x-moz")
"""Headers with which browsers and mail programs say that they fetch something before anybody asked for it."""
_BARE = "Mozilla/5.0"
"""All that Apple's Mail Privacy Protection says of itself, which fetches the pictures of every mail when it arrives."""
_GMAIL_AHEAD = "Edge/12.246 Mozilla/5.0"
"""The end of what Gmail says when it fetches pictures before a mail is shown, as Mailgun and SparkPost describe it."""
_PICTURES = re.compile(r"GoogleImageProxy|YahooMailProxy|FastmailUA")
"""What fetches pictures when a person opens a mail, so that the sender does not learn who and where. Crawlers by the list."""
_SCANNERS = re.compile(r"barracuda|proofpoint|mimecast|safelinks", re.IGNORECASE)
"""Mail scanners that say who they are. Most say that they are browsers: those are known by how soon they come."""
_AGENTS = 8_192


def is_machine(kind: EmailEventType, method: str, headers: Mapping[str, str]) -> bool:
    """Whether a request was no person's. The headers' names are in lower case. Other types than OPEN and CLICK never are."""
    if kind not in BY_MACHINES:
        return False
    agent = _kept(headers.get("user-agent", ""))
    if method == "HEAD" or not agent:
        return True
    if any(_AHEAD.search(headers.get(name, "")) for name in _PURPOSES):
        return True
    return _is_machine_agent(kind is EmailEventType.OPEN, agent)


def is_machine_agent(kind: EmailEventType, user_agent: str | None) -> bool:
    """The same by the user agent alone, as providers report it. None and an empty one say nothing, and are no machine's."""
    agent = _kept(user_agent or "")
    return bool(agent) and kind in BY_MACHINES and _is_machine_agent(kind is EmailEventType.OPEN, agent)


def _kept(agent: str) -> str:
    """What is looked at of a user agent, as much as is kept of it: requests may bring any length, and each is remembered."""
    return agent.strip()[:LONGEST_AGENT]


@lru_cache(maxsize=_AGENTS)  # the list has 1,500 patterns: a tenth of a millisecond for a browser
def _is_machine_agent(is_open: bool, agent: str) -> bool:
    if agent == _BARE or agent.endswith(_GMAIL_AHEAD) or _SCANNERS.search(agent):
        return True
    return not (is_open and _PICTURES.search(agent)) and is_crawler(agent)
