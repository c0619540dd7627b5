"""What stops an import as a whole. What is wrong with one row is a reject and stops nothing."""


class ImportFailedError(Exception):
    """The import cannot go on; the message tells the user why in a sentence or two."""


class DamagedFileError(ImportFailedError):
    """The file ends or breaks in its midst. ``what`` is a sentence without its end."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}. What was read before is imported; repair the file and import it again, known rows do no harm."
        )
        self.what = what
