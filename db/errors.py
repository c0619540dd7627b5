"""What can be wrong with a change: problems the caller can fix, and the constraint that found each."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.exc import IntegrityError


class ProblemCode(StrEnum):
    """The kind of a problem that the caller can fix."""

    INVALID = "INVALID"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    FORBIDDEN = "FORBIDDEN"
    TOO_LARGE = "TOO_LARGE"
    UNSUPPORTED_TYPE = "UNSUPPORTED_TYPE"
    LIMIT_REACHED = "LIMIT_REACHED"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. ``field`` is the path within the input, in snake case."""

    code: ProblemCode
    message: str
    field: tuple[str, ...]


class Refused(Exception):
    """A change was refused and nothing was changed. Holds all that is wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


def refuse(problems: Sequence[Problem]) -> None:
    """Raises Refused if anything is wrong."""
    if problems:
        raise Refused(problems)


def invalid(message: str, *field: str) -> Problem:
    """An INVALID problem at a field."""
    return Problem(ProblemCode.INVALID, message, field)


def not_found(message: str, *field: str) -> Problem:
    """A NOT_FOUND problem at a field. Another workspace's thing and one that never was read the same."""
    return Problem(ProblemCode.NOT_FOUND, message, field)


def conflict(message: str, *field: str) -> Problem:
    """A CONFLICT problem at a field."""
    return Problem(ProblemCode.CONFLICT, message, field)


def camel(name: str) -> str:
    """A field's name as callers spell it: ``brand_id`` is their ``brandId``."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


# The name of a constraint that a race can still break after all checks, and what it says to the caller.
_CONSTRAINTS = {
    "brands_workspace_id_name_key": conflict("A brand of this name exists already.", "name"),
    "audiences_workspace_id_name_key": conflict("An audience of this name exists already.", "name"),
    "campaigns_workspace_id_key_key": conflict("Another campaign has this key already.", "key"),
    "campaigns_workspace_id_brand_id_fkey": not_found("No such brand.", "brand_id"),
    "export_jobs_workspace_id_key_key": conflict("This key belongs to another export, of something else.", "key"),
    "export_jobs_workspace_id_campaign_id_fkey": not_found("No such campaign.", "campaign_id"),
    "channels_workspace_id_name_key": conflict("A channel of this name exists already.", "name"),
    "engagements_impression_of_campaign": not_found("No such impression of this campaign.", "impression_id"),
    "spaces_workspace_id_campaign_id_fkey": not_found("No such campaign.", "campaign_id"),
    "spaces_workspace_id_brand_id_fkey": not_found("No such brand.", "brand_id"),
    "spaces_name_idx": conflict("A space of this name exists already.", "name"),
    "spaces_external_campaign_idx": conflict(
        "Another space of this platform has this external campaign id already.", "external_campaign_id"
    ),
    "assets_external_idx": conflict(
        "Another asset of this platform has this external asset id already.", "external_asset_id"
    ),
    "mailings_key_idx": conflict("Another mailing has this key already.", "key"),
    "workspaces_key_key": conflict("A workspace of this key exists already.", "key"),
}


def problem_of(error: IntegrityError) -> Problem | None:
    """The problem that a broken constraint stands for; None where breaking it is our own fault."""
    return _CONSTRAINTS.get(constraint_of(error))


def constraint_of(error: IntegrityError) -> str:
    """The name of the constraint that was broken; empty where the server does not say."""
    cause = getattr(error.orig, "__cause__", None)
    return getattr(cause, "constraint_name", None) or ""
