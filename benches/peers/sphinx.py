#!/usr/bin/env python3
"""What pocketsphinx and the model that it ships hear in our sets: words wrong, and how fast.

    python sphinx.py HEARKEN OUT.jsonl NAME MANIFEST [NAME MANIFEST]...

MANIFEST is a set as `hearken corpus import` or `hearken run` leave it. An utterance is decoded at once, its cepstral mean
its own, with the search as it comes; the words are scored by `hearken score --normalise english`, as ours are. Needs
pocketsphinx and soundfile.
"""

import argparse
import json
import subprocess
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import soundfile
from pocketsphinx import Decoder

from machine import machine

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("hearken")
parser.add_argument("out", type=Path)
parser.add_argument("sets", nargs="+", metavar="NAME MANIFEST")
arguments = parser.parse_args()
work = Path((scratch := tempfile.TemporaryDirectory()).name)
reference, hypothesis = work / "reference", work / "hypothesis"
lines = []
for name, manifest in zip(arguments.sets[::2], arguments.sets[1::2], strict=True):
    decoder = Decoder(loglevel="FATAL")
    utterances = [json.loads(line) for line in open(manifest)]
    heard, audio, seconds = {}, 0.0, 0.0
    for utterance in utterances:
        samples, rate = soundfile.read(utterance["audio"], dtype="int16")
        assert rate == 16000 and samples.ndim == 1, utterance["audio"]
        begin = time.perf_counter()
        decoder.start_utt()
        decoder.process_raw(samples.tobytes(), no_search=False, full_utt=True)
        decoder.end_utt()
        seconds += time.perf_counter() - begin
        audio += len(samples) / rate
        best = decoder.hyp()
        heard[utterance["id"]] = best.hypstr if best else ""
    reference.write_text("".join(f"{u['id']} {u['text']}\n" for u in utterances))
    hypothesis.write_text("".join(f"{id} {words}\n" for id, words in heard.items()))
    score = [arguments.hearken, "score", "--normalise", "english", "--format", "json", reference, hypothesis]
    counts = json.loads(subprocess.run(score, check=True, capture_output=True, text=True).stdout)
    line = {"set": name, "peer": f"pocketsphinx {version('pocketsphinx')}, its en-us model", "utterances": len(utterances)}
    errors = sum(counts[kind] for kind in ("insertions", "deletions", "substitutions"))
    line |= {"wer": counts["wer"], "errors": errors, "words": counts["words"], "times_real_time": seconds / audio}
    line |= {"date": date.today().isoformat(), "machine": machine()}
    print(json.dumps(line), flush=True)
    lines.append(json.dumps(line) + "\n")
    arguments.out.write_text("".join(lines))
