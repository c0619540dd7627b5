"""What comes in of spaces."""

from typing import Any

import strawberry
from strawberry.scalars import JSON

from db.errors import Problem, invalid
from db.models.rules import json_problems
from db.models.space_items import MOST_TAGS, space_problems
from graph import ids
from graph.assets.kinds import DOCUMENT, ImportSource, given
from graph.money import MoneyInput
from graph.platforms import Platform

_KEPT = "Left out, it stays as it is."
_ITS_TAGS = f"All of its tags, at most {MOST_TAGS} of 1 to 100 characters."
_DOCUMENTS = ("target_audience", "import_metadata")
_DEFAULTED = ("is_active", "is_archived", "import_source")


@strawberry.input(description="A new space.")
class CreateSpaceInput:
    """What createSpace takes."""

    name: str = strawberry.field(
        description="1 to 200 characters; its own in the workspace among spaces that are not deleted."
    )
    platform: Platform = strawberry.field(description="For which platform its creatives are. Never changes.")
    campaign_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="The campaign it belongs to."
    )
    brand_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="The brand it is for.")
    external_campaign_id: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The platform's own id of the campaign it is for, by which its reports name it: 1 to 200 characters.",
    )
    description: str | None = strawberry.field(default=strawberry.UNSET, description="At most 10,000 characters.")
    objective: str | None = strawberry.field(default=strawberry.UNSET, description="At most 2,000 characters.")
    target_audience: JSON | None = strawberry.field(default=strawberry.UNSET, description=DOCUMENT)
    budget: MoneyInput | None = strawberry.field(default=strawberry.UNSET, description="What may be spent.")
    import_source: ImportSource | None = strawberry.field(
        default=strawberry.UNSET, description="MANUAL_UPLOAD unless given."
    )
    import_metadata: JSON | None = strawberry.field(default=strawberry.UNSET, description=DOCUMENT)
    tags: list[str] | None = strawberry.field(default=strawberry.UNSET, description=_ITS_TAGS)
    category: str | None = strawberry.field(default=strawberry.UNSET, description="At most 100 characters.")
    is_active: bool | None = strawberry.field(default=True, description="Whether it is in use.")


@strawberry.input(description="Changes to a space. A field left out stays as it is; null clears it.")
class UpdateSpaceInput:
    """What updateSpace takes."""

    id: strawberry.ID = strawberry.field(description="Which space.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="Cannot be cleared.")
    description: str | None = strawberry.field(default=strawberry.UNSET, description=_KEPT)
    objective: str | None = strawberry.field(default=strawberry.UNSET, description=_KEPT)
    target_audience: JSON | None = strawberry.field(default=strawberry.UNSET, description=_KEPT)
    budget: MoneyInput | None = strawberry.field(default=strawberry.UNSET, description=_KEPT)
    tags: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="All of its tags, instead of those that it has."
    )
    category: str | None = strawberry.field(default=strawberry.UNSET, description=_KEPT)
    is_active: bool | None = strawberry.field(default=strawberry.UNSET, description="Cannot be cleared.")
    is_archived: bool | None = strawberry.field(default=strawberry.UNSET, description="Cannot be cleared.")
    campaign_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description=_KEPT)
    brand_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description=_KEPT)
    external_campaign_id: str | None = strawberry.field(default=strawberry.UNSET, description=_KEPT)
    import_metadata: JSON | None = strawberry.field(default=strawberry.UNSET, description=_KEPT)


@strawberry.input(description="What is to be deleted, and how.")
class DeleteInput:
    """What deleteSpace and deleteAsset take."""

    id: strawberry.ID = strawberry.field(description="What is to be deleted.")
    hard: bool | None = strawberry.field(
        default=False, description="Removes it for good; otherwise it can be restored."
    )
    force: bool | None = strawberry.field(
        default=False, description="Deletes it even if it, or an asset in it, was reused somewhere."
    )


@strawberry.input(description="What is to be restored.")
class RestoreInput:
    """What restoreSpace and restoreAsset take."""

    id: strawberry.ID = strawberry.field(description="What was deleted, but not for good.")


@strawberry.input(description="A space from which others are to be made.")
class MarkSpaceAsTemplateInput:
    """What markSpaceAsTemplate takes."""

    id: strawberry.ID = strawberry.field(description="Which space.")
    template_metadata: JSON | None = strawberry.field(default=strawberry.UNSET, description=DOCUMENT)


@strawberry.input(description="A space that is to be made from a template.")
class CreateSpaceFromTemplateInput:
    """What createSpaceFromTemplate takes."""

    template_id: strawberry.ID = strawberry.field(description="The template.")
    name: str = strawberry.field(description="The new space's name, as in CreateSpaceInput.")
    platform: Platform | None = strawberry.field(default=None, description="The template's unless given.")


def values_of(
    input_: CreateSpaceInput | UpdateSpaceInput, problems: list[Problem]
) -> tuple[dict[str, Any], list[str] | None]:
    """The columns and the tags that an input gives; what is wrong with them by themselves is added to ``problems``."""
    fields = given(vars(input_))
    fields.pop("id", None)
    tags = fields.pop("tags", None)
    tags = [] if tags is None and input_.tags is None else tags
    _without_null(fields, input_, problems)
    for name, type_name in (("campaign_id", "Campaign"), ("brand_id", "Brand")):
        if name in fields:
            fields[name] = ids.checked(type_name, fields[name], problems, name)
    if "budget" in fields:
        budget = fields.pop("budget")
        fields["budget_amount"] = None if budget is None else budget.amount
        fields["budget_currency"] = None if budget is None else budget.currency
    for name in _DOCUMENTS:
        if fields.get(name) is not None:
            problems.extend(json_problems(name, fields[name]))
    for name in ("platform", "import_source"):
        if name in fields:
            fields[name] = fields[name].value
    problems.extend(space_problems(fields, tags))
    return fields, tags


def _without_null(fields: dict[str, Any], input_: object, problems: list[Problem]) -> None:
    """Null means the default in a new space; in a change it cannot clear what every space has."""
    for name in _DEFAULTED:
        if name in fields and fields[name] is None:
            del fields[name]
            if isinstance(input_, UpdateSpaceInput):
                problems.append(invalid("This cannot be cleared.", name))
