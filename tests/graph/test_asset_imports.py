"""Importing assets from manifests, archives and what platforms export, and the platforms' own reports."""

import csv
import io
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.api import Api
from tests.creatives import change, create_asset, create_space, picture, send
from tests.facts import create_campaign

REPORTS = Path(__file__).parents[3] / "shared" / "data" / "ad-reports"
real = pytest.mark.skipif(not REPORTS.is_dir(), reason="the real reports lie in ../shared/data, which is not here")
IMPORTED = "accepted duplicates rejected { index key code message field } userErrors { code message field } space { importSource importedAt }"
TAKEN = "accepted duplicates rejected { index key code message field } userErrors { code message field }"
PERFORMANCE = "performance { impressions clicks conversions spend { amount currency } revenue { amount currency } clickThroughRate roas }"


async def take_in(api: Api, space_id: str, source: str, file: bytes, name: str = "file") -> Any:
    payload = await send(api, "importAssets", {"spaceId": space_id, "source": source}, file, name, IMPORTED)
    space = payload.pop("space")
    if not payload["userErrors"]:
        assert (space["importSource"], space["importedAt"] is not None) == (source, True)
    return payload


def zipped(*files: tuple[str, bytes], packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", packed) as archive:
        for name, content in files:
            archive.writestr(
                zipfile.ZipInfo(name), content, packed
            )  # without the time, so that tests have the same names
    return target.getvalue()


def short(payload: Any) -> tuple[int, int, list[tuple[int, str, list[str]]]]:
    assert payload["userErrors"] == []
    rejected = [(one["index"], one["code"], one["field"]) for one in payload["rejected"]]
    return payload["accepted"], payload["duplicates"], rejected


async def refused(api: Api, space_id: str, source: str, file: bytes) -> list[str]:
    payload = await take_in(api, space_id, source, file)
    assert (payload["accepted"], payload["rejected"]) == (0, [])
    assert [one["field"] for one in payload["userErrors"]] in ([["file"]], [["source"]])
    return [one["code"] for one in payload["userErrors"]]


async def assets(api: Api, fields: str) -> Any:
    return (await api.data(f"{{ assets {{ nodes {{ {fields} }} }} }}"))["assets"]["nodes"]


async def test_a_manifest_row_by_row_and_again(api: Api) -> None:
    space_id = await create_space(api)
    manifest = """\ufefftype,Headline Text,adCopyText,name,external_asset_id,tags,platformMetadata
headline,"=HYPERLINK(""x"")",,,h-1,hero; sale|,"{""a"": 1}"
AD_COPY,,+1 for all,Copy,,,

Image,,,,,,
nonsense,,,,,,
AD_COPY,,x,,,,{
AD_COPY,,x
HEADLINE,,,,,,
CALL_TO_ACTION,x,,,h-1,,
""".encode()
    payload = await take_in(api, space_id, "CSV_IMPORT", manifest)
    assert short(payload) == (
        2,
        0,
        [
            (2, "INVALID", ["type"]),
            (3, "INVALID", ["type"]),
            (4, "INVALID", ["platformMetadata"]),
            (5, "INVALID", ["row"]),
            (6, "INVALID", ["headlineText"]),
            (7, "INVALID", ["ctaText"]),
        ],
    )
    assert await assets(api, "name type headlineText adCopyText externalAssetId tags platformMetadata") == [
        {
            "name": "Copy",
            "type": "AD_COPY",
            "headlineText": None,
            "adCopyText": "+1 for all",
            "externalAssetId": None,
            "tags": [],
            "platformMetadata": None,
        },
        {
            "name": '=HYPERLINK("x")',
            "type": "HEADLINE",
            "headlineText": '=HYPERLINK("x")',
            "adCopyText": None,
            "externalAssetId": "h-1",
            "tags": ["hero", "sale"],
            "platformMetadata": {"a": 1},
        },
    ]
    again = await take_in(
        api, space_id, "CSV_IMPORT", b"type,headlineText,externalAssetId\nHEADLINE,x,h-1\nHEADLINE,y,h-2\n"
    )
    assert short(again) == (1, 1, [])
    other = await create_space(api, "Other")
    elsewhere = await take_in(api, other, "CSV_IMPORT", b"type,headlineText,externalAssetId\nHEADLINE,x,h-1\n")
    assert short(elsewhere) == (0, 0, [(0, "CONFLICT", ["externalAssetId"])])


@pytest.mark.parametrize(
    ("source", "file", "code"),
    [
        ("CSV_IMPORT", b"", "INVALID"),
        ("CSV_IMPORT", b"type,colour\nHEADLINE,red\n", "INVALID"),
        ("CSV_IMPORT", b"type,type\nHEADLINE,x\n", "INVALID"),
        ("CSV_IMPORT", b'type,name\nHEADLINE,"never closed\n', "INVALID"),
        ("CSV_IMPORT", b"type,name\nHEADLINE,a\0b\n", "INVALID"),
        ("CSV_IMPORT", b"type,name\nHEADLINE,\xff\n", "INVALID"),
        ("CSV_IMPORT", b"type\n" + b"HEADLINE\n" * 5001, "TOO_LARGE"),
        ("BULK_IMPORT", b"no zip", "UNSUPPORTED_TYPE"),
        ("BULK_IMPORT", zipped(("a.png", b"x" * 1000))[:-30], "UNSUPPORTED_TYPE"),
        ("BULK_IMPORT", zipped(*((f"{n}.png", b"x") for n in range(2001))), "TOO_LARGE"),
        ("PLATFORM_API", b"id,title\n", "UNSUPPORTED_TYPE"),
        ("MANUAL_UPLOAD", b"x", "INVALID"),
    ],
)
async def test_a_file_that_is_wrong_as_a_whole_is_refused(api: Api, source: str, file: bytes, code: str) -> None:
    assert await refused(api, await create_space(api), source, file) == [code]
    assert await assets(api, "id") == []


async def test_an_archive_file_by_file(api: Api) -> None:
    space_id = await create_space(api)
    bomb = b"\0" * (2 * 1024 * 1024)
    files = [
        ("Sommer/hero.png", picture(1)),
        ("Sommer/again.png", picture(1)),
        ("notes.txt", b"Half price"),
        ("../../etc/passwd", b"x"),
        ("C:\\windows.png", picture(2)),
        ("fake.png", b"%PDF-1.4 not a picture"),
        ("broken.png", picture(3)[:-40]),
        ("bomb.txt", bomb),
        ("__MACOSX/x.png", b"x"),
        (".hidden", b"x"),
    ]
    payload = await take_in(api, space_id, "BULK_IMPORT", zipped(*files))
    accepted, duplicates, rejected = short(payload)
    assert (accepted, duplicates) == (2, 1)
    assert rejected == [
        (3, "INVALID", ["fileName"]),
        (4, "INVALID", ["fileName"]),
        (5, "UNSUPPORTED_TYPE", ["file"]),
        (6, "INVALID", ["file"]),
        (7, "TOO_LARGE", ["fileName"]),
    ]
    assert await assets(api, "name type fileName") == [
        {"name": "notes", "type": "DOCUMENT", "fileName": "notes.txt"},
        {"name": "hero", "type": "IMAGE", "fileName": "hero.png"},
    ]


async def test_an_archive_with_a_manifest(api: Api) -> None:
    space_id = await create_space(api)
    manifest = b"type,fileName,name,tags,headlineText\nIMAGE,a/hero.png,Hero,x;y,\nHEADLINE,,,,Buy\nIMAGE,missing.png,,,\n,a/hero2.png,,,\n"
    files = [("manifest.csv", manifest), ("a/hero.png", picture(1)), ("a/hero2.png", picture(2)), ("left.png", b"x")]
    assert short(await take_in(api, space_id, "BULK_IMPORT", zipped(*files))) == (
        3,
        0,
        [(2, "NOT_FOUND", ["fileName"])],
    )
    assert await assets(api, "name type tags fileName") == [
        {"name": "hero2.png", "type": "IMAGE", "tags": [], "fileName": "hero2.png"},
        {"name": "Buy", "type": "HEADLINE", "tags": [], "fileName": None},
        {"name": "Hero", "type": "IMAGE", "tags": ["x", "y"], "fileName": "hero.png"},
    ]


async def test_of_several_versions_of_an_ad_the_latest_counts(api: Api) -> None:
    space_id = await create_space(api, platform="MICROSOFT_ADS")
    header = "id,title_part_1,final_url,ad_group_id,modified_time,status,type,title,title_part_2,title_part_3,domain\n"
    rows = "7,x,https://a,1,2020-02-01T00:00:00,Paused,Ad,New,More,,a\n7,x,https://a,1,2020-01-01T00:00:00,Active,Ad,Old,,,a\n"
    assert short(await take_in(api, space_id, "PLATFORM_API", (header + rows).encode())) == (1, 0, [])
    [found] = await assets(api, "name type headlineText externalAssetId platformMetadata")
    assert (found["headlineText"], found["externalAssetId"]) == ("New | More", "7")
    assert found["platformMetadata"]["status"] == "Paused"
    google = await create_space(api, "Google", platform="GOOGLE_ADS")
    payload = await take_in(api, google, "PLATFORM_API", (header + rows).encode())
    assert payload["userErrors"][0]["message"].startswith("There is no adapter yet for what GOOGLE_ADS exports.")


async def report(api: Api, platform: str, file: bytes) -> Any:
    return await send(api, "importPerformance", {"platform": platform}, file, "report.csv", TAKEN)


@real
async def test_microsoft_s_real_reports_become_the_figures_of_spaces_and_ads(api: Api) -> None:
    ads = (REPORTS / "microsoft_ads_ad_history_data.csv").read_bytes()
    space_id = await create_space(api, platform="MICROSOFT_ADS", externalCampaignId="359751135")
    assert short(await take_in(api, space_id, "PLATFORM_API", ads)) == (10, 0, [])
    assert short(await take_in(api, space_id, "PLATFORM_API", ads)) == (0, 10, [])
    expected: dict[str, list[Any]] = {}
    file = REPORTS / "microsoft_ads_ad_performance_daily_report_data.csv"
    with file.open(newline="") as rows:
        for row in csv.DictReader(rows):
            sums = expected.setdefault(row["ad_id"], [0, 0, Decimal(0)])
            sums[0] += int(row["impressions"])
            sums[1] += int(row["clicks"])
            sums[2] += Decimal(row["spend"])
    payload = await report(api, "MICROSOFT_ADS", file.read_bytes())
    known = {one["externalAssetId"]: one["performance"] for one in await assets(api, f"externalAssetId {PERFORMANCE}")}
    assert payload["accepted"] == len(set(known) & set(expected))
    assert {one["key"] for one in payload["rejected"]} == set(expected) - set(known)
    for ad in set(known) & set(expected):
        found = known[ad]
        assert [found["impressions"], found["clicks"], Decimal(found["spend"]["amount"])] == expected[ad]
        assert found["spend"]["currency"] == "USD"
    campaigns = (REPORTS / "microsoft_ads_campaign_performance_daily_report_data.csv").read_bytes()
    payload = await report(api, "MICROSOFT_ADS", campaigns)
    assert (payload["accepted"], [one["code"] for one in payload["rejected"]]) == (1, ["NOT_FOUND", "NOT_FOUND"])
    rows_of = [row for row in csv.DictReader(io.StringIO(campaigns.decode())) if row["campaign_id"] == "359751135"]
    query = f"query ($id: ID!) {{ space(id: $id) {{ {PERFORMANCE} }} }}"
    found = (await api.data(query, id=space_id))["space"]["performance"]
    assert found["impressions"] == sum(int(row["impressions"]) for row in rows_of)
    assert Decimal(found["spend"]["amount"]) == sum(Decimal(row["spend"]) for row in rows_of)


@real
async def test_google_s_real_report_is_in_micros_and_in_the_campaign_s_currency(api: Api) -> None:
    campaign = await create_campaign(api, currency="CHF")
    space_id = await create_space(api, platform="GOOGLE_ADS", externalCampaignId="9935249409", campaignId=campaign)
    file = REPORTS / "google_ads_campaign_stats_data.csv"
    with file.open(newline="") as rows:
        micros = sum(int(row["cost_micros"]) for row in csv.DictReader(rows))
    assert (await report(api, "GOOGLE_ADS", file.read_bytes()))["accepted"] == 1
    query = f"query ($id: ID!) {{ space(id: $id) {{ {PERFORMANCE} }} }}"
    found = (await api.data(query, id=space_id))["space"]["performance"]
    assert found["spend"]["currency"] == "CHF"
    assert Decimal(found["spend"]["amount"]) == Decimal(micros) / 1_000_000
    assert (found["conversions"], found["revenue"]) == (0, None)
    history = (REPORTS / "google_ads_campaign_history_data.csv").read_bytes()
    [wrong] = (await report(api, "GOOGLE_ADS", history))["userErrors"]
    assert (wrong["code"], wrong["message"]) == (
        "UNSUPPORTED_TYPE",
        "This report holds no figures: impressions and clicks are missing.",
    )


async def test_a_report_s_versions_currencies_and_broken_rows(api: Api) -> None:
    await create_space(api, platform="GOOGLE_ADS", externalCampaignId="1")
    header = "_fivetran_id,_fivetran_synced,id,date,device,ad_network_type,impressions,clicks,conversions,cost_micros\n"
    rows = "a,2,1,d,x,y,10,20,0.5,1500000\na,1,1,d,x,y,99,99,99,99\nb,1,1,e,x,y,1,,1.0,1\nc,1,1,f,x,y,one,1,1,1\n"
    payload = await report(api, "GOOGLE_ADS", (header + rows).encode())
    assert (payload["accepted"], [(one["index"], one["field"]) for one in payload["rejected"]]) == (
        1,
        [(3, ["impressions"])],
    )
    [found] = (await api.data(f"{{ spaces {{ nodes {{ {PERFORMANCE} }} }} }}"))["spaces"]["nodes"]
    assert found["performance"] == {
        "impressions": 11,
        "clicks": 20,
        "conversions": 2,
        "spend": {"amount": "1.500001", "currency": "EUR"},
        "revenue": None,
        "clickThroughRate": 181.82,
        "roas": None,
    }
    space_id = await create_space(api, "Microsoft", platform="MICROSOFT_ADS")
    await create_asset(api, space_id, externalAssetId="7")
    header = "date,ad_id,campaign_id,currency_code,impressions,clicks,conversions,spend,revenue\n"
    rows = "d,7,1,USD,1,1,,2.50,5\ne,7,1,EUR,1,1,,1,1\n,,,,,,,,\nf,8,1,USD,1,1,1,1,1\n"
    payload = await report(api, "MICROSOFT_ADS", (header + rows).encode())
    assert (payload["accepted"], [(one["index"], one["code"]) for one in payload["rejected"]]) == (
        1,
        [(1, "INVALID"), (2, "NOT_FOUND")],
    )
    [asset] = await assets(api, PERFORMANCE)
    assert (asset["performance"]["conversions"], asset["performance"]["roas"]) == (None, 2.0)
    [wrong] = (await report(api, "TIKTOK", b"id\n"))["userErrors"]
    assert wrong["code"] == "UNSUPPORTED_TYPE"
    await change(api, "updateSpacePerformance", {"id": space_id, "clicks": 1}, "userErrors { code }")


async def test_money_that_stays_keeps_its_currency_and_refuses_another(api: Api) -> None:
    kept = await create_space(api, "Kept", platform="GOOGLE_ADS", externalCampaignId="1")
    await create_space(api, "Free", platform="GOOGLE_ADS", externalCampaignId="2")
    revenue = {"id": kept, "revenue": {"amount": "100", "currency": "USD"}}
    await change(api, "updateSpacePerformance", revenue, "userErrors { code }")
    rows = b"id,date,impressions,clicks,conversions,cost_micros\n2,d,1,1,1,5000000\n1,d,1,1,1,5000000\n"
    payload = await report(api, "GOOGLE_ADS", rows)
    assert (payload["accepted"], [(one["index"], one["code"], one["field"]) for one in payload["rejected"]]) == (
        1,
        [(1, "INVALID", ["spend"])],
    )
    found = (await api.data(f"{{ spaces {{ nodes {{ {PERFORMANCE} }} }} }}"))["spaces"]["nodes"]
    assert [(one["performance"]["spend"], one["performance"]["revenue"]) for one in found] == [
        ({"amount": "5", "currency": "EUR"}, None),
        (None, {"amount": "100", "currency": "USD"}),
    ]


async def test_a_file_that_no_asset_came_to_hold_is_left_to_be_swept(api: Api) -> None:
    await create_asset(api, await create_space(api, "Other"), externalAssetId="x")
    manifest = b"type,fileName,externalAssetId\nIMAGE,a.png,x\nIMAGE,b.png,y\n"
    file = zipped(("manifest.csv", manifest), ("a.png", picture(1)), ("b.png", picture(2)))
    payload = await take_in(api, await create_space(api), "BULK_IMPORT", file)
    assert short(payload) == (1, 0, [(0, "CONFLICT", ["externalAssetId"])])
    async with api.database.everywhere() as transaction:
        assert await transaction.scalar(text("SELECT count(*) FROM blobs WHERE unused_since IS NOT NULL")) == 1
        assert await transaction.scalar(text("SELECT count(*) FROM blobs")) == 2
