"""``python -m loadtests [NAME]``: measure and print; the names are in `NAMES`.

Numbers after ``clearing_scale`` are the sizes to measure: ``clearing_scale 1000 1000000``.
"""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = ("audit", "checker", "clearing", "clearing_scale", "ledger", "pipeline")


def main() -> int:
    """Run the named measurements, all if none is named."""
    sizes = [word for word in sys.argv[1:] if word.isdigit()]
    chosen = [word for word in sys.argv[1:] if not word.isdigit()] or list(NAMES)
    unknown = [name for name in chosen if name not in NAMES]
    if unknown:
        sys.stderr.write(f"must be among {', '.join(NAMES)}, was {', '.join(unknown)}\n")
        return 2
    for name in chosen:
        sys.stdout.write(f"== {name}\n")
        arguments = sizes if name == "clearing_scale" else []
        for line in import_module(f"loadtests.{name}").main(*arguments):
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
