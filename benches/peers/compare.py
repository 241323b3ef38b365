#!/usr/bin/env python3
"""hearken against PyTorch, step by step: what `make bench` runs.

    python compare.py HEARKEN OUT.jsonl [--only TEXT] [--rounds N]

Each row is measured in turn, ours and theirs, round by round on the same machine, threads and shapes;
the medians over the rounds' own medians go to OUT.jsonl, a JSON object a row, and a table of ratios to
standard output. Rows that OUT.jsonl holds already are measured again only if --only names them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from datetime import date
from pathlib import Path

import criterion
from machine import machine

HERE = Path(__file__).parent
EQUAL = ",".join(["400"] * 16)
REAL = "400,383,348,340,319,315,306,249,246,246,233,230,225,213,212,206"
S = dict(layers=3, cells=320, input=120)
G = dict(layers=5, cells=500, input=123)

# name, kind, shape, lengths, the peer's variant
ROWS = [
    ("S, real lengths", "train", S, REAL, "gather"),
    ("S, real lengths, pack_padded_sequence", "train", S, REAL, "packed"),
    ("S, equal lengths", "train", S, EQUAL, "padded"),
    ("G, equal lengths", "train", G, ",".join(["400"] * 8), "padded"),
    ("S of tanh units, equal lengths", "train", S | {"cell": "rnn-tanh"}, EQUAL, "padded"),
    ("S of ReLU units, equal lengths", "train", S | {"cell": "rnn-relu"}, EQUAL, "padded"),
    ("S, one utterance, forward", "infer", S, "400", "padded"),
    ("G, one utterance, forward", "infer", G, "400", "padded"),
    ("S, sixteen utterances, forward", "infer", S, EQUAL, "padded"),
]


def output(command, threads):
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def common(kind, shape, lengths, precision, threads, steps):
    flags = [f"--{key}={value}" for key, value in shape.items()]
    return [kind, *flags, f"--lengths={lengths}", f"--precision={precision}", f"--threads={threads}", f"--steps={steps}"]


def measure(hearken, row, precision, threads, rounds):
    name, kind, shape, lengths, variant = row
    steps = 3 if kind == "train" else 9
    arguments = common(kind, shape, lengths, precision, threads, steps)
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(output([hearken, "bench", *arguments, "--format=json"], threads))
        theirs.append(output([sys.executable, HERE / "pytorch.py", *arguments, f"--variant={variant}"], threads))
    gemm = output([sys.executable, HERE / "pytorch.py", "gemm", f"--precision={precision}", f"--threads={threads}"], threads)
    middle = lambda runs, key: statistics.median(run[key] for run in runs)
    seconds, peer = middle(ours, "seconds_per_step"), middle(theirs, "seconds_per_step")
    peak = max(gemm["peak_gflops"], middle(ours, "peak_gflops"))
    return {
        "row": name,
        "kind": kind,
        "precision": precision,
        "threads": threads,
        "path": ours[0]["path"],
        "hearken": seconds,
        "pytorch": peer,
        "variant": variant,
        "ratio": peer / seconds,
        "gemm_share": ours[0]["gflop_per_step"] / seconds / peak,
        "hearken_memory": middle(ours, "peak_memory"),
        "pytorch_memory": middle(theirs, "peak_memory"),
        "rounds": rounds,
        "date": date.today().isoformat(),
        "machine": machine(),
        "torch": theirs[0]["torch"],
    }


def ctc(threads):
    """Forward and backward from the logits, both vocabularies: benches/ctc.rs and ctc.py."""
    criterion.run("ctc", "forward.backward", threads)
    peer = [sys.executable, HERE / "ctc.py", f"--threads={threads}", "--repeats=15"]
    theirs = subprocess.run(peer, check=True, capture_output=True, text=True).stdout.splitlines()
    for vocabulary, line in zip((30, 1000), map(json.loads, theirs)):
        ours = criterion.median(f"ctc_forward+backward_V={vocabulary}")
        yield row(f"CTC from the logits, {vocabulary} tokens", "f32", threads, ours, line["milliseconds"] * 1e-3, line["peer"])


def features(python):
    """80-bin filterbanks of ten seconds: benches/features.rs and features.py."""
    lines = subprocess.run([python, HERE / "features.py"], check=True, capture_output=True, text=True).stdout
    measured = [line for line in map(json.loads, lines.splitlines()) if "seconds" in line]
    ours = measured[0]["seconds"]
    for line in measured[1:]:
        name = f"filterbanks of 10 s against {line['peer'].split()[0]}"
        yield row(name, "f32", 1, ours, line["seconds"], line["peer"])


def row(name, precision, threads, ours, theirs, peer):
    return {
        "row": name,
        "precision": precision,
        "threads": threads,
        "hearken": ours,
        "pytorch": theirs,
        "ratio": theirs / ours,
        "peer": peer,
        "date": date.today().isoformat(),
        "machine": machine(),
    }


def table(rows):
    print("| what | precision, threads | hearken, s | peer, s | faster | GEMM peak reached | memory, GB |")
    print("|---|---|---|---|---|---|---|")
    for r in rows:
        share, memory = "", ""
        if "gemm_share" in r:
            share = f"{100 * r['gemm_share']:.0f}%"
            memory = f"{r['hearken_memory'] / 1e9:.2f} / {r['pytorch_memory'] / 1e9:.2f}"
        print(
            f"| {r['row']} | {r['precision']}, {r['threads']} | {r['hearken']:.3g} | {r['pytorch']:.3g} "
            f"| {r['ratio']:.2f}× | {share} | {memory} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hearken")
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", help="measure the rows whose `name, precision, threads` holds this text")
    parser.add_argument("--features-python", default=sys.executable, help="a Python that has kaldi-native-fbank, and torchaudio with the PyTorch that it needs")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    key = lambda r: (r["row"], r["precision"], r["threads"])
    known = {}
    if arguments.out.exists():
        known = {key(row): row for row in map(json.loads, arguments.out.read_text().splitlines())}
    def keep(new):
        known[key(new)] = new
        arguments.out.write_text("".join(json.dumps(row) + "\n" for row in known.values()))

    def asked(*this):
        return arguments.only in ", ".join(map(str, this)) if arguments.only else this not in known

    for step in ROWS:
        for precision in ("f32", "bf16"):
            for threads in (1, 2):
                if asked(step[0], precision, threads):
                    keep(measure(arguments.hearken, step, precision, threads, arguments.rounds))
    if asked("CTC from the logits, 1000 tokens", "f32", 1):
        for new in ctc(1):
            keep(new)
    if asked("filterbanks of 10 s against kaldi-native-fbank", "f32", 1):
        for new in features(arguments.features_python):
            keep(new)
    table(known.values())


main()
