"""An event of a mail as it comes in, and what can be wrong with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.errors import Problem, invalid
from db.models.email_words import BY_MACHINES, LARGEST_DATA, LONGEST_AGENT, LONGEST_KEY, EmailEventType
from db.models.impression_items import is_address
from db.models.rules import json_problems, past_problems, text_problems


@dataclass(slots=True)
class NewEmailEvent:
    """An event to record. ``is_machine``: whether it is known already that no person did it.

    ``data`` is a JSON object, or None. ``link_id``: the link of the mailing that a CLICK was on.
    """

    key: str
    recipient_id: int
    type: EmailEventType
    occurred_at: datetime
    data: Any = None
    user_agent: str | None = None
    ip_address: str | None = None
    is_machine: bool = False
    link_id: int | None = None

    def problems(self, now: datetime) -> list[Problem]:
        """All that is wrong with it by itself; empty for nearly every one, and then cheap."""
        found: list[Problem] = []
        if not 0 < len(self.key) <= LONGEST_KEY or "\0" in self.key or not self.key.strip():
            found.extend(text_problems("key", self.key, LONGEST_KEY))
        found.extend(past_problems("occurred_at", self.occurred_at, now))
        agent = self.user_agent
        if agent is not None and (len(agent) > LONGEST_AGENT or "\0" in agent):
            found.extend(text_problems("user_agent", agent, LONGEST_AGENT, may_be_empty=True))
        if self.ip_address is not None and not is_address(self.ip_address):
            found.append(invalid("This is not an IP address.", "ip_address"))
        if self.data is not None:
            found.extend(_data_problems(self.data))
        if self.is_machine and self.type not in BY_MACHINES:
            found.append(invalid("Machines open and click; all else is done by people.", "type"))
        if self.link_id is not None and self.type is not EmailEventType.CLICK:
            found.append(invalid("Only a click has a link.", "link_id"))
        return found


def _data_problems(data: Any) -> Iterator[Problem]:
    if not isinstance(data, dict):
        yield invalid("This must be a JSON object.", "data")
    else:
        yield from json_problems("data", data, LARGEST_DATA)
