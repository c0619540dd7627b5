"""Impressions: ``reading`` answers pages, ``recording`` takes new ones in, ``updating`` what became of them."""
