"""Content types: which ones are told apart, what a path of each ends with, and which types of assets may be of them."""

from db.models.asset_kinds import AssetType

OCTETS = "application/octet-stream"
SVG = "image/svg+xml"
HTML = "text/html"
XML = "application/xml"
ZIP = "application/zip"
PLAIN = "text/plain"
JSON = "application/json"
JSON_LINES = "application/x-ndjson"
_OPEN_XML = "application/vnd.openxmlformats-officedocument"
DOCX = f"{_OPEN_XML}.wordprocessingml.document"
XLSX = f"{_OPEN_XML}.spreadsheetml.sheet"
PPTX = f"{_OPEN_XML}.presentationml.presentation"
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument"

PICTURES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/avif": ".avif",
    "image/bmp": ".bmp",
}
"""What Pillow is given, with the ends of paths."""
VIDEOS = {
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "video/ogg": ".ogv",
    "video/x-msvideo": ".avi",
    "video/mpeg": ".mpg",
    "video/mp2t": ".ts",
    "video/x-ms-wmv": ".wmv",
    "video/x-flv": ".flv",
}
SOUNDS = {
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/ogg": ".ogg",
    "audio/webm": ".weba",
    "audio/x-matroska": ".mka",
    "audio/wav": ".wav",
    "audio/flac": ".flac",
}
TEXTS = {
    PLAIN: ".txt",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "text/markdown": ".md",
    JSON: ".json",
    JSON_LINES: ".jsonl",
}
OFFICE = {
    DOCX: ".docx",
    XLSX: ".xlsx",
    PPTX: ".pptx",
    f"{_OPEN_DOCUMENT}.text": ".odt",
    f"{_OPEN_DOCUMENT}.spreadsheet": ".ods",
    f"{_OPEN_DOCUMENT}.presentation": ".odp",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt",
    "application/rtf": ".rtf",
}
"""Without macros: those are programs."""
EXTENSIONS = {
    **PICTURES,
    **VIDEOS,
    **SOUNDS,
    **TEXTS,
    **OFFICE,
    SVG: ".svg",
    "image/tiff": ".tif",
    "image/heic": ".heic",
    "application/pdf": ".pdf",
    ZIP: ".zip",
    "application/gzip": ".gz",
}
"""What a path ends with. What is not named here ends with ``.bin``, whatever it was called: nobody runs it by a click."""
_ALLOWED = {
    AssetType.IMAGE: frozenset({*PICTURES, SVG}),
    AssetType.VIDEO: frozenset(VIDEOS),
    AssetType.DOCUMENT: frozenset({*OFFICE, *TEXTS, "application/pdf"}),
    AssetType.PERFORMANCE_DATA: frozenset({*TEXTS, XLSX, ZIP}),
}
SHOWN = frozenset(PICTURES) - {"image/bmp"} | {"video/mp4", "video/webm", "audio/mpeg", "audio/ogg", "application/pdf"}
"""What browsers can show where it lies: nothing of it can run there."""
_RUNS = frozenset({HTML, SVG, XML})
"""What a browser would run. It is handed out as mere bytes."""


def extension(content_type: str) -> str:
    """What the path of an object of this type ends with, the dot included."""
    return EXTENSIONS.get(content_type, ".bin")


def is_allowed(kind: AssetType, content_type: str) -> bool:
    """Whether an asset of a type can be of this content. OTHER can be of any."""
    allowed = _ALLOWED.get(kind)
    return allowed is None or content_type in allowed


def served_as(content_type: str) -> tuple[str, str]:
    """How a store that answers by itself is to hand an object out: its Content-Type and Content-Disposition."""
    if content_type in SHOWN:
        return content_type, "inline"
    return (OCTETS if content_type in _RUNS else content_type), "attachment"
