"""What every fault of another machine, or of the way to it, has in common."""


class RemoteError(Exception):
    """Something elsewhere cannot be reached or refuses; says what to look at, without credentials."""
