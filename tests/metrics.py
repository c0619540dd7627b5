"""What /metrics says, by name and labels."""

from prometheus_client.parser import text_string_to_metric_families

from tests.api import Api


async def scraped(api: Api) -> str:
    """The text, asked for without a credential."""
    answer = await api.as_(None).client.get("/metrics")
    assert answer.status_code == 200
    return answer.text


async def samples(api: Api, prefix: str) -> dict[str, float]:
    """The samples whose names begin so (after ``groundswell_``), by name and labels, like ``operations_total{a,b}``.

    Labels are in the order of their names. Without buckets, and without sums of times, which no two runs have in common.
    """
    found = {}
    for family in text_string_to_metric_families(await scraped(api)):
        for sample in family.samples:
            name = sample.name.removeprefix("groundswell_")
            is_time = name.endswith(("_bucket", "_seconds_sum", "_seconds_total"))
            if name.startswith(prefix) and not is_time:
                labels = ",".join(value for _, value in sorted(sample.labels.items()))
                found[f"{name}{{{labels}}}" if labels else name] = sample.value
    return found
