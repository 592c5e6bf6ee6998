"""The statements beside this file."""

from pathlib import Path

from services.kit.postgres import Queries

QUERIES = Queries.load(Path(__file__).parent)
