#!/usr/bin/env python3
"""Long recordings: a dev set joined into one file, and four times over, against its utterances one by one.

    python3 benches/peers/long.py HEARKEN MODEL MANIFEST >> benches/results/DATE-MACHINE.jsonl

Needs numpy and soundfile. Prints one JSON line: word error rates, peak
resident memory (MB) and times (s).
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy
import soundfile

hearken, model, manifest = sys.argv[1:4]
work = pathlib.Path(tempfile.mkdtemp())
utterances = [json.loads(line) for line in open(manifest)]


def normalised(text):
    text = text.lower().replace("\u2019", "'").replace("-", " ")
    return " ".join(re.sub(r"[^a-z' ]", "", text).split())


def transcribe(*arguments):
    """The output, seconds and peak resident megabytes of one call."""
    started = time.time()
    process = subprocess.Popen([hearken, "transcribe", "--model", model, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return out, time.time() - started, usage.ru_maxrss / 1024


def wer(reference, hypothesis):
    for name, text in (("ref", reference), ("hyp", hypothesis)):
        (work / name).write_text(text)
    out = subprocess.run([hearken, "score", "--format", "json", work / "ref", work / "hyp"], check=True, capture_output=True, text=True)
    return json.loads(out.stdout)["wer"]


samples = []
for utterance in utterances:
    path = pathlib.Path(utterance["audio"])
    audio, rate = soundfile.read(path if path.is_absolute() else pathlib.Path(manifest).parent / path, dtype="float32")
    samples.append(audio)
joined = numpy.concatenate(samples)
text = " ".join(normalised(utterance["text"]) for utterance in utterances)

row = {"kind": "long", "set": pathlib.Path(manifest).stem.rsplit("-", 1)[0]}
out, seconds, _ = transcribe("--manifest", manifest)
references = "".join(f"{u['id']} {normalised(u['text'])}\n" for u in utterances)
row["utterances"] = {"wer": wer(references, out), "seconds": seconds}
for times in (1, 4):
    path = work / f"{times}.wav"
    soundfile.write(path, numpy.tile(joined, times), rate, subtype="PCM_16")
    out, seconds, memory = transcribe(path)
    row[f"joined_{times}"] = {
        "hours": len(joined) * times / rate / 3600,
        "wer": wer("a " + " ".join([text] * times) + "\n", "a " + out.strip() + "\n"),
        "seconds": seconds,
        "peak_mb": memory,
    }
    path.unlink()
print(json.dumps(row))
