"""What platforms export: their ads, and reports of figures, the real ones recounted and others that are made to be difficult."""

import csv
import io
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from db.errors import ProblemCode, Refused, invalid
from db.models.asset_items import NewAsset
from db.models.asset_kinds import AssetType
from db.models.platforms import Platform
from db.models.space_items import Figures
from jobs.asset_imports import reports
from jobs.asset_imports.manifests import Row
from jobs.asset_imports.platforms import adapter_of
from jobs.asset_imports.reports import Report, read_report

REPORTS = Path(__file__).parents[3] / "shared/data/ad-reports"
real = pytest.mark.skipif(not REPORTS.exists(), reason=f"the real reports are not here: {REPORTS}")
ADS = "microsoft_ads_ad_history_data.csv"
AD_REPORT = "microsoft_ads_ad_performance_daily_report_data.csv"
CAMPAIGN_REPORT = "microsoft_ads_campaign_performance_daily_report_data.csv"
GOOGLE_REPORT = "google_ads_campaign_stats_data.csv"


def in_euros(_: str) -> str:
    return "EUR"


def report_of(platform: Platform, text: str, currency: Callable[[str], str] = in_euros) -> Report:
    return read_report(platform, io.BytesIO(text.encode()), currency)


def real_report(platform: Platform, name: str) -> Report:
    with (REPORTS / name).open("rb") as file:
        return read_report(platform, file, in_euros)


def real_rows(name: str) -> Iterator[dict[str, str]]:
    with (REPORTS / name).open(newline="") as file:
        yield from csv.DictReader(file)


def recount(name: str, key: str, columns: dict[str, str]) -> dict[str, dict[str, Decimal]]:
    sums: dict[str, dict[str, Decimal]] = {}
    for row in real_rows(name):
        mine = sums.setdefault(row[key], {})
        for figure, column in columns.items():
            if row[column]:
                mine[figure] = mine.get(figure, Decimal(0)) + Decimal(row[column])
    return sums


def refused(work: Callable[[], Any]) -> tuple[ProblemCode, str]:
    with pytest.raises(Refused) as refusal:
        work()
    [problem] = refusal.value.problems
    assert problem.field == ("file",)
    return problem.code, problem.message


MICROSOFT = {name: name for name in ("impressions", "clicks", "conversions", "spend", "revenue")}


@real
def test_microsoft_s_campaigns_add_up_day_by_day() -> None:
    report = real_report(Platform.MICROSOFT_ADS, CAMPAIGN_REPORT)
    expected = recount(CAMPAIGN_REPORT, "campaign_id", MICROSOFT)
    assert report.spaces == {key: Figures(sums, "USD") for key, sums in expected.items()}
    assert report.spaces["359751135"].values == {
        "impressions": 4791,
        "clicks": 151,
        "conversions": 2,
        "spend": Decimal("593.91"),
        "revenue": Decimal("0.01"),
    }
    assert (report.assets, report.rejected, sum(map(len, report.rows.values()))) == ({}, [], 2630)
    assert {key: rows[0] for key, rows in report.rows.items()} == {
        key: next(index for index, row in enumerate(real_rows(CAMPAIGN_REPORT)) if row["campaign_id"] == key)
        for key in expected
    }


@real
def test_microsoft_s_ads_add_up_and_say_nothing_of_their_campaigns() -> None:
    report = real_report(Platform.MICROSOFT_ADS, AD_REPORT)
    expected = recount(AD_REPORT, "ad_id", MICROSOFT)
    assert report.assets == {key: Figures(sums, "USD") for key, sums in expected.items()}
    assert (len(report.assets), report.assets["84181395865931"].values["spend"]) == (5, Decimal("155.53"))
    assert (report.spaces, report.rejected, sum(map(len, report.rows.values()))) == ({}, [], 401)


@real
def test_the_row_with_more_clicks_than_impressions_is_kept() -> None:
    [header, *_] = (REPORTS / CAMPAIGN_REPORT).read_text().splitlines()
    [odd] = [row for row in real_rows(CAMPAIGN_REPORT) if int(row["clicks"]) > int(row["impressions"])]
    report = report_of(Platform.MICROSOFT_ADS, f"{header}\n{','.join(odd.values())}\n")
    assert report.spaces["349886458"].values == {
        "impressions": 1,
        "clicks": 2,
        "conversions": 0,
        "spend": Decimal("0.66"),
        "revenue": 0,
    }


@real
def test_google_s_money_is_in_millionths_of_a_currency_that_it_does_not_say() -> None:
    report = real_report(Platform.GOOGLE_ADS, GOOGLE_REPORT)
    columns = {"impressions": "impressions", "clicks": "clicks", "conversions": "conversions", "spend": "cost_micros"}
    [(key, sums)] = recount(GOOGLE_REPORT, "id", columns).items()
    assert report.spaces == {key: Figures({**sums, "spend": sums["spend"] / 1_000_000}, "EUR")}
    assert report.spaces["9935249409"].values == {
        "impressions": 1854,
        "clicks": 280,
        "conversions": 0,
        "spend": Decimal("231.33"),
    }
    assert (report.assets, report.rejected, report.rows) == ({}, [], {"9935249409": list(range(16))})


@real
@pytest.mark.parametrize("platform", [Platform.GOOGLE_ADS, Platform.MICROSOFT_ADS])
def test_history_holds_no_figures(platform: Platform) -> None:
    name = f"{platform.lower()}_campaign_history_data.csv"
    assert refused(lambda: real_report(platform, name)) == (
        ProblemCode.UNSUPPORTED_TYPE,
        "This report holds no figures: impressions and clicks are missing.",
    )


@pytest.mark.parametrize(
    ("platform", "header", "message"),
    [
        (Platform.TIKTOK, "id", "Reports of TIKTOK are not read yet. Those of GOOGLE_ADS, MICROSOFT_ADS are."),
        (Platform.GOOGLE_ADS, "id,clicks", "This is no report that is known: it must have the columns clicks, "),
        (
            Platform.MICROSOFT_ADS,
            "date,campaign_id,ad_group_id,currency_code,impressions,clicks,conversions,spend,revenue",
            "This is no report that is known: with the columns ad_group_id it is one of something else.",
        ),
        (
            Platform.GOOGLE_ADS,
            "date,id,base_ad_group,impressions,clicks,conversions,cost_micros",
            "This is no report that is known: with the columns base_ad_group it is one of something else.",
        ),
    ],
)
def test_reports_of_other_things_are_refused(platform: Platform, header: str, message: str) -> None:
    code, said = refused(lambda: report_of(platform, f"{header}\n"))
    assert (code, said.startswith(message)) == (ProblemCode.UNSUPPORTED_TYPE, True)


def google(*rows: str) -> Report:
    header = "_fivetran_id,_fivetran_synced,id,date,device,ad_network_type,impressions,clicks,conversions,cost_micros"
    return report_of(Platform.GOOGLE_ADS, "\n".join([header, *rows]) + "\n")


def test_of_several_versions_of_a_row_the_one_fetched_last_counts() -> None:
    report = google(
        "a,2021-06-29 17:10:11,1,d,MOBILE,SEARCH,1,0,0,0",
        "a,2021-06-29T16:10:11-01:30,1,d,MOBILE,SEARCH,10,0,0,0",  # 17:40:11 in UTC, whatever the letters say
        "a,2021-06-29T17:09:59.5,1,d,MOBILE,SEARCH,100,0,0,0",
        "b,2021-06-29 17:10:11,1,d,MOBILE,SEARCH,1000,0,0,0",
        "b,2021-06-29 17:10:11,1,d,MOBILE,SEARCH,10000,0,0,0",
    )
    assert (report.spaces["1"].values["impressions"], report.rows) == (10_010, {"1": [1, 4]})


def test_keys_that_a_spreadsheet_has_made_errors_of_are_no_keys() -> None:
    report = google(
        "#ERROR!,2021-01-01,1,2021-01-01,MOBILE,SEARCH,1,0,0,0",
        "#ERROR!,2021-01-01,1,2021-01-02,MOBILE,SEARCH,10,0,0,0",
        "#ERROR!,2021-01-02,1,2021-01-01,MOBILE,SEARCH,100,0,0,0",
        ",2021-01-01,1,2021-01-02,DESKTOP,SEARCH,1000,0,0,0",
    )
    assert report.spaces["1"].values["impressions"] == 1_110
    bare = "_fivetran_synced,id,date,impressions,clicks,conversions,cost_micros\n" + "s,1,d,1,0,0,0\n" * 2
    assert report_of(Platform.GOOGLE_ADS, bare).spaces["1"].values["impressions"] == 2


def test_parts_of_conversions_are_rounded_once_and_figures_that_no_row_has_stay_unknown() -> None:
    report = google("a,s,1,d,x,y,,1,0.3,", "b,s,1,e,x,y,,,0.2,", "c,s,2,d,x,y,5.0,,,1", "d,s,2,e,x,y,,,0.49,")
    assert report.spaces == {
        "1": Figures({"impressions": None, "clicks": 1, "conversions": 1, "spend": None}, None),
        "2": Figures({"impressions": 5, "clicks": None, "conversions": 0, "spend": Decimal("0.000001")}, "EUR"),
    }


def microsoft(*rows: str) -> Report:
    header = "date,ad_id,currency_code,impressions,clicks,conversions,spend,revenue"
    return report_of(Platform.MICROSOFT_ADS, "\n".join([header, *rows]) + "\n")


def test_sums_lose_no_digit() -> None:
    report = microsoft(
        "d,1,USD,9007199254740990,0,0,999999999999999.000000000001,0.10",
        "e,1,USD,1,0,0,0.000000000001,0.2000000000000",
        *["f,2,USD,0,0,0,0.1,1e2"] * 10,
    )
    assert report.assets["1"].values["impressions"] == 2**53 - 1
    assert report.assets["1"].values["spend"] == Decimal("999999999999999.000000000002")
    assert [str(report.assets[key].values["revenue"]) for key in "12"] == ["0.3", "1000"]
    assert str(report.assets["2"].values["spend"]) == "1.0"


def test_amounts_of_several_currencies_are_never_added() -> None:
    report = microsoft(
        "d,1,,1,0,0,,",
        "e,1,USD,1,0,0,2,1",
        "f,1,EUR,1,0,0,1,1",
        "g,1,USD,1,0,0,1,",
        "h,1,,1,0,0,1,",
        "d,2,EUR,0,0,0,1,1",
    )
    assert report.assets["1"] == Figures(
        {"impressions": 3, "clicks": 0, "conversions": 0, "spend": Decimal(3), "revenue": Decimal(1)}, "USD"
    )
    assert (report.assets["2"].currency, report.rows) == ("EUR", {"1": [0, 1, 3], "2": [5]})
    mixed = "Its other rows are in USD: amounts of several currencies are never added."
    assert report.rejected == [
        (2, [invalid(mixed, "currency_code")]),
        (4, [invalid("A currency is three capital letters, ISO 4217.", "currency_code")]),
    ]


def test_what_is_wrong_with_a_row_is_rejected_with_its_place() -> None:
    report = microsoft(
        *("d,1,USD,one,0,0,1,1", "d,1,USD,1.5,0,0,1,1", "d,1,USD,0,1_0,0,1,1", "d,1,USD,0,0,NaN,1,1"),
        *("d,1,USD,0,0,0,=1+1,1", "d,1,USD,0,0,0,1e18,1", f"d,1,USD,0,0,0,0.{'0' * 18}1,1", "d, ,USD,0,0,0,1,1"),
        *("d,1,USD", "", ",,,,,,,", "d,2,USD,-1,0,0,1,1", "d,1,USD,1,1,1,1,1"),
    )
    assert report.assets == {
        "1": Figures(dict.fromkeys(("impressions", "clicks", "conversions", "spend", "revenue"), 1), "USD")
    }
    assert sorted((index, problem.field, problem.message) for index, [problem] in report.rejected) == [
        (0, ("impressions",), "This is no number: one."),
        (1, ("impressions",), "This must be a whole number."),
        (2, ("clicks",), "This is no number: 1_0."),
        (3, ("conversions",), "This is no number: NaN."),
        (4, ("spend",), "This is no number: =1+1."),
        (5, ("spend",), "This must be below 10^18."),
        (6, ("spend",), "At most 18 decimal places."),
        (7, ("ad_id",), "The id is missing."),
        (8, ("row",), "The row has 3 cells, and the header 8."),
        (9, ("impressions",), "This must be zero or more, and at most 2^53-1."),
    ]


def test_a_report_has_so_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "MOST_ROWS", 2)
    rows = ["d,1,USD,1,1,1,1,1"] * 3
    assert (len(microsoft(*rows[:2]).rows["1"]), refused(lambda: microsoft(*rows))) == (
        2,
        (ProblemCode.TOO_LARGE, "At most 2 rows."),
    )


def ads(text: str | bytes, platform: Platform = Platform.MICROSOFT_ADS) -> list[Row]:
    return list(adapter_of(platform).rows(io.BytesIO(text.encode() if isinstance(text, str) else text)))


@real
def test_microsoft_s_real_ads_are_headlines_with_their_texts_as_they_are() -> None:
    found = ads((REPORTS / ADS).read_bytes())
    assert [(row.key, row.problems) for row in found] == [(row["id"], []) for row in real_rows(ADS)]
    assert found[0].asset == NewAsset(
        AssetType.HEADLINE,
        name="Connect Marketo with Fivetran",
        title="Connect Marketo with Fivetran",
        headline_text="Connect Marketo with Fivetran | Automate Your Data Pipeline | No Maintenance Required",
        external_asset_id="83769087188948",
        platform_metadata={
            "status": "Active",
            "type": "Expanded Text Ad",
            "final_url": "https://fivetran.com/directory/marketo",
            "domain": "fivetran.com",
            "ad_group_id": "1340304934202281",
            "modified_time": "2019-04-18T13:49:15.253",
        },
    )
    assert [row.asset and row.asset.headline_text for row in found] == [
        " | ".join((row["title"], row["title_part_2"], row["title_part_3"])) for row in real_rows(ADS)
    ]


HEADER = "id,modified_time,status,type,title,title_part_2,title_part_3,final_url,ad_group_id\n"


def test_of_an_ad_the_version_modified_last_counts_and_deleted_ones_are_kept() -> None:
    found = ads(
        f"{HEADER}7,2020-01-01T00:00:00,Active,Ad,Old,,,u,1\n7,2020-03-01T00:00:00,Deleted,Ad,New,,Third,u,1\n"
        "7,2020-02-01T00:00:00,Paused,Ad,Between,,,u,1\n8,never,Active,Ad,x,,,u,1\n ,2020-01-01,Active,Ad,x,,,u,1\n"
        "9,2020-01-01,Active,Ad,,,,u,1\n10,2020-01-01\n"
    )
    assert [(row.index, row.key, row.problems) for row in found] == [
        (3, "8", [invalid("This is no time.", "modified_time")]),
        (4, None, [invalid("The id is missing.", "id")]),
        (6, "10", [invalid("The row has 2 cells, and the header 9.", "row")]),
        (1, "7", []),
        (5, "9", [invalid("An asset of the type HEADLINE needs this text.", "headline_text")]),
    ]
    kept = found[3].asset
    assert kept is not None
    assert (kept.headline_text, kept.platform_metadata["status"]) == ("New | Third", "Deleted")


def test_what_lies_beside_an_ad_is_only_so_long() -> None:
    [row] = ads(f"{HEADER}7,2020-01-01,Active,Ad,x,,,{'u' * 70_000},1\n")
    [problem] = row.problems
    assert (problem.field, problem.message.startswith("At most 65,536 bytes of JSON")) == (("platform_metadata",), True)


def test_other_platforms_and_other_files_are_refused_by_name() -> None:
    assert refused(lambda: ads("id\n", Platform.GOOGLE_ADS)) == (
        ProblemCode.UNSUPPORTED_TYPE,
        "There is no adapter yet for what GOOGLE_ADS exports. There is one for MICROSOFT_ADS.",
    )
    assert refused(lambda: ads("id,modified_time,status,type,title,final_url\n")) == (
        ProblemCode.UNSUPPORTED_TYPE,
        "This is no history of Microsoft Advertising's ads: the columns title_part_2, title_part_3, ad_group_id are missing.",
    )
    many = "".join(f"{index},2020-01-01,Active,Ad,x,,,u,1\n" for index in range(5_001))
    assert refused(lambda: ads(HEADER + many)) == (ProblemCode.TOO_LARGE, "At most 5,000 ads.")
