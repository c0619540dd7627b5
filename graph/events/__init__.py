"""Events: ``types``, ``metrics``, ``filters``, ``mutations`` that record them, and ``dead_letters``."""
