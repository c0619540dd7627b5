"""Assets: creatives in spaces, as files or texts."""
