"""``python -m loadtests [checker|clearing|pipeline]``: run the measurements and print them."""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = ("checker", "clearing", "pipeline")


def main() -> int:
    """Run the named measurements, all if none is named."""
    chosen = sys.argv[1:] or list(NAMES)
    unknown = [name for name in chosen if name not in NAMES]
    if unknown:
        sys.stderr.write(f"must be among {', '.join(NAMES)}, was {', '.join(unknown)}\n")
        return 2
    for name in chosen:
        sys.stdout.write(f"== {name}\n")
        for line in import_module(f"loadtests.{name}").main():
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
