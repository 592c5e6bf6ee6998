"""``python -m loadtests [NAME]``: measure and print; the names are in `NAMES`.

Numbers after ``clearing_scale`` are the sizes to measure: ``clearing_scale 1000 1000000``;
``ledger --grow 10`` books ten million transfers into one ledger instead of comparing;
``books 20000 200000`` takes up markets of so many orders;
``surveillance 30 10000`` looks at 30 days of 10,000 orders;
``http 32 1`` sends orders over 32 connections to one gateway.
"""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = (
    "audit",
    "books",
    "bulk",
    "checker",
    "clearing",
    "clearing_exact",
    "clearing_largest",
    "clearing_scale",
    "clearing_shares",
    "http",
    "indications",
    "ledger",
    "pages",
    "pipeline",
    "sse",
    "surveillance",
)


def main() -> int:
    """Run the named measurements, all if none is named."""
    sizes = [word for word in sys.argv[1:] if word.isdigit()]
    is_growing = "--grow" in sys.argv
    words = [word for word in sys.argv[1:] if word != "--grow" and not word.isdigit()]
    chosen = words or list(NAMES)
    if is_growing and (chosen != ["ledger"] or len(sizes) != 1 or not 1 <= int(sizes[0]) <= 100):
        sys.stderr.write("--grow must be with ledger and 1 to 100 millions, was otherwise\n")
        return 2
    if "surveillance" in chosen and sizes and (chosen != ["surveillance"] or len(sizes) != 2):
        sys.stderr.write("surveillance must be alone and with two numbers, was otherwise\n")
        return 2
    unknown = [name for name in chosen if name not in NAMES]
    if unknown:
        sys.stderr.write(f"must be among {', '.join(NAMES)}, was {', '.join(unknown)}\n")
        return 2
    for name in chosen:
        sys.stdout.write(f"== {name}\n")
        takes_sizes = name in {
            "books",
            "clearing_largest",
            "clearing_scale",
            "clearing_shares",
            "http",
            "indications",
            "surveillance",
        }
        arguments = sizes if takes_sizes or is_growing else []
        for line in import_module(f"loadtests.{name}").main(*arguments):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
