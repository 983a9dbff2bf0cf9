"""`python -m tests.validation`: compare every reference figure, write docs/validation.md, fail if one is out."""

import sys

from tests.validation.figures import FOLDER
from tests.validation.page import DOCUMENT, SECTIONS, THROUGH_THE_PIPELINE, page


def main() -> int:
    """0 where all are within tolerance, or where there are no figures to compare with."""
    if not FOLDER.exists():
        print(f"the reference figures are not beside this checkout: {DOCUMENT.name} stays as it is")
        return 0
    sections = [compute() for compute in (*SECTIONS, *THROUGH_THE_PIPELINE)]
    DOCUMENT.write_text(page(sections), encoding="utf-8")
    out = [f"{one.title}: {figure}" for one in sections for figure in one.figures if not figure.is_within]
    print("\n".join([*out, f"{sum(len(one.figures) for one in sections)} figures, {len(out)} out of tolerance"]))
    return 1 if out else 0


if __name__ == "__main__":
    sys.exit(main())
