"""API clients: ``directory`` finds them by their secrets, ``types`` and ``mutations`` are what admins see of them."""
