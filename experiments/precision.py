#!/usr/bin/env python3
"""Whether training in bf16 learns what training in f32 learns: the curves of runs that differ in precision and seed alone.

    python3 experiments/precision.py OUT.jsonl RUN_DIR...

RUN_DIR are finished runs of one experiment. A line of OUT.jsonl is a run: its command, instructions, seed, and of every
epoch the loss of the training speech and of dev (nats a frame) and dev's character error rate by the best path.
"""

import json
import pathlib
import sys

out, lines = pathlib.Path(sys.argv[1]), []
for run in map(pathlib.Path, sys.argv[2:]):
    results = json.loads((run / "results.json").read_text())
    epochs = [json.loads(line) for line in open(run / "train/metrics.jsonl")]
    facts = {key: results[key] for key in ("command", "date", "path", "seed", "steps")}
    facts["hours"] = sum(data["hours"] for data in results["train"])
    facts |= {key: [round(epoch[key], 5) for epoch in epochs] for key in ("train_loss", "dev_loss")}
    facts["cer"] = [round(epoch["figures"]["cer"], 5) for epoch in epochs]
    lines.append(json.dumps(facts) + "\n")
out.write_text("".join(lines))
