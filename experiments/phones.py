#!/usr/bin/env python3
"""Phone error rate of a model's best path on speechocean762, against the phones that its annotators heard.

    python3 experiments/phones.py HEARKEN MODEL MANIFEST TEXT_PHONE OUT.json

MANIFEST is the set as `hearken corpus import` or `hearken run` leave it, TEXT_PHONE the corpus's resource/text-phone: a line
a word, its phones with stress and place in the word. The stress goes, and so do the marks of what was heard as no phone of
the inventory: a word's phones are then those of CMUdict's kind that the model knows.
"""

import datetime
import json
import pathlib
import re
import subprocess
import sys
import tempfile

hearken, model, manifest, text_phone, out = sys.argv[1:]
scratch = tempfile.TemporaryDirectory()
work = pathlib.Path(scratch.name)


def say(*arguments):
    return subprocess.run([hearken, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


phones = {}
for line in open(text_phone):
    word, *symbols = line.split()
    utterance = word.rsplit(".", 1)[0]
    phones.setdefault(utterance, []).extend(re.sub(r"_[A-Z]$", "", s) for s in symbols)
inventory = {s.strip() for s in pathlib.Path(model, "model.toml").read_text().split('"') if re.fullmatch(r"[A-Z]{1,2}", s.strip())}
reference, hypothesis = work / "reference", work / "hypothesis"
ids = [json.loads(line)["id"] for line in open(manifest)]
kept = {i: [p for p in (re.sub(r"[0-9]", "", p).upper() for p in phones[i]) if not inventory or p in inventory] for i in ids}
reference.write_text("".join(f"{i} {' '.join(p)}\n" for i, p in kept.items()))
hypothesis.write_text(say("transcribe", "--model", model, "--lm", "none", "--beam", 1, "--manifest", manifest))
scored = json.loads(say("score", "--format", "json", reference, hypothesis))
errors = {key: scored[key] for key in ("substitutions", "deletions", "insertions")}
per = {"rate": sum(errors.values()) / scored["words"], "reference": scored["words"], **errors}
print(f"{100 * per['rate']:.2f}% PER", file=sys.stderr)
results = {
    "name": pathlib.Path(out).name.removesuffix(".results.json"),
    "command": "python3 experiments/phones.py",
    "date": datetime.date.today().isoformat(),
    "sets": [{"name": pathlib.Path(manifest).name.rsplit("-", 1)[0], "role": "test", "utterances": len(ids), "rates": {"per": per}}],
}
pathlib.Path(out).write_text(json.dumps(results, indent=1) + "\n")
