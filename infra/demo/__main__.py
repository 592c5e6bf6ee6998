"""``python -m infra.demo``: one market day from end to end.

Kept small: the process that verifies rounds imports this file too.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Run the demo; 0 if every guarantee held, 1 if one did not, 130 if it was stopped."""
    from infra.demo.options import parse  # noqa: PLC0415
    from infra.demo.run import run  # noqa: PLC0415

    return run(parse())


if __name__ == "__main__":
    sys.exit(main())
