"""Entry point of ``python -m infra.local``."""

from __future__ import annotations

from infra.local.cli import main

if __name__ == "__main__":
    main()
