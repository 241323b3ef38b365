#!/usr/bin/env python3
"""What single parts of the English recipe are worth: `ablation.toml` (a quarter of the speech) with one thing changed at a time
(where the amount of speech changes, the epochs too, for as many steps).

    python3 experiments/ablations.py HEARKEN DATA OUT.json [NAME...]

Runs the rows that are named, or else those that OUT has not (17 minutes each alone; give the same command again after an
interruption), writes of every finished one the settings, weights, steps, hours, loss and error rates by the best path, beside the
rows of these settings that OUT has already, and prints a table of them.
"""

import json
import os
import pathlib
import subprocess
import sys

import figures

EXPERIMENT = pathlib.Path(__file__).with_name("ablation.toml")
REAL = [
    '{ corpus = "librispeech", split = "train" }',
    '{ corpus = "ljspeech" }',
    '{ corpus = "speechocean762", split = "train" }',
    '{ corpus = "kaldi", path = "robotutor" }',
]


def with_synthetic(share):
    """The real sets at the experiment's share, the synthetic one at its own."""
    return f'data.train=[{", ".join(REAL)}, {{ corpus = "kaldi", path = "synthetic/kokoro", share = {share} }}]'


PHONES_BELOW = 'model.output=[{ tokens = "characters" }, { tokens = "phones", layer = 3 }]'
ROWS = {
    "base": [],
    "real-speech-alone": [f"data.train=[{', '.join(REAL)}]", "train.epochs=23"],
    # Beside a quarter of the real speech, as six and twelve hours would be beside all of it; SpecAugment after as much of the run.
    "synthetic-half": [with_synthetic(0.5), "train.epochs=12", "augment.specaugment.from-epoch=2"],
    "synthetic-whole": [with_synthetic(1.0), "train.epochs=8", "augment.specaugment.from-epoch=2"],
    "no-specaugment": ["augment.specaugment.from-epoch=99"],
    "no-speeds": ["augment.speeds=[1.0]"],
    "no-dropout": ["model.dropout=0.0"],
    "no-curriculum": ["train.shortest-first=false"],
    "weight-noise": ["train.weight-noise=0.01"],
    "dither": ["features.recipe=fbank80-stack3-dither"],
    # Without dither the mean of each utterance takes it away again.
    "volume": ["features.recipe=fbank80-stack3-dither", "augment.volume.gain=[-20.0, 6.0]"],
    "noise": ["augment.noise.snr=[10.0, 60.0]"],
    "reverberation": ["augment.reverberation={ rt60 = [0.1, 0.5], direct = [3.0, 20.0], share = 0.5 }"],
    "phones-below": [PHONES_BELOW],
    "layers-3": ["model.layers=3"],
    "layers-5": ["model.layers=5"],
    "cells-256": ["model.cells=256"],
    "cells-400": ["model.cells=400"],
    # As much speech a batch.
    "stack-2": ["features.recipe=fbank80-stack2", "train.batch-frames=1575"],
    "stack-4": ["features.recipe=fbank80-stack4", "train.batch-frames=788"],
}


def run(hearken, data, name):
    """Trains a row, or answers at once where it is trained."""
    settings = [f"name=ablation-{name}", *ROWS[name]]
    options = [option for setting in settings for option in ("--set", setting)]
    subprocess.run([hearken, "run", EXPERIMENT, *options, "--data-root", data], check=True)


def facts(name, runs):
    """What a finished run left, or nothing."""
    folder = runs / f"ablation-{name}"
    if not (folder / "results.json").is_file():
        return None
    results = json.loads((folder / "results.json").read_text())
    last = json.loads((folder / "train/metrics.jsonl").read_text().splitlines()[-1])
    return {
        "row": name,
        "settings": ROWS[name],
        **{key: results[key] for key in ("date", "version", "path", "seed", "parameters", "steps")},
        "hours": sum(data["hours"] for data in results["train"]),
        "train_loss": round(last["train_loss"], 4),
        "dev_loss": round(last["dev_loss"], 4),
        "best_path": results["best_path"],
    }


def rates(best_path):
    """Letters and phones on both dev sets, as cells of a table."""
    for corpus in ("librispeech-dev", "speechocean762-dev"):
        for rate in (f"cer.{corpus}", f"per.{corpus}.output1"):
            yield f"{100 * best_path[rate]:.1f}% |"


def main():
    hearken, data, out, *names = sys.argv[1:]
    out = pathlib.Path(out)
    rows = json.loads(out.read_text())["rows"] if out.is_file() else []
    known = {row["row"]: row for row in rows if row["settings"] == ROWS.get(row["row"])}
    for name in names or [name for name in ROWS if name not in known]:
        run(hearken, data, name)
    runs = pathlib.Path(os.environ.get("HEARKEN_RUNS", "runs"))
    rows = [found for name in ROWS if (found := facts(name, runs) or known.get(name))]
    command = "python3 experiments/ablations.py HEARKEN DATA OUT"
    version = figures.ask(hearken, "--version").split()[-1]
    for row in rows:
        print(f"| {row['row']} | {row['steps']:,} | {row['train_loss']:.3f} / {row['dev_loss']:.3f} |", *rates(row["best_path"]))
    out.write_text(json.dumps({"command": command, "version": version, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
