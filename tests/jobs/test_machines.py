"""Which opens and clicks are machines', by their requests."""

import pytest

from db.models.email_words import EmailEventType
from jobs.mailings.machines import is_machine, is_machine_agent

OPEN, CLICK = EmailEventType.OPEN, EmailEventType.CLICK
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
PEOPLE = (
    FIREFOX,
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    "Mozilla/5.0 (X11; Linux x86_64; rv:102.0) Gecko/20100101 Thunderbird/102.3.0",
    "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
    "Outlook-iOS/709.2226530.prod.iphone (3.24.1)",
)
MACHINES = (
    "",
    "  ",
    "Mozilla/5.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 "
    "Safari/537.36 Edge/12.246 Mozilla/5.0",
    "curl/8.5.0",
    "python-requests/2.32.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Mozilla/5.0 (compatible; BarracudaCentral)",
    "Proofpoint URL Defense",
    "Mimecast Link Protection",
)
PICTURES = (
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/118.0.5993.117 Safari/537.36 FastmailUA/1.0",
)
AHEAD = (
    ("sec-purpose", "prefetch;prerender"),
    ("purpose", "prefetch"),
    ("x-purpose", "preview"),
    ("x-moz", "Prefetch"),
)


@pytest.mark.parametrize("kind", [OPEN, CLICK])
def test_by_what_asks(kind: EmailEventType) -> None:
    assert [agent for agent in PEOPLE if is_machine(kind, "GET", {"user-agent": agent})] == []
    assert [agent for agent in MACHINES if not is_machine(kind, "GET", {"user-agent": agent})] == []


def test_what_fetches_pictures_for_people_opens_and_does_not_click() -> None:
    asked = [
        (is_machine(OPEN, "GET", {"user-agent": one}), is_machine(CLICK, "GET", {"user-agent": one}))
        for one in PICTURES
    ]
    assert asked == [(False, True)] * 3


def test_by_how_it_asks() -> None:
    assert is_machine(CLICK, "HEAD", {"user-agent": FIREFOX})
    assert is_machine(OPEN, "GET", {})
    for name, value in AHEAD:
        assert is_machine(CLICK, "GET", {"user-agent": FIREFOX, name: value}), name
    assert not is_machine(CLICK, "GET", {"user-agent": FIREFOX, "purpose": "navigation"})


def test_other_events_are_never_machines() -> None:
    others = [kind for kind in EmailEventType if kind not in (OPEN, CLICK)]
    assert [kind for kind in others if is_machine(kind, "POST", {}) or is_machine_agent(kind, "curl/8.5.0")] == []


def test_what_providers_report() -> None:
    assert [is_machine_agent(OPEN, agent) for agent in (None, "", FIREFOX, "Mozilla/5.0", "curl/8.5.0")] == [
        False,
        False,
        False,
        True,
        True,
    ]


def test_of_a_long_user_agent_what_is_kept_is_looked_at() -> None:
    assert not is_machine(OPEN, "GET", {"user-agent": "x" * 1_000 + " curl/8.5.0"})
    assert is_machine(OPEN, "GET", {"user-agent": "curl/8.5.0 " + "x" * 1_000})
