#!/usr/bin/env python3
"""Synthetic speech with foreign accents and shorter vocal tracts, to train on and never to evaluate on: `synthetic/accents` of
`english-accents.toml`.

    python3 experiments/accents.py text DATA > TEXT
    python3 experiments/accents.py speak KOKORO TEXT OUT SHARD SHARDS SECONDS
    python3 experiments/accents.py corpus OUT KALDI_DIR

`text`: of five sentences three from the books (6 to 26 words), one short one from them (3 to 9), and one that the training
speakers of speechocean762 read and neither its dev nor its test speakers do. `speak` reads line n with a voice of its own: KOKORO
is a folder with Kokoro-82M as `model.onnx`, its `vocab.json` and its `voices/*.bin`. A voice is a blend of two, over half of them with
one that is not English; two in five are played faster by up to a quarter at the tempo of the others, which shortens their
vocal tract as a child's is shorter, one in ten slower. A shard a core; it goes on where it stopped. `corpus` makes a Kaldi data directory of the shards.
Needs numpy, onnxruntime, espeak-ng and ffmpeg. `english-accents.toml` heard 1.65 hours of the same sentences and voices, made
with the vocoder in bf16 (OpenVINO), which nearly doubles the speed: the samples differ a little.
"""

import json
import lzma
import pathlib
import random
import subprocess
import sys

VOICES = 260
RATE = 24000
QUESTIONS = set("what who where why how when do did is are was can could would will".split())
# What espeak-ng writes, and what Kokoro was trained on.
IPA = "t͡ʃ ʧ d͡ʒ ʤ tʃ ʧ dʒ ʤ aɪ I aʊ W eɪ A ɔɪ Y ɚ əɹ r ɹ x k ç k ɐ ə ɬ l".split()
AMERICAN = "oʊ O ɜːɹ ɜɹ ɜː ɜɹ".split()
BRITISH = "əʊ Q eə ɛː".split()


def text(data):
    """Twenty thousand sentences, a line each."""
    data = pathlib.Path(data)
    known = {line.split()[0] for line in open(data / "lexicon/cmudict.dict", encoding="latin-1")}
    rng = random.Random(8)
    with lzma.open(data / "lm/gutenberg-large/train.txt.xz", "rt") as books:
        lines = list(dict.fromkeys(line.strip() for line in books))

    def of_length(least, most):
        kept = [line for line in lines if least <= len(line.split()) <= most and known.issuperset(line.split())]
        rng.shuffle(kept)
        return kept

    long, short = of_length(6, 26), of_length(3, 9)
    said = {}
    for split in ("train", "test"):
        folder = data / "speechocean762" / split
        speakers = dict(line.split() for line in open(folder / "utt2spk"))
        for line in open(folder / "text"):
            utterance, words = line.rstrip("\n").split(None, 1)
            said.setdefault((split, speakers[utterance]), set()).add(words.lower())
    train = sorted(speaker for split, speaker in said if split == "train")
    held_out = {("train", speaker) for speaker in train[::8]} | {key for key in said if key[0] == "test"}
    heard = set().union(*(said[key] for key in held_out))
    free = set().union(*(sentences for key, sentences in said.items() if key not in held_out)) - heard
    everyday = sorted(sentence for sentence in free if known.issuperset(sentence.split()))
    rng.shuffle(everyday)
    for i in range(4000):
        print(long.pop(), long.pop(), long.pop(), short.pop(), everyday[i % len(everyday)], sep="\n")


def phones(words, british):
    """The sentence in Kokoro's alphabet."""
    command = ["espeak-ng", "-q", "--ipa", "-v", "en-gb" if british else "en-us", words]
    found = " ".join(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    table = IPA + (BRITISH if british else AMERICAN)
    for old, new in zip(table[::2], table[1::2], strict=True):
        found = found.replace(old, new)
    for old, new in (("ʲ", ""), ("n̩", "ᵊn"), ("l̩", "ᵊl"), ("̩", ""), *(() if british else (("ː", ""),))):
        found = found.replace(old, new)
    return found


def speakers(voices):
    """Two voices, the weight of the first, and how much faster their sum is played."""
    english = [voice for voice in voices if voice[0] in "ab"]
    foreign = [voice for voice in voices if voice[0] not in "ab"]
    mandarin = [voice for voice in voices if voice[0] == "z"]
    rng = random.Random(88)
    for _ in range(VOICES):
        kind = rng.random()
        if kind < 0.45:
            blend = rng.choice(english), rng.choice(english), rng.uniform(0.35, 0.75)
        elif kind < 0.65:
            blend = rng.choice(english), rng.choice(foreign), rng.uniform(0.35, 0.75)
        elif kind < 0.9:
            blend = rng.choice(english), rng.choice(mandarin), rng.uniform(0, 0.7)
        else:
            blend = rng.choice(foreign), rng.choice(mandarin), rng.uniform(0.2, 0.8)
        shorter = 1.0 if rng.random() < 0.5 else rng.uniform(1.0, 1.25) if rng.random() < 0.8 else rng.uniform(0.92, 1.0)
        yield *blend, round(shorter, 3)


def speak(kokoro, sentences, out, shard, shards, seconds):
    """Recordings until there are so many seconds, half of them through MP3, and a line for each in `shardK.tsv`."""
    import numpy
    import onnxruntime

    kokoro, out, shard, shards = pathlib.Path(kokoro), pathlib.Path(out), int(shard), int(shards)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(kokoro / "model.onnx", options, providers=["CPUExecutionProvider"])
    codes = json.loads((kokoro / "vocab.json").read_text())["vocab"]
    voices = {path.stem: numpy.fromfile(path, numpy.float32).reshape(-1, 256) for path in sorted(kokoro.glob("voices/*.bin"))}
    cast, lines = list(speakers(list(voices))), open(sentences).read().splitlines()
    (out / "audio").mkdir(parents=True, exist_ok=True)
    log = out / f"shard{shard}.tsv"
    log.touch()
    before = [line.split("\t") for line in open(log)]
    done = sum(float(row[3]) for row in before)
    first = max((int(row[0].rsplit("-", 1)[1]) for row in before), default=shard - shards) + shards
    for n in range(first, len(lines), shards):
        if done >= float(seconds):
            break
        rng = random.Random(7000003 * n)
        k = rng.randrange(len(cast))
        one, other, weight, shorter = cast[k]
        question = lines[n].split()[0] in QUESTIONS and rng.random() < 0.7
        spoken = phones(lines[n], one[0] == "b") + ("?" if question else ".")
        tokens = [codes[phone] for phone in spoken if phone in codes]
        if not 5 < len(tokens) < 500:
            continue
        style = weight * voices[one] + (1 - weight) * voices[other]
        asked = {
            "tokens": numpy.array([[0, *tokens, 0]], numpy.int64),
            "style": style[min(len(tokens), len(style)) - 1].reshape(1, 256).astype(numpy.float32),
            "speed": numpy.array([rng.choice([0.8, 0.85, 0.95, 1, 1.05, 1.15]) / shorter], numpy.float32),
        }
        samples = session.run(None, asked)[0].ravel()
        loud = numpy.where(numpy.abs(samples) > 0.008)[0]
        if len(loud) == 0:
            continue
        margin = int(RATE * rng.uniform(0.12, 0.35))
        samples = samples[max(0, loud[0] - margin) : loud[-1] + margin]
        coded = rng.random() < 0.5
        name = f"accents{k:03d}-{n:06d}"
        audio = f"audio/{name}.{'mp3' if coded else 'flac'}"
        source = ["-f", "f32le", "-ar", str(round(RATE * shorter)), "-ac", "1", "-i", "-", "-ar", "16000"]
        kind = ["-c:a", "libmp3lame", "-b:a", "24k"] if coded else ["-sample_fmt", "s16"]
        subprocess.run(["ffmpeg", "-v", "error", "-y", *source, *kind, out / audio], check=True, input=samples.astype("<f4").tobytes())
        length = len(samples) / RATE / shorter
        done += length
        with open(log, "a") as file:
            print(name, f"accents{k:03d}", lines[n], f"{length:.3f}", audio, sep="\t", file=file)


def corpus(out, kaldi):
    """`text`, `utt2spk` and `wav.scp` of all shards."""
    out, kaldi = pathlib.Path(out).resolve(), pathlib.Path(kaldi)
    kaldi.mkdir(parents=True, exist_ok=True)
    rows = sorted(line.rstrip("\n").split("\t") for shard in out.glob("shard*.tsv") for line in open(shard))
    for file, column in (("text", 2), ("utt2spk", 1), ("wav.scp", 4)):
        value = (lambda row: out / row[4]) if column == 4 else (lambda row, column=column: row[column])
        (kaldi / file).write_text("".join(f"{row[0]} {value(row)}\n" for row in rows))


if __name__ == "__main__":
    commands = {"text": text, "speak": speak, "corpus": corpus}
    if len(sys.argv) < 3 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](*sys.argv[2:])
