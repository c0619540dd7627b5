"""Spaces: folders of creatives for one platform."""
