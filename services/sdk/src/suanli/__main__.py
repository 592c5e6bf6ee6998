"""``python -m suanli``: the command line, where no ``suanli`` script is on the path."""

from __future__ import annotations

from suanli.cli import main

if __name__ == "__main__":
    main()
