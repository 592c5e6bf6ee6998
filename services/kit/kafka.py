"""The log as transport: the one place that services import for it.

`LogReader` reads assigned partitions from positions that the caller keeps in its own
database; `LogWriter` writes with all acknowledgements and says so when an outcome is unknown.
"""

from __future__ import annotations

from services.kit.log_reader import LogReader
from services.kit.log_writer import LogWriter, partition_of
from services.kit.records import Headers, OutRecord, Positions, Receipt, Record

__all__ = [
    "Headers",
    "LogReader",
    "LogWriter",
    "OutRecord",
    "Positions",
    "Receipt",
    "Record",
    "partition_of",
]
