"""What spaces hold equals a recount over random histories, whatever is made, deleted, restored and copied."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from db.engine import Database, Transaction
from db.errors import Refused
from db.models.asset_items import NewAsset, StoredFile
from db.models.asset_kinds import AssetType
from db.queries.assets import blobs, sweeping
from db.queries.assets import writing as assets
from db.queries.spaces import reading, writing

FILES = [("a" * 64, 10), ("b" * 64, 200), ("c" * 64, 3000)]
TYPES = [AssetType.IMAGE, AssetType.DOCUMENT, AssetType.OTHER]
RECOUNT = """
SELECT s.id, count(a.id) AS assets, coalesce(sum(a.size_bytes), 0) AS bytes, count(a.id) FILTER (WHERE a.reused_count > 0) AS reused,
  (SELECT coalesce(sum(size_bytes), 0) FROM (SELECT DISTINCT sha256, size_bytes FROM assets b WHERE b.workspace_id = s.workspace_id
    AND b.space_id = s.id AND b.deleted_at IS NULL AND sha256 IS NOT NULL) AS held) AS stored
FROM spaces s LEFT JOIN assets a ON a.workspace_id = s.workspace_id AND a.space_id = s.id AND a.deleted_at IS NULL
GROUP BY s.workspace_id, s.id ORDER BY s.id"""
BY_TYPE = "SELECT space_id, type, count(*) AS count FROM assets WHERE deleted_at IS NULL GROUP BY space_id, type ORDER BY 1, 2"

step = st.one_of(
    st.tuples(st.just("file"), st.integers(0, 2), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("text"), st.integers(0, 2)),
    st.tuples(st.sampled_from(["delete", "restore", "remove", "reuse"]), st.integers(0, 30)),
    st.tuples(st.sampled_from(["delete space", "restore space", "remove space", "copy"]), st.integers(0, 5)),
    st.tuples(st.just("sweep")),
)


class History:
    """Does steps, one transaction each, and remembers what there has been."""

    def __init__(self, database: Database, workspace: int, name: str) -> None:
        self.database = database
        self.workspace = workspace
        self.name = name
        self.spaces: list[int] = []
        self.assets: list[int] = []
        self.count = 0

    async def new_space(self, transaction: Transaction) -> int:
        self.count += 1
        values = {"name": f"{self.name} {self.count}", "platform": "META", "import_source": "MANUAL_UPLOAD"}
        return await writing.create(transaction, values, [], "ada")

    async def do(self, what: str, *given_: Any) -> None:
        """One step; one that is refused changes nothing."""
        try:
            async with self.database.write(self.workspace) as transaction:
                await self._do(transaction, what, *given_)
        except Refused:
            return

    async def _do(self, transaction: Transaction, what: str, *given_: Any) -> None:
        if what in {"file", "text"}:
            space_id = self.spaces[given_[0] % len(self.spaces)]
            new = NewAsset(AssetType.HEADLINE, headline_text="x")
            skip = False
            if what == "file":
                new, skip = await self._file(transaction, given_[1]), given_[2]
            made = await assets.create(transaction, space_id, new, "ada", skip_duplicate_check=skip)
            self.assets.append(made.asset_id)
        elif what == "sweep":
            return
        elif what in {"delete", "restore", "remove", "reuse"} and self.assets:
            asset_id = self.assets[given_[0] % len(self.assets)]
            if what == "restore":
                await assets.restore(transaction, asset_id)
            elif what == "reuse":
                await assets.reuse(transaction, asset_id, {"used_in_type": "x", "used_in_id": "x"})
            else:
                await assets.delete(transaction, asset_id, hard=what == "remove", force=True)
        elif what.endswith("space") or what == "copy":
            space_id = self.spaces[given_[0] % len(self.spaces)]
            if what == "restore space":
                await writing.restore(transaction, space_id)
            elif what == "copy":
                self.count += 1
                await writing.mark_as_template(transaction, space_id, {})
                name = f"{self.name} {self.count}"
                self.spaces.append(await writing.create_from_template(transaction, space_id, name, None, "ada"))
            else:
                await writing.delete(transaction, space_id, hard=what == "remove space", force=True)

    async def _file(self, transaction: Transaction, which: int) -> NewAsset:
        sha256, size = FILES[which]
        self.count += 1
        path = f"assets/{self.name}/{self.count}"
        await blobs.hold(transaction, [path], datetime.now(UTC) + timedelta(days=1))
        file = StoredFile(sha256, size, "text/plain", path)
        return NewAsset(TYPES[which], file_name="f.txt", file=file)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(step, min_size=30, max_size=60))
async def test_what_spaces_hold_equals_a_recount(database: Database, workspace: int, steps: list[Any]) -> None:
    history = History(database, workspace, f"{id(steps)} {datetime.now(UTC).timestamp()}")
    async with database.write(workspace) as transaction:
        history.spaces = [await history.new_space(transaction) for _ in range(3)]
    for one in steps:
        await history.do(*one)
        if one[0] == "sweep":
            async with database.everywhere() as transaction:
                await sweeping.unused_blobs(transaction, datetime.now(UTC) + timedelta(minutes=1), 100)
    async with database.write(workspace) as transaction:
        expected = await transaction.rows(text(RECOUNT))
        types = await transaction.rows(text(BY_TYPE))
        unheld = "SELECT count(*) FROM assets a LEFT JOIN blobs b USING (workspace_id, sha256) WHERE a.sha256 IS NOT NULL AND b.sha256 IS NULL"
        assert await transaction.scalar(text(unheld)) == 0
    reads = database.reads(workspace)
    found = await reading.stats_of(reads, [row.id for row in expected])
    await reads.close()
    for row, stats in zip(expected, found, strict=True):
        assert (stats.asset_count, stats.total_asset_size_bytes, stats.stored_bytes, stats.reused_assets) == (
            row.assets,
            row.bytes,
            row.stored,
            row.reused,
        )
        assert [(one.type, one.count) for one in stats.by_type] == [
            (one.type, one.count) for one in types if one.space_id == row.id
        ]
