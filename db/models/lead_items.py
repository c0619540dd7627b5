"""A lead as it comes in, and what can be wrong with it: addresses, names, attributes."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from email_validator import EmailNotValidError, validate_email

from db.errors import Problem, invalid
from db.models.email_words import LONGEST_ADDRESS, LONGEST_KEY, LONGEST_NAME
from db.models.follower_words import words_of
from db.models.rules import json_problems, text_problems

LARGEST_ATTRIBUTES = 16_384
"""Bytes of the JSON of a lead's attributes."""
MOST_ATTRIBUTES = 200
LONGEST_ATTRIBUTE = 100
"""Characters of an attribute's name."""
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
"""Which names of attributes templates can ask for."""
_ENDS_OF_LINES = "\u2028\u2029"


@dataclass(frozen=True, slots=True)
class NewLead:
    """A lead to write, valid by itself. It is looked for by its key if it has one, and by its address."""

    key: str | None
    email: str
    """As it is written to: see ``email_of``."""
    values: Mapping[str, Any]
    """What is given of ``name`` and ``attributes``; None clears, what is left out stays as it is."""

    @property
    def address(self) -> str:
        """The address in lower case, as leads and suppressions know it."""
        return self.email.lower()


def lead_of(key: str | None, email: str, values: Mapping[str, Any], problems: list[Problem]) -> NewLead | None:
    """The lead that these make; None where something is wrong, all of which is added to ``problems``."""
    before = len(problems)
    if key is not None:
        problems.extend(text_problems("key", key, LONGEST_KEY))
    written = email_of(email, problems, "email")
    if values.get("name") is not None:
        problems.extend(name_problems("name", values["name"]))
    if values.get("attributes") is not None:
        problems.extend(attribute_problems("attributes", values["attributes"]))
    return NewLead(key, written, values) if written is not None and len(problems) == before else None


def email_of(text: str, problems: list[Problem], *field: str) -> str | None:
    """An address as it is written to: its domain in lower case and, where it is international, in ASCII.

    None where it is none, which is added to ``problems``. Nothing is asked of the network. Two addresses are the same where
    these are in lower case.
    """
    try:
        found = validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True).ascii_email
    except EmailNotValidError as error:
        problems.append(invalid(str(error), *field))
        return None
    if found is None or len(found) > LONGEST_ADDRESS:
        problems.append(invalid(f"At most {LONGEST_ADDRESS} characters.", *field))
        return None
    return found


def name_problems(field: str, name: str) -> Iterator[Problem]:
    """What is wrong with a lead's name: it stands in a header of mails, so it is a line."""
    yield from text_problems(field, name, LONGEST_NAME)
    if _has_controls(name.replace("\0", "")):
        yield invalid("A name cannot hold line breaks or other control characters.", field)


def attribute_problems(field: str, attributes: Any) -> Iterator[Problem]:
    """What is wrong with a lead's attributes, by themselves."""
    if not isinstance(attributes, dict):
        yield invalid("Attributes are a JSON object: names and their values.", field)
        return
    if len(attributes) > MOST_ATTRIBUTES:
        yield invalid(f"At most {MOST_ATTRIBUTES} attributes; there are {len(attributes)}.", field)
    for name in attributes:
        if not name.strip() or len(name) > LONGEST_ATTRIBUTE or _has_controls(name):
            yield invalid(
                f"Names of attributes have 1 to {LONGEST_ATTRIBUTE} characters, none of them a control character.",
                field,
            )
            break
    yield from json_problems(field, attributes, LARGEST_ATTRIBUTES)


def variables_in(attributes: Any) -> Iterable[str]:
    """The names among attributes that templates can ask for."""
    return () if attributes is None else (name for name in attributes if VARIABLE.fullmatch(name))


def values_of(
    key: str | None, email: str | None, name: str | None, attributes: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What a lead's variables are in templates. An attribute that is called like one that every lead has is never seen."""
    return {**(attributes or {}), "key": key, "email": email, "name": name}


def lead_words(key: str | None, email: str, name: str | None) -> set[str]:
    """The folded words that a lead is found by: those of its name and key, its address, and the parts of that."""
    return words_of(name, key, email, *email.rsplit("@", 1))


def _has_controls(text: str) -> bool:
    return any(unicodedata.category(one) == "Cc" or one in _ENDS_OF_LINES for one in text)
