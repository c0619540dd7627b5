"""Engagement: ``recording`` and ``removing`` change it, ``reading`` and ``threads`` answer pages, ``engagers`` people."""
