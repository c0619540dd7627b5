"""The kinds of assets, what each is made of, and how large it may be."""

from enum import StrEnum

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


class AssetType(StrEnum):
    """What an asset is to a campaign."""

    IMAGE = "IMAGE"
    VIDEO = "VIDEO"
    AD_COPY = "AD_COPY"
    HEADLINE = "HEADLINE"
    DESCRIPTION = "DESCRIPTION"
    CALL_TO_ACTION = "CALL_TO_ACTION"
    DOCUMENT = "DOCUMENT"
    PERFORMANCE_DATA = "PERFORMANCE_DATA"
    OTHER = "OTHER"


class ImportSource(StrEnum):
    """How what is in a space came into it."""

    MANUAL_UPLOAD = "MANUAL_UPLOAD"
    PLATFORM_API = "PLATFORM_API"
    CSV_IMPORT = "CSV_IMPORT"
    BULK_IMPORT = "BULK_IMPORT"


TEXT_OF = {
    AssetType.AD_COPY: "ad_copy_text",
    AssetType.HEADLINE: "headline_text",
    AssetType.DESCRIPTION: "description",
    AssetType.CALL_TO_ACTION: "cta_text",
}
"""The types that are text and no file, each with the column that it is nothing without."""

LARGEST = {
    AssetType.IMAGE: 64 * MIB,
    AssetType.VIDEO: 4 * GIB,
    AssetType.DOCUMENT: 256 * MIB,
    AssetType.PERFORMANCE_DATA: 256 * MIB,
    AssetType.OTHER: 1 * GIB,
}
"""The types that are files, with the most bytes of one. All but OTHER need a file."""

NEEDS_FILE = tuple(one for one in LARGEST if one is not AssetType.OTHER)
