"""Write the tables of docs/fault_injection.md."""

from tests.fault_injection.catalogue import MARK, PAGE, tables

if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(text.partition(MARK)[0] + MARK + "\n" + tables(), encoding="utf-8")
