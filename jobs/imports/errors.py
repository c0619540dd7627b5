"""What stops an import as a whole. What is wrong with one row is a reject and stops nothing."""


class ImportFailedError(Exception):
    """The import cannot go on; the message tells the user why in a sentence or two."""
