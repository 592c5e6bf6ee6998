"""The checker on rounds of up to 100,000 demands: with Python alone, and with NumPy.

Both verify the same bytes in the same run, each in a process of its own that reports its peak
memory. Reading the JSON and recomputing the bound are timed apart as well.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from loadtests.verify_rounds import round_of, served_book

SIZES = (1_000, 10_000, 100_000)
BACKENDS = ("plain", "numpy")
# Prints seconds of reading alone, of the bound alone and of the whole check, then peak MiB.
_RUN = """
import json, resource, sys, time
from pathlib import Path
from suanli.check_arrays import Layout
from suanli.check_bound import BestResponses, Supply, bound_of
from suanli.check_formats import read_book
from suanli.check_report import Log
from suanli.checker import verify_round_file
file = Path(sys.argv[1]).read_bytes()
at = time.perf_counter()
assert verify_round_file(file, backend=sys.argv[2]).ok
spent = time.perf_counter() - at
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
at = time.perf_counter()
parts = json.loads(file)
read = time.perf_counter() - at
book, told = read_book(parts["book"], Log()), parts["result"]["certificate"]
at = time.perf_counter()
if sys.argv[2] == "numpy":
    layout = Layout(book, Supply(book))
    bound = bound_of(book, layout.demands(told["prices"]), layout.offers(told["prices"]))
else:
    best = BestResponses(Supply(book), told["prices"])
    bound = bound_of(book, best.demands(book), best.offers(book))
assert bound == told["bound"]
print(json.dumps([read, time.perf_counter() - at, spent, peak]))
"""


def main() -> Iterator[str]:
    """Measure all sizes; yield the lines to print."""
    yield (
        f"{'demands':>8} {'MB':>6} {'backend':>8} {'JSON s':>7} {'bound s':>8} {'verify s':>9}"
        f" {'peak MiB':>9}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            path = Path(folder) / "round.json"
            path.write_text(json.dumps(round_of(served_book(size, seed=size))), encoding="utf-8")
            megabytes = path.stat().st_size / 1e6
            for backend in BACKENDS:
                command = [sys.executable, "-c", _RUN, str(path), backend]
                done = subprocess.run(command, check=True, capture_output=True)
                read, bound, spent, peak = json.loads(done.stdout)
                yield (
                    f"{size:>8} {megabytes:>6.1f} {backend:>8} {read:>7.2f} {bound:>8.2f}"
                    f" {spent:>9.2f} {peak:>9.0f}"
                )
