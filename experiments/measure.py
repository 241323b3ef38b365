#!/usr/bin/env python3
"""The figures of a model on sets of recordings, in the form of a run's results: for a model whose language models or weights
of the search have changed since its run.

    python3 experiments/measure.py HEARKEN MODEL_DIR OUT.json NAME ROLE MANIFEST [NAME ROLE MANIFEST]...

NAME is the set's in tables, ROLE `dev` or `test`, MANIFEST the set as `hearken corpus import` or `hearken run` leave it.
"""

import datetime
import json
import pathlib
import subprocess
import sys
import tempfile

hearken, model, out, *sets = sys.argv[1:]
scratch = tempfile.TemporaryDirectory()
work = pathlib.Path(scratch.name)


def say(*arguments):
    return subprocess.run([hearken, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def rate(counts, reference):
    errors = {key: counts[key] for key in ("substitutions", "deletions", "insertions")}
    return {"rate": sum(errors.values()) / reference, "reference": reference, **errors}


measured = []
for name, role, manifest in zip(sets[::3], sets[1::3], sets[2::3], strict=True):
    utterances = [json.loads(line) for line in open(manifest)]
    reference, hypothesis = work / "reference", work / "hypothesis"
    reference.write_text("".join(f"{u['id']} {u['text']}\n" for u in utterances))
    hypothesis.write_text(say("transcribe", "--model", model, "--manifest", manifest))
    scored = json.loads(say("score", "--normalise", "english", "--format", "json", reference, hypothesis))
    rates = {"cer": rate(scored["characters"], scored["characters"]["reference"]), "wer": rate(scored, scored["words"])}
    measured.append({"name": name, "role": role, "utterances": scored["utterances"], "rates": rates})
    print(name, f"{100 * rates['wer']['rate']:.2f}% WER", file=sys.stderr)
results = {
    "name": pathlib.Path(out).name.removesuffix(".results.json"),
    "command": "python3 experiments/measure.py",
    "date": datetime.date.today().isoformat(),
    "version": say("--version").split()[-1],
    "sets": measured,
}
pathlib.Path(out).write_text(json.dumps(results, indent=1) + "\n")
