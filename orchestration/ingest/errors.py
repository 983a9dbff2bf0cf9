"""The two ways in which ingest cannot go on."""


class BadFileError(Exception):
    """A log file that cannot be read as its source says, which fails the day; told after the file's name."""


class IngestError(Exception):
    """A fault of the machine or the set-up, not of the data: nothing was changed; try again when mended."""


class SourceUnavailableError(Exception):
    """A source on another machine that cannot be read now: says which, why, and what to look at."""


def first_line(error: Exception) -> str:
    """What a database error says, without the query it quotes."""
    return str(error).strip().split("\n", 1)[0]
