"""Assets: reading and writing, uploads, and sweeping what nothing holds."""
