"""Our side of a comparison, where Criterion measures it."""

import json
import os
import subprocess
from pathlib import Path

MEASURED = Path(os.environ.get("CARGO_TARGET_DIR", "target"), "criterion")


def run(bench, filter, threads=1):
    """Measures what of `benches/BENCH.rs` the filter names; from the repository's root."""
    command = ["cargo", "bench", "--quiet", "--bench", bench, "--", "--quick", filter]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"RAYON_NUM_THREADS": str(threads)})


def median(name):
    """The median seconds of a benchmark, by its folder."""
    return json.loads((MEASURED / name / "new/estimates.json").read_text())["median"]["point_estimate"] * 1e-9
