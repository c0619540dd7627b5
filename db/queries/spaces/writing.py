"""Making, changing, deleting and restoring spaces, and making them from templates."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete as delete_from
from sqlalchemy import exists, func, insert, select, text
from sqlalchemy import update as change

from db.engine import Transaction
from db.errors import Problem, Refused, conflict, not_found
from db.models.assets import Asset
from db.models.brands import Brand
from db.models.campaigns import Campaign
from db.models.platforms import Platform
from db.models.space_items import words_found_by
from db.models.spaces import Space, SpaceTerm
from db.queries import references
from db.queries.assets.removing import lock_for_removal
from db.queries.spaces.locking import lock_live, locked
from db.queries.terms import Terms

_TERMS = Terms(Space, SpaceTerm, "space_id")
_REFERENCES = (("campaign_id", Campaign, "No such campaign."), ("brand_id", Brand, "No such brand."))
_IN_USE = "An asset in it was reused: say force to delete it all the same."


async def create(transaction: Transaction, values: Mapping[str, Any], tags: Sequence[str], created_by: str) -> int:
    """Inserts a space, by column, and answers its id. Raises Refused."""
    await _refuse_strangers(transaction, values)
    row = {"workspace_id": transaction.workspace_id, "created_by": created_by, **values}
    space_id = int(await transaction.scalar(insert(Space).values(row).returning(Space.id)))
    words = words_found_by(values["name"], values.get("description"))
    await _TERMS.write(transaction, {space_id: (tags, words)})
    return space_id


async def update(
    transaction: Transaction, space_id: int, values: Mapping[str, Any], tags: Sequence[str] | None
) -> None:
    """Changes columns of a space, and its tags where they are given. Raises Refused."""
    space = await lock_live(transaction, space_id, "id")
    await _refuse_strangers(transaction, values)
    if values or tags is not None:
        await transaction.run(
            change(Space).where(*_is(transaction, space_id)).values({**values, "updated_at": func.now()})
        )
    await _TERMS.rewrite(transaction, space, values, tags)


async def delete(transaction: Transaction, space_id: int, *, hard: bool, force: bool) -> None:
    """Deletes a space with its assets, for good or so that both can be restored. Raises Refused."""
    if hard:
        await lock_for_removal(transaction, space_id, Asset.space_id, space_id)
    space = await locked(transaction, space_id, "id")
    mine = (Asset.workspace_id == transaction.workspace, Asset.space_id == space_id)
    live = (*mine, Asset.deleted_at.is_(None))
    if space.deleted_at is not None and not hard:
        return
    if not force and await transaction.scalar(
        select(exists().where(*(mine if hard else live), Asset.reused_count > 0))
    ):
        raise Refused([conflict(_IN_USE, "force")])
    if hard:
        await transaction.run(delete_from(Asset).where(*mine))
        await transaction.run(delete_from(Space).where(*_is(transaction, space_id)))
        return
    gone = {"deleted_at": func.now(), "deleted_with_space": True}
    await transaction.run(change(Asset).where(*live).values(gone))
    await transaction.run(change(Space).where(*_is(transaction, space_id)).values(deleted_at=func.now()))


async def restore(transaction: Transaction, space_id: int) -> None:
    """Restores a space, with the assets that were deleted with it. Raises Refused."""
    space = await locked(transaction, space_id, "id")
    if space.deleted_at is None:
        return
    await transaction.run(change(Space).where(*_is(transaction, space_id)).values(deleted_at=None))
    mine = (Asset.workspace_id == transaction.workspace, Asset.space_id == space_id, Asset.deleted_with_space)
    await transaction.run(change(Asset).where(*mine).values(deleted_at=None, deleted_with_space=False))


async def mark_as_template(transaction: Transaction, space_id: int, values: Mapping[str, Any]) -> None:
    """Marks a space as a template; ``values`` may hold template_metadata. Raises Refused."""
    await lock_live(transaction, space_id, "id")
    marked = {**values, "is_template": True, "updated_at": func.now()}
    await transaction.run(change(Space).where(*_is(transaction, space_id)).values(marked))


async def create_from_template(
    transaction: Transaction, template_id: int, name: str, platform: Platform | None, created_by: str
) -> int:
    """Makes a space as a template describes it, with its assets by reference, and answers its id. Raises Refused."""
    template = await lock_live(transaction, template_id, "template_id")
    if not template.is_template:
        raise Refused([conflict("This space is no template: markSpaceAsTemplate makes it one.", "template_id")])
    values = {
        "workspace": transaction.workspace_id,
        "template": template_id,
        "name": name,
        "platform": platform.value if platform else template.platform,
        "subject": created_by,
    }
    space_id = int(await transaction.scalar(_COPY, values))
    await transaction.run(_COPY_TAGS, {**values, "space": space_id})
    await _TERMS.write(transaction, {space_id: ((), words_found_by(name, template.description))})
    await transaction.run(_COPY_ASSETS, {**values, "space": space_id})
    return space_id


async def _refuse_strangers(transaction: Transaction, values: Mapping[str, Any]) -> None:
    problems: list[Problem] = []
    for name, model, message in _REFERENCES:
        key = values.get(name)
        if key is not None and not await references.known(transaction, model, {key}):
            problems.append(not_found(message, name))
    if problems:
        raise Refused(problems)


def _is(transaction: Transaction, space_id: int) -> tuple[Any, ...]:
    return Space.workspace_id == transaction.workspace, Space.id == space_id


_COPY = text(
    "INSERT INTO spaces (workspace_id, name, platform, campaign_id, brand_id, description, objective, target_audience, "
    "budget_amount, budget_currency, import_source, category, created_by) "
    "SELECT workspace_id, :name, :platform, campaign_id, brand_id, description, objective, target_audience, budget_amount, "
    "budget_currency, 'MANUAL_UPLOAD', category, :subject FROM spaces "
    "WHERE workspace_id = (SELECT CAST(:workspace AS bigint)) AND id = :template RETURNING id"
)
_COPY_TAGS = text(
    "INSERT INTO space_terms (workspace_id, space_id, kind, term) SELECT workspace_id, CAST(:space AS bigint), kind, term "
    "FROM space_terms WHERE workspace_id = (SELECT CAST(:workspace AS bigint)) AND space_id = :template AND kind = 'TAG'"
)
_TEXTS = "name, type, title, description, ad_copy_text, headline_text, cta_text, file_name, sha256, size_bytes"
# Their keys are drawn before, so that the terms follow in the same statement; the oldest first.
_COPY_ASSETS = text(
    f"WITH source AS MATERIALIZED (SELECT old.*, nextval('assets_id_seq') AS new_id FROM (SELECT id, {_TEXTS} FROM assets "  # noqa: S608 - names only
    "WHERE workspace_id = (SELECT CAST(:workspace AS bigint)) AND space_id = :template AND deleted_at IS NULL ORDER BY id) AS old), "
    f"made AS (INSERT INTO assets (workspace_id, id, space_id, platform, {_TEXTS}, duplicate_of_id, created_by) "
    f"OVERRIDING SYSTEM VALUE SELECT (SELECT CAST(:workspace AS bigint)), new_id, CAST(:space AS bigint), :platform, {_TEXTS}, "
    "(SELECT first.id FROM assets AS first WHERE first.workspace_id = (SELECT CAST(:workspace AS bigint)) "
    "AND first.sha256 = source.sha256 AND first.deleted_at IS NULL ORDER BY first.id LIMIT 1 FOR KEY SHARE SKIP LOCKED), :subject FROM source ORDER BY new_id RETURNING id) "
    "INSERT INTO asset_terms (workspace_id, asset_id, kind, term) SELECT terms.workspace_id, new_id, kind, term "
    "FROM source JOIN made ON made.id = new_id JOIN asset_terms AS terms ON terms.asset_id = source.id "
    "AND terms.workspace_id = (SELECT CAST(:workspace AS bigint))"
)
