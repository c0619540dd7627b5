"""The platforms that channels, posts and followers are on."""

from enum import StrEnum


class Platform(StrEnum):
    """A platform on which people meet, or ads are shown."""

    GOOGLE_ADS = "GOOGLE_ADS"
    META = "META"
    FACEBOOK = "FACEBOOK"
    INSTAGRAM = "INSTAGRAM"
    LINKEDIN = "LINKEDIN"
    TWITTER = "TWITTER"
    TIKTOK = "TIKTOK"
    SNAPCHAT = "SNAPCHAT"
    PINTEREST = "PINTEREST"
    REDDIT = "REDDIT"
    AMAZON_ADS = "AMAZON_ADS"
    MICROSOFT_ADS = "MICROSOFT_ADS"
    YOUTUBE = "YOUTUBE"
    OTHER = "OTHER"
