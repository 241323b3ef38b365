#!/usr/bin/env python3
"""The kernels one by one: hearken (benches/products.rs, benches/optimiser.rs), PyTorch and the `gemm` crate (products/).

    python kernels.py OUT.jsonl [--rounds N] [--threads N]...      from the repository's root

Each round measures every side of a row in turn; medians over the rounds go to OUT.jsonl, and a table to standard
output. A product's share is that of the fastest side's rate in the same rounds, over all products of its type.
PyTorch's operands in bf16 are bf16 already; ours are rounded while they are packed.
"""

import argparse
import json
import os
import statistics
import subprocess
import time
from datetime import date
from pathlib import Path

import torch

import criterion
from machine import machine

# benches/products.rs: name, what it is of, rows, inner dimension, columns.
PRODUCTS = [
    ("input", "input projection, all frames", 6400, 640, 1280),
    ("recurrent", "recurrent product of a time step", 16, 320, 1280),
    ("weights", "gradient of the weights", 1280, 6400, 960),
    ("inputs", "gradient of the inputs", 6400, 1280, 640),
]
PATHS = {"avx2": "f32", "avx512": "f32", "bf16-avx512": "bf16", "bf16-amx": "bf16"}
PARAMETERS = 6_049_280


def by_path(name, threads):
    """Our seconds by the instructions that this machine has."""
    criterion.run("products", f"products/{name}", threads)
    measured = {path: f"products_{name}/{path}" for path in PATHS}
    return {path: criterion.median(folder) for path, folder in measured.items() if (criterion.MEASURED / folder).exists()}


def timed(run):
    """The median of a quarter of a second of runs."""
    times = []
    run()
    while sum(times) < 0.25 or len(times) < 5:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def by_torch(name, m, k, n, dtype):
    a = torch.rand(k, m).t() if name == "weights" else torch.rand(m, k)
    a, b, c = a.to(dtype), torch.rand(k, n).to(dtype), torch.empty(m, n, dtype=dtype)
    return timed(lambda: torch.mm(a, b, out=c))


def by_crate(name, m, k, n, threads):
    command = [CRATE, m, k, n, threads] + (["transposed"] if name == "weights" else [])
    return float(subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout)


def optimiser(threads):
    """Clipping and AdamW, ours and both of PyTorch's."""
    weights = [torch.nn.Parameter(torch.rand(PARAMETERS // 12)) for _ in range(12)]
    for weight in weights:
        weight.grad = torch.rand_like(weight)
    sides = {}
    for kind in ("fused", "foreach"):
        adamw = torch.optim.AdamW(weights, lr=1e-3, betas=(0.9, 0.98), **{kind: True})

        def step():
            torch.nn.utils.clip_grad_norm_(weights, 1.0, foreach=True)
            adamw.step()

        sides[f"pytorch, {kind}"] = timed(step)
    criterion.run("optimiser", "optimiser/clipped", threads)
    return {"hearken": criterion.median("optimiser/clipped AdamW"), **sides}


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("out", type=Path)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
arguments = parser.parse_args()
target = Path(os.environ.get("CARGO_TARGET_DIR", "target")).resolve() / "peers"
build = ["cargo", "build", "--quiet", "--release", "--manifest-path", Path(__file__).parent / "products/Cargo.toml"]
subprocess.run(build, check=True, env=os.environ | {"CARGO_TARGET_DIR": str(target)})
CRATE = target / "release/products"

rows = []
for threads in arguments.threads:
    torch.set_num_threads(threads)
    seconds = {}
    for _ in range(arguments.rounds):
        for name, _, m, k, n in PRODUCTS:
            sides = by_path(name, threads)
            sides["pytorch f32"] = by_torch(name, m, k, n, torch.float32)
            sides["pytorch bf16"] = by_torch(name, m, k, n, torch.bfloat16)
            sides["gemm crate"] = by_crate(name, m, k, n, threads)
            for side, value in sides.items():
                seconds.setdefault((name, side), []).append(value)
        for side, value in optimiser(threads).items():
            seconds.setdefault(("optimiser", side), []).append(value)
    seconds = {key: statistics.median(values) for key, values in seconds.items()}
    common = {"threads": threads, "rounds": arguments.rounds, "date": date.today().isoformat(), "machine": machine()}
    peaks, products = {}, []
    for name, what, m, k, n in PRODUCTS:
        for precision in ("f32", "bf16"):
            sides = {side: 2e-9 * m * k * n / value for (of, side), value in seconds.items() if of == name}
            own = {path: rate for path, rate in sides.items() if PATHS.get(path) == precision}
            row = {"row": what, "precision": precision, "gflops": own, "pytorch_gflops": sides[f"pytorch {precision}"]}
            if precision == "f32":
                row["crate_gflops"] = sides["gemm crate"]
            peaks[precision] = max([peaks.get(precision, 0), *own.values(), row["pytorch_gflops"]])
            products.append(row)
    for row in products:
        row["share"] = max(row["gflops"].values(), default=0) / peaks[row["precision"]]
        rows.append(row | common | {"torch": torch.__version__})
    sides = {side: value for (of, side), value in seconds.items() if of == "optimiser"}
    fastest = min(value for side, value in sides.items() if side != "hearken")
    rows.append({"row": "clipping and AdamW, 6 million weights", "precision": "f32", "seconds": sides, "ratio": fastest / sides["hearken"]} | common | {"torch": torch.__version__})
arguments.out.write_text("".join(json.dumps(row) + "\n" for row in rows))

print("| kernel | precision, threads | hearken, GFLOP/s | PyTorch | `gemm` crate | share of the peak |")
print("|---|---|---|---|---|---|")
for row in rows:
    if "gflops" in row:
        own = ", ".join(f"{path} {rate:.0f}" for path, rate in row["gflops"].items())
        crate = f"{row['crate_gflops']:.0f}" if "crate_gflops" in row else ""
        print(f"| {row['row']} | {row['precision']}, {row['threads']} | {own} | {row['pytorch_gflops']:.0f} | {crate} | {100 * row['share']:.0f}% |")
    else:
        print(f"{row['row']}, {row['threads']} threads: {row['ratio']:.2f} times as fast as PyTorch's fastest", row["seconds"])
