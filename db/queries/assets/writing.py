"""Making, changing, deleting and restoring assets, and telling of their reuse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete as delete_from
from sqlalchemy import func, literal, select
from sqlalchemy import update as change
from sqlalchemy.dialects.postgresql import insert

from db.engine import Transaction
from db.errors import Problem, Refused, conflict, invalid, not_found
from db.models.asset_items import NewAsset
from db.models.asset_kinds import TEXT_OF, AssetType, ImportSource
from db.models.assets import Asset, AssetTerm, AssetUsage
from db.models.space_items import words_found_by
from db.models.spaces import Space
from db.queries.assets.blobs import Vanished, keep, leave_unheld, let_go
from db.queries.assets.removing import lock_for_removal
from db.queries.spaces.locking import lock_live, locked
from db.queries.terms import Terms

__all__ = ["Created", "Vanished"]

_TERMS = Terms(Asset, AssetTerm, "asset_id")
_TEXTS = ("title", "description", "ad_copy_text", "headline_text", "cta_text", "external_asset_id", "file_name")
_DOCUMENTS = ("platform_metadata", "platform_variants")
_TAKEN = "Another asset of this platform has this external asset id already."
_IN_USE = "It was reused: say force to delete it all the same."


@dataclass(frozen=True)
class Created:
    """The key of an asset, and whether it is new."""

    asset_id: int
    created: bool


async def create(
    transaction: Transaction,
    space_id: int,
    new: NewAsset,
    created_by: str,
    *,
    skip_duplicate_check: bool = False,
) -> Created:
    """Makes an asset, or answers the one of the space that holds the same bytes. Raises Refused, and Vanished."""
    space = await lock_live(transaction, space_id, "space_id")
    same = None if skip_duplicate_check else await _same_bytes(transaction, space_id, new)
    if same is not None:
        return same
    if new.file is not None:
        await keep(transaction, new.file)
    asset_id = await _insert(transaction, space, new, created_by)
    if asset_id is None:
        raise Refused([conflict(_TAKEN, "external_asset_id")])
    await _TERMS.write(transaction, {asset_id: _terms(new)})
    return Created(asset_id, created=True)


async def create_many(
    transaction: Transaction,
    space_id: int,
    news: Sequence[NewAsset],
    created_by: str,
    *,
    source: ImportSource,
) -> list[Created | Problem]:
    """Makes assets that are imported; answers for each what came of it. Same bytes, or an external id, that the space holds
    are not new. Raises Refused, and Vanished."""
    space = await lock_live(transaction, space_id, "space_id")
    answers: list[Created | Problem] = []
    terms: dict[int, tuple[Sequence[str], Sequence[str]]] = {}
    files = sorted((new.file for new in news if new.file is not None), key=lambda file: file.sha256)
    for file in files:  # in one order, so that two imports of the same files do not deadlock
        await keep(transaction, file)
    for new in news:
        made = await _same_bytes(transaction, space_id, new)
        if made is None:
            asset_id = await _insert(transaction, space, new, created_by)
            if asset_id is None:
                answers.append(await _of_external_id(transaction, space, new))
                continue
            terms[asset_id] = _terms(new)
            made = Created(asset_id, created=True)
        answers.append(made)
    await _TERMS.write(transaction, terms)
    await leave_unheld(transaction, [file.sha256 for file in files])
    imported = {"imported_at": func.now(), "import_source": source.value}
    await transaction.run(
        change(Space).where(Space.workspace_id == transaction.workspace, Space.id == space_id).values(imported)
    )
    return answers


async def _same_bytes(transaction: Transaction, space_id: int, new: NewAsset) -> Created | None:
    if new.file is None:
        return None
    mine = (Asset.workspace_id == transaction.workspace, Asset.space_id == space_id, Asset.deleted_at.is_(None))
    found = await transaction.scalar(select(func.min(Asset.id)).where(*mine, Asset.sha256 == new.file.sha256))
    if found is None:
        return None
    await let_go(transaction, new.file)
    return Created(found, created=False)


async def _insert(transaction: Transaction, space: Any, new: NewAsset, created_by: str) -> int | None:
    """Inserts an asset, whose blob is kept, and answers its key; None where another has its external id."""
    values: dict[str, Any] = {name: getattr(new, name) for name in (*_TEXTS, *_DOCUMENTS)}
    if new.file is not None:
        mine = (Asset.workspace_id == transaction.workspace, Asset.deleted_at.is_(None))
        # Locked against being removed for good; one that just is, is passed over.
        first = select(Asset.id).where(*mine, Asset.sha256 == new.file.sha256).order_by(Asset.id).limit(1)
        first = first.with_for_update(read=True, key_share=True, skip_locked=True)
        values |= {"sha256": new.file.sha256, "size_bytes": new.file.size_bytes}
        values["duplicate_of_id"] = await transaction.scalar(first)
    values |= {
        "workspace_id": transaction.workspace_id,
        "space_id": space.id,
        "platform": space.platform,
        "name": new.shown_name,
        "type": new.type.value,
        "created_by": created_by,
    }
    taken = {
        "index_elements": ["workspace_id", "external_asset_id", "platform"],
        "index_where": Asset.deleted_at.is_(None),
    }
    statement = insert(Asset).values(values).on_conflict_do_nothing(**taken).returning(Asset.id)  # type: ignore[arg-type]
    found = await transaction.scalar(statement)
    return None if found is None else int(found)


async def _of_external_id(transaction: Transaction, space: Any, new: NewAsset) -> Created | Problem:
    """What an asset is whose external id is taken: known already if it is of the same space."""
    mine = (Asset.workspace_id == transaction.workspace, Asset.platform == space.platform, Asset.deleted_at.is_(None))
    found = select(Asset.id, Asset.space_id).where(*mine, Asset.external_asset_id == new.external_asset_id)
    row = await transaction.row(found)
    if row is not None and row.space_id == space.id:
        return Created(row.id, created=False)
    return conflict(_TAKEN, "external_asset_id")


async def update(
    transaction: Transaction, asset_id: int, values: Mapping[str, Any], tags: Sequence[str] | None
) -> None:
    """Changes texts of an asset, and its tags where they are given. Raises Refused."""
    asset = await _locked(transaction, asset_id, "id")
    _refuse_deleted(asset, "id")
    needed = TEXT_OF.get(AssetType(asset.type))
    if needed is not None and needed in values and not (values[needed] or "").strip():
        raise Refused([invalid(f"An asset of the type {asset.type} needs this text.", needed)])
    if values or tags is not None:
        await _change(transaction, asset_id, {**values, "updated_at": func.now()})
    await _TERMS.rewrite(transaction, asset, values, tags)


async def delete(transaction: Transaction, asset_id: int, *, hard: bool, force: bool) -> None:
    """Deletes an asset, for good or so that it can be restored. Raises Refused."""
    space_id = await _space_of(transaction, asset_id) if hard else None
    if space_id is not None:
        await lock_for_removal(transaction, space_id, Asset.id, asset_id)
    asset = await _locked(transaction, asset_id, "id")
    if asset.deleted_at is not None and not hard:
        await _change(transaction, asset_id, {"deleted_with_space": False})  # restoring its space leaves it deleted
        return
    if asset.reused_count and not force:
        raise Refused([conflict(_IN_USE, "force")])
    if hard:
        mine = (Asset.workspace_id == transaction.workspace, Asset.id == asset_id)
        await transaction.run(delete_from(Asset).where(*mine))
    else:
        await _change(transaction, asset_id, {"deleted_at": func.now()})


async def restore(transaction: Transaction, asset_id: int) -> None:
    """Restores an asset that was deleted. Raises Refused."""
    asset = await _locked(transaction, asset_id, "id")
    if asset.space_deleted_at is not None:
        raise Refused([conflict("Its space is deleted. Restore its space first.", "id")])
    if asset.deleted_at is not None:
        await _change(transaction, asset_id, {"deleted_at": None, "deleted_with_space": False})


async def reuse(transaction: Transaction, asset_id: int, usage: Mapping[str, Any]) -> None:
    """Writes down a reuse, by column of asset_usages. Raises Refused."""
    _refuse_deleted(await _locked(transaction, asset_id, "asset_id"), "asset_id")
    row = {"workspace_id": transaction.workspace_id, "asset_id": asset_id, "used_at": func.clock_timestamp(), **usage}
    used_at = await transaction.scalar(insert(AssetUsage).values(row).returning(AssetUsage.used_at))
    latest = func.greatest(Asset.last_reused_at, used_at)
    await _change(transaction, asset_id, {"reused_count": Asset.reused_count + 1, "last_reused_at": latest})


async def _locked(transaction: Transaction, asset_id: int, field: str) -> Any:
    """An asset behind the lock of its space, which it never leaves, with when that was deleted. Raises Refused where there is none."""
    mine = (Asset.workspace_id == transaction.workspace, Asset.id == asset_id)
    space_id = await _space_of(transaction, asset_id)
    columns = (
        Asset.id,
        Asset.space_id,
        Asset.type,
        Asset.name,
        Asset.description,
        Asset.deleted_at,
        Asset.reused_count,
    )
    found = None
    if space_id is not None:
        space = await locked(transaction, space_id, field)
        deleted = literal(space.deleted_at, Asset.deleted_at.type).label("space_deleted_at")
        found = await transaction.row(select(*columns, deleted).where(*mine).with_for_update(key_share=True))
    if found is None:
        raise Refused([not_found("No such asset.", field)])
    return found


async def _space_of(transaction: Transaction, asset_id: int) -> int | None:
    mine = (Asset.workspace_id == transaction.workspace, Asset.id == asset_id)
    found: int | None = await transaction.scalar(select(Asset.space_id).where(*mine))
    return found


def _refuse_deleted(asset: Any, field: str) -> None:
    if asset.deleted_at is not None:
        raise Refused([conflict("The asset is deleted. Restore it first.", field)])


async def _change(transaction: Transaction, asset_id: int, values: Mapping[str, Any]) -> None:
    mine = (Asset.workspace_id == transaction.workspace, Asset.id == asset_id)
    await transaction.run(change(Asset).where(*mine).values(values))


def _terms(new: NewAsset) -> tuple[Sequence[str], Sequence[str]]:
    return new.tags, words_found_by(new.shown_name, new.description)
