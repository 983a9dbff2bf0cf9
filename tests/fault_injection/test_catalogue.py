"""The page of all faults is that of the tables."""

from tests.fault_injection.catalogue import MARK, PAGE, number_of_faults, tables


def test_the_page_is_up_to_date() -> None:
    """If not: `python -m tests.fault_injection`."""
    assert PAGE.read_text(encoding="utf-8").partition(MARK + "\n")[2] == tables()


def test_there_are_at_least_forty_faults() -> None:
    assert number_of_faults() >= 40
