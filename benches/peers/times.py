#!/usr/bin/env python3
"""How exact word times are: `hearken align` against pocketsphinx, and against digits with known gaps.

    python times.py HEARKEN OUT.jsonl [--model DIR] [--data DATA] [--lead SECONDS --tail SECONDS]

LibriSpeech dev: every word's start and end against pocketsphinx's forced alignment (an HMM with 10 ms frames) of
the same reference; words that its dictionary lacks get the pronunciation of models/english/lexicon, utterances with a
word that neither has are left out. FSDD dev: digits joined with gaps of 0.2 to 0.6 s of faint noise, against where each was put, after
what is 40 dB below its loudest 10 ms has been cut from its ends (models/digits hears one digit a recording, so
the same model aligns these too). Medians and shares in seconds go to OUT.jsonl, an object a row. Needs
numpy, soundfile and pocketsphinx; DATA is the folder of the corpora (HEARKEN_DATA).
"""

import argparse
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import tempfile
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy
import soundfile
from pocketsphinx import Decoder

LEXICON = Path(__file__).parents[2] / "models/english/lexicon"
NAMES = "zero one two three four five six seven eight nine".split()


def lines(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def peer(sound, words, decoder):
    """Start and end in seconds of every word, by pocketsphinx; None if it finds no alignment."""
    if any(decoder.lookup_word(word) is None for word in words):
        return None
    decoder.set_align_text(" ".join(words))
    decoder.start_utt()
    decoder.process_raw(sound.tobytes(), full_utt=True)
    decoder.end_utt()
    found = [s for s in decoder.seg() or () if not s.word.startswith(("<", "["))]
    if [s.word.split("(")[0] for s in found] != words:
        return None
    return [(s.start_frame / 100, (s.end_frame + 1) / 100) for s in found]


def summary(differences):
    """Of ours minus theirs."""
    sizes = sorted(abs(d) for d in differences)
    within = lambda limit: round(sum(s <= limit for s in sizes) / len(sizes), 4)
    return {
        "median_error": round(statistics.median(sizes), 4),
        "p90_error": round(sizes[int(0.9 * len(sizes))], 4),
        "median_difference": round(statistics.median(differences), 4),
        "within_50_ms": within(0.05),
        "within_100_ms": within(0.1),
    }


def librispeech(hearken, model, output, data, folder):
    manifest = folder / "dev.jsonl"
    command = [hearken, "corpus", "import", "librispeech", data / "librispeech", "--split", "dev", "--out", manifest]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    command = [hearken, "align", "--model", model, "--output", output, "--format", "json", "--manifest", manifest]
    ours = {o["id"]: o["words"] for o in lines(command)}
    decoder = Decoder(lm=None, loglevel="FATAL")
    for line in LEXICON.read_text().splitlines():
        word, phones = line.split(" ", 1)
        if decoder.lookup_word(word) is None:
            decoder.add_word(word, phones, False)
    starts, ends, left_out = [], [], 0
    for utterance in map(json.loads, manifest.read_text().splitlines()):
        words = ours[utterance["id"]]
        path = Path(utterance["audio"])
        sound, _ = soundfile.read(path if path.is_absolute() else folder / path, dtype="int16")
        theirs = peer(sound, [word["word"] for word in words], decoder)
        if theirs is None:
            left_out += 1
            continue
        for word, (start, end) in zip(words, theirs):
            starts.append(word["start"] - start)
            ends.append(word["end"] - end)
    facts = {"words": len(starts), "utterances_left_out": left_out, "peer": f"pocketsphinx {version('pocketsphinx')}"}
    yield {"row": "librispeech-dev, starts", "output": output} | summary(starts) | facts
    yield {"row": "librispeech-dev, ends", "output": output} | summary(ends) | facts


def trimmed(sound, step=80):
    """Without what is 40 dB below the loudest step at either end."""
    steps = sound[: len(sound) // step * step].reshape(-1, step).astype(float)
    energy = (steps**2).mean(axis=1)
    (loud,) = numpy.nonzero(energy > 1e-4 * energy.max())
    return sound[loud[0] * step : (loud[-1] + 1) * step]


def digits(hearken, model, output, data, folder):
    chance, noise = random.Random(1), numpy.random.default_rng(1)
    silence = lambda samples: noise.normal(0, 10, samples).astype("int16")
    files = sorted((data / "fsdd/recordings").glob("*_[5-9].wav"))
    chance.shuffle(files)
    starts, ends = [], []
    for at in range(0, len(files), 10):
        sounds, spans, words, place = [], [], [], 0
        for file in files[at : at + 10]:
            sound, rate = soundfile.read(file, dtype="int16")
            sound, gap = trimmed(sound), int(chance.uniform(0.2, 0.6) * rate)
            sounds += [silence(gap), sound]
            spans.append(((place + gap) / rate, (place + gap + len(sound)) / rate))
            place += gap + len(sound)
            words.append(NAMES[int(file.name[0])])
        sounds.append(silence(rate // 3))
        soundfile.write(folder / "digits.wav", numpy.concatenate(sounds), rate, subtype="PCM_16")
        command = [hearken, "align", "--model", model, "--output", output, "--format", "json", "--text", " ".join(words), folder / "digits.wav"]
        for word, (start, end) in zip(lines(command)[0]["words"], spans):
            starts.append(word["start"] - start)
            ends.append(word["end"] - end)
    facts = {"output": output, "words": len(starts)}
    yield {"row": "fsdd-dev with known gaps, starts"} | summary(starts) | facts
    yield {"row": "fsdd-dev with known gaps, ends"} | summary(ends) | facts


def with_boundaries(model, copy, lead, tail):
    """A copy of a model with these boundaries; what it has then."""
    shutil.copytree(model, copy)
    file = copy / "model.toml"
    text = file.read_text()
    for key, value in (("lead", lead), ("tail", tail)):
        if value is not None:
            text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
    file.write_text(text)
    return {key: float(re.search(rf"(?m)^{key} = (.*)$", text)[1]) for key in ("lead", "tail")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hearken", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", type=Path, default=Path(__file__).parents[2] / "models/english")
    parser.add_argument("--lead", type=float, help="`lead` of a word's boundaries, instead of the model's")
    parser.add_argument("--tail", type=float, help="`tail` of them")
    parser.add_argument("--data", type=Path, default=os.environ.get("HEARKEN_DATA", "../shared/data"))
    parser.add_argument("--output", default="0", help="the output that is aligned; 0 is that of characters, which spells every word")
    arguments = parser.parse_args()
    hearken = arguments.hearken.resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        model = folder / arguments.model.name
        boundaries = with_boundaries(arguments.model, model, arguments.lead, arguments.tail)
        rows = [
            *librispeech(hearken, model, arguments.output, arguments.data, folder),
            *digits(hearken, model, arguments.output, arguments.data, folder),
        ]
    for row in rows:
        row |= {"model": arguments.model.name} | boundaries | {"date": date.today().isoformat()}
        print(json.dumps(row))
    arguments.out.write_text("".join(json.dumps(row) + "\n" for row in rows))


main()
