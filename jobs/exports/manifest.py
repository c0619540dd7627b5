"""The manifest: what an export holds, beside its files, for whoever checks or reads them."""

import hashlib
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import orjson

from db.models.exports import ExportDataset, ExportFormat
from db.queries.exports.working import Part
from jobs.exports.columns import Column, Kind, global_id
from jobs.exports.lines import CSV_RULES

_AS_OF_START = "as of the start: events are never changed, and those recorded later are not here"
_AS_OF_CHUNK = "as of each chunk: each row is as it was when it was read, while the export ran; rows recorded after its start are not here"
_READ = {
    ExportDataset.EVENTS: _AS_OF_START,
    ExportDataset.IMPRESSIONS: _AS_OF_CHUNK,
    ExportDataset.ENGAGEMENTS: f"{_AS_OF_CHUNK}, nor those taken back or deleted before they were read",
}
_SPELLED: dict[ExportFormat, dict[Kind, str]] = {
    ExportFormat.CSV: {},
    ExportFormat.JSONL: {Kind.DECIMAL: "a text", Kind.TIME: "a text, RFC 3339 in UTC", Kind.JSON: "the JSON itself"},
    ExportFormat.PARQUET: {
        Kind.DECIMAL: "decimal128(38, 12)",
        Kind.TIME: "timestamp[us, UTC]",
        Kind.WHOLE: "int64",
        Kind.JSON: "a text that holds JSON",
    },
}


def manifest_name(told: bytes) -> str:
    """What a manifest is called: by its hash, so that no other one ever takes its place."""
    return f"manifest-{hashlib.sha256(told).hexdigest()[:12]}.json"


def manifest(job: Any, columns: Sequence[Column], parts: Sequence[Part]) -> bytes:
    """The manifest of a job whose parts are all finished, as JSON. It follows from these alone."""
    format_ = ExportFormat(job.format)
    told: dict[str, Any] = {
        "exportJobId": global_id("ExportJob", job.id),
        "campaignId": global_id("Campaign", job.campaign_id),
        "clientId": job.client_id,
        "dataset": job.dataset,
        "format": job.format,
        "window": {"from": job.window_from, "to": job.window_to},
        "createdAt": job.created_at,
        "read": _READ[ExportDataset(job.dataset)],
        "order": "occurredAt, then the number in the id",
        "columns": [_told(column, _SPELLED[format_]) for column in columns],
        "rows": sum(part.rows for part in parts),
        "parts": [
            {
                "index": part.index,
                "name": PurePosixPath(part.path).name,
                "rows": part.rows,
                "sizeBytes": part.size_bytes,
                "sha256": part.sha256,
            }
            for part in parts
        ],
    }
    if format_ == ExportFormat.CSV:
        told["csv"] = CSV_RULES
    return orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)


def _told(column: Column, spelled: dict[Kind, str]) -> dict[str, str]:
    told = {"name": column.name, "kind": column.kind.value}
    return {**told, "as": spelled[column.kind]} if column.kind in spelled else told
