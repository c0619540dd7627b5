"""The demo workspace: the same everywhere, once, whatever interrupts it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from db.queries import workspaces
from db.queries.impressions import recording
from db.queries.spaces import writing
from jobs import demo, demo_content, demo_events, demo_spaces

_SHAPE = text("""
    SELECT (SELECT count(*) FROM brands) AS brands, (SELECT count(*) FROM campaigns) AS campaigns,
        count(*) AS impressions, count(DISTINCT user_id) AS users, count(*) FILTER (WHERE is_viewable IS NULL) AS unmeasured,
        count(*) FILTER (WHERE clicked) AS clicks, count(*) FILTER (WHERE converted) AS conversions,
        count(*) FILTER (WHERE charged) AS charges, sum(cpi_rate) FILTER (WHERE charged) AS spend,
        min(occurred_at)::text AS first, max(occurred_at)::text AS last, count(*) FILTER (WHERE is_unique) AS uniques,
        md5(string_agg(concat_ws('|', key, user_id, occurred_at, is_viewable, clicked_at, placement), ',' ORDER BY key)) AS content
    FROM impressions
""")
_ENGAGED = text("""
    SELECT count(*) FILTER (WHERE type = 'LIKE') AS likes, count(*) FILTER (WHERE type = 'SHARE') AS shares,
        count(*) FILTER (WHERE type = 'COMMENT') AS comments, count(*) FILTER (WHERE type = 'SAVE') AS saves,
        count(*) FILTER (WHERE type = 'BOOKMARK') AS bookmarks, max(depth) AS deepest,
        md5(string_agg(concat_ws('|', key, type, user_id, occurred_at, body, depth), ',' ORDER BY key, user_id, occurred_at, type))
          AS content
    FROM engagements
""")
_ENGAGED_TOTALS = text("""
    SELECT sum(likes)::int, sum(shares)::int, sum(comments)::int, sum(saves)::int, sum(bookmarks)::int FROM campaign_totals
""")
_REPORTED = text("""
    SELECT count(*) FILTER (WHERE type = 'IMPRESSION') AS impressions, count(*) FILTER (WHERE type = 'CLICK') AS clicks,
        count(*) FILTER (WHERE type = 'CONVERSION') AS conversions, sum(value_amount) AS revenue,
        md5(string_agg(concat_ws('|', key, type, user_id, occurred_at, value_amount, value_currency, data), ',' ORDER BY key)) AS content
    FROM events
""")
_REPORTED_TOTALS = text("""
    SELECT sum(impressions)::int, sum(clicks)::int, sum(conversions)::int, sum(revenue) FROM event_totals
""")
_INTERACTED = text("""
    SELECT count(*) AS interactions, count(DISTINCT follower_id) AS followers,
        count(*) FILTER (WHERE i.occurred_at < p.posted_at) AS too_early,
        md5(string_agg(concat_ws('|', i.key, i.type, f.platform, f.external_id, p.external_post_id, i.value, i.occurred_at), ',' ORDER BY i.key))
          AS content
    FROM interactions i JOIN followers f ON f.id = i.follower_id LEFT JOIN content_posts p ON p.id = i.post_id
""")
_POSTED = text("""
    SELECT count(DISTINCT content_id) AS items, count(*) AS posts,
        md5(string_agg(concat_ws('|', slug, title, description, platform, external_post_id, url, caption, posted_at, views, impressions,
          likes, p.comments, shares, figures_at), ',' ORDER BY platform, external_post_id)) AS content
    FROM content_posts p JOIN content_items c ON c.id = p.content_id
""")
_SCORED = text("""
    SELECT count(*) FILTER (WHERE score >= 500) AS super_fans, count(*) FILTER (WHERE score BETWEEN 100 AND 499) AS active,
        count(*) FILTER (WHERE score BETWEEN 10 AND 99) AS lurkers, count(*) FILTER (WHERE score < 10) AS inactive
    FROM followers
""")
_SPACES = text("""
    SELECT count(*) AS spaces, (SELECT count(*) FROM assets) AS assets, (SELECT count(*) FROM asset_usages) AS usages,
        array_agg(s.id ORDER BY s.id) AS ids, array_agg(is_template ORDER BY s.id) AS templates,
        array_agg(concat_ws('|', s.name, platform, c.key, b.name, category, s.budget_amount, impressions, revenue) ORDER BY s.id)
          AS content,
        (SELECT md5(string_agg(concat_ws('|', space_id = (SELECT min(id) FROM spaces), type, name, description, ad_copy_text,
          headline_text, cta_text, impressions, spend, reused_count, last_reused_at), ',' ORDER BY id)) FROM assets) AS texts
    FROM spaces s LEFT JOIN campaigns c ON c.id = s.campaign_id LEFT JOIN brands b ON b.id = s.brand_id
""")
_TOTALS = text("""
    SELECT sum(impressions)::int, sum(clicks)::int, sum(conversions)::int, sum(spend), sum(unique_impressions)::int,
        sum(reach)::int FROM campaign_totals
""")


async def ask(database: Database, statement: Any) -> Any:
    workspace = await workspaces.id_of(database, demo.WORKSPACE)
    async with database.write(workspace or 0) as transaction:
        return await transaction.row(statement)


async def test_it_is_made_once(database: Database) -> None:
    assert await demo.load(database)
    shape = await ask(database, _SHAPE)
    assert not await demo.load(database)
    assert await ask(database, _SHAPE) == shape
    assert (shape.brands, shape.campaigns, shape.impressions) == (3, 24, demo.IMPRESSIONS)
    assert shape.users < shape.uniques < shape.impressions
    assert min(shape.unmeasured, shape.clicks, shape.conversions, shape.charges, shape.spend) > 0
    assert "2026-03-02" < shape.first < shape.last < "2026-03-30"
    assert shape.content == "cebbffbdbf74fee309c295f44d333827", (
        "the demo is the same on every machine and in every version"
    )
    totals = await ask(database, _TOTALS)
    counted = (shape.impressions, shape.clicks, shape.conversions, shape.spend, shape.uniques)
    assert tuple(totals)[:5] == counted
    engaged = await ask(database, _ENGAGED)
    assert tuple(engaged)[:5] == tuple(await ask(database, _ENGAGED_TOTALS))
    assert min(tuple(engaged)[:5]) > 20
    assert engaged.deepest >= 4
    assert engaged.content == "b06e23449307e74251052b2a165e0635"
    reported = await ask(database, _REPORTED)
    assert tuple(reported)[:4] == tuple(await ask(database, _REPORTED_TOTALS))
    assert sum(tuple(reported)[:3]) == demo_events.EVENTS
    assert min(tuple(reported)[:4]) > 20
    assert reported.content == "aa22598488578c8b6477245054612e9e"
    posted = await ask(database, _POSTED)
    assert tuple(posted) == (12, 27, "984366a51c3c42cb109a22fade91c4d9")
    interacted, scored = await ask(database, _INTERACTED), await ask(database, _SCORED)
    assert interacted.interactions == demo_content.INTERACTIONS + 12
    assert sum(scored) == interacted.followers
    assert min(scored) > 2
    assert interacted.too_early == 0
    assert interacted.content == "67fe300d5d6d3b9dc4087ceeb6bba6d5"
    spaces = await ask(database, _SPACES)
    assert (spaces.spaces, spaces.assets, spaces.usages, spaces.templates) == (2, 12, 2, [True, False])
    assert spaces.content == [
        "City Bike Spring Launch on Meta|META|demo-03|Nordlicht Cycles|launch|1200|48200|2318.90",
        "City Bike Spring Launch on TikTok|TIKTOK|demo-03|Nordlicht Cycles|launch|1200",
    ]
    assert spaces.texts == "027935f198738336fb696041391a6bdd"


async def test_spaces_of_somebody_else_are_left_alone(database: Database) -> None:
    workspace = await workspaces.create(database, demo.WORKSPACE, "Demo", "Europe/Berlin", "EUR")
    values = {"name": demo_spaces.COPY, "platform": "OTHER", "import_source": "MANUAL_UPLOAD"}
    async with database.write(workspace) as transaction:
        mine = await writing.create(transaction, values, [], "ada")
    await demo_spaces.load(database, workspace, {}, datetime(2026, 3, 2, tzinfo=UTC))
    assert tuple(await ask(database, _SPACES))[:4] == (1, 0, 0, [mine])
    async with database.write(workspace) as transaction:
        await writing.update(transaction, mine, {"name": "Mine"}, None)
    for _ in range(2):
        await demo_spaces.load(database, workspace, {}, datetime(2026, 3, 2, tzinfo=UTC))
    assert tuple(await ask(database, _SPACES))[:3] == (3, 12, 2)


async def test_it_survives_an_interruption_and_company(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    record = recording.record
    calls = []

    async def breaking(transaction: Any, items: Any) -> recording.Outcome:
        calls.append(len(items))
        if len(calls) == 2:
            raise ConnectionError
        return await record(transaction, items)

    with monkeypatch.context() as patch:
        patch.setattr(recording, "record", breaking)
        with pytest.raises(ConnectionError):
            await demo.load(database)
    await asyncio.gather(*(demo.load(database) for _ in range(3)))
    assert (await ask(database, _SHAPE)).impressions == demo.IMPRESSIONS
    assert (await ask(database, _TOTALS))[0] == demo.IMPRESSIONS
    assert tuple(await ask(database, _ENGAGED))[:5] == tuple(await ask(database, _ENGAGED_TOTALS))
    assert (await ask(database, _INTERACTED)).interactions == demo_content.INTERACTIONS + 12
    assert tuple(await ask(database, _SPACES))[:3] == (2, 12, 2)
