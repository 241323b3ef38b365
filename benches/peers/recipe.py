#!/usr/bin/env python3
"""The recipe of experiments/english.toml in PyTorch, on the features of a run of ours: the same curve, and its time.

    python recipe.py OUT.jsonl METRICS.jsonl --train STORE... --dev NAME=STORE... --lexicon CMUDICT [--epochs N]
                     [--of N] [--batch-frames N] [--precision f32|bf16] [--threads N]

METRICS.jsonl is the `train/metrics.jsonl` of our run, whose `features/*.h5` STOREs are read. The first --epochs epochs
of a schedule for --of are trained; each epoch's figures, ours and theirs, and the frames a second of training go to
OUT.jsonl (compare speeds only if both ran alone on one machine). Random numbers differ. Each layer is two unidirectional
nn.LSTM on the padded batch, the backward one fed each utterance reversed within its own length: the fastest correct
PyTorch that we know (pytorch.py). Needs torch, h5py and numpy.
"""

import argparse
import json
import math
import random
import time
from datetime import date
from pathlib import Path

import h5py
import torch
from torch import nn

from edits import edits
from machine import machine
from pytorch import Gathered, reversal

CHARACTERS = ["<blank>", " ", "'", *"abcdefghijklmnopqrstuvwxyz"]
PHONES = "<blank> AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()
BINS, STACKED, CELLS, LAYERS, DROPOUT = 80, 3, 320, 4, 0.25
RATE, WARMUP, HOLD, FLOOR, SPECAUGMENT_FROM = 1.2e-3, 300, 0.35, 0.01, 3

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("out", type=Path)
parser.add_argument("metrics", type=Path)
parser.add_argument("--train", nargs="+", required=True)
parser.add_argument("--dev", nargs="+", required=True, metavar="NAME=STORE")
parser.add_argument("--lexicon", required=True)
parser.add_argument("--epochs", type=int, default=4)
parser.add_argument("--of", type=int, default=16)
parser.add_argument("--batch-frames", type=int, default=4200)
parser.add_argument("--precision", choices=["f32", "bf16"], default="bf16")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--seed", type=int, default=1)
arguments = parser.parse_args()
torch.set_num_threads(arguments.threads)
torch.manual_seed(arguments.seed)
draw = random.Random(arguments.seed)

pronunciations = {}
for line in open(arguments.lexicon, errors="replace"):
    word, *phones = line.split("#")[0].split() or [""]
    if phones and "(" not in word:
        pronunciations.setdefault(word, [PHONES.index(phone.rstrip("012")) for phone in phones])


def read(stores):
    """Utterances: their features at each speed, their characters, their phones where all words have them."""
    utterances = {}
    for store in stores:
        with h5py.File(store) as file:
            features, offsets = file["features"][:], file["offsets"][:]
            for i, (id, text) in enumerate(zip(file["ids"].asstr()[:], file["texts"].asstr()[:])):
                speed, _, original = id.partition("-")
                copy = speed.startswith("sp") and speed[2:].replace(".", "").isdigit()
                key = store, original if copy else id
                text = " ".join("".join(c if c in CHARACTERS else " " if c == "-" else "" for c in text.lower()).split())
                words = [pronunciations.get(word) for word in text.split()]
                targets = [CHARACTERS.index(c) for c in text], sum(words, []) if all(words) else None
                utterances.setdefault(key, ([], *targets))[0].append(features[offsets[i] : offsets[i + 1]])
    return list(utterances.values())


def masked(features):
    """SpecAugment: two bands of at most 14 bins, a time mask of at most 8 frames for every 80."""
    features = features.copy()
    frames = len(features)
    bands = features.reshape(frames, STACKED, BINS)
    for _ in range(2):
        width = draw.randint(0, 14)
        first = draw.randint(0, BINS - width)
        bands[:, :, first : first + width] = 0
    for _ in range(max(1, frames // 80)):
        width = draw.randint(0, min(8, frames // 6))
        first = draw.randint(0, frames - width)
        features[first : first + width] = 0
    return features


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        dims = [BINS * STACKED] + [2 * CELLS] * (LAYERS - 1)
        self.layers = nn.ModuleList(Gathered(nn.LSTM, d, CELLS) for d in dims)
        self.outputs = nn.ModuleList(nn.Linear(2 * CELLS, len(tokens)) for tokens in (CHARACTERS, PHONES))
        for lstm in (one for layer in self.layers for one in (layer.forwards, layer.backwards)):
            with torch.no_grad():
                lstm.bias_ih_l0[CELLS : 2 * CELLS] = 1
                lstm.bias_hh_l0[CELLS : 2 * CELLS] = 0

    def forward(self, x, lengths):
        index = reversal(len(x), lengths)
        for layer in self.layers:
            x = nn.functional.dropout(layer(x, index), DROPOUT, self.training)
        return [nn.functional.log_softmax(output(x).float(), 2) for output in self.outputs]


def batches(lengths, shuffle):
    """Of neighbours in length, at most so many frames with none of padding counted."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i] * draw.uniform(0.95, 1.05) if shuffle else lengths[i])
    all, batch, frames = [], [], 0
    for i in order:
        if batch and frames + lengths[i] > arguments.batch_frames:
            all.append(batch)
            batch, frames = [], 0
        batch.append(i)
        frames += lengths[i]
    all.append(batch)
    if shuffle:
        draw.shuffle(all)
    return all


def through(net, features):
    lengths = torch.tensor([len(f) for f in features])
    x = nn.utils.rnn.pad_sequence([torch.from_numpy(f) for f in features])
    with torch.autocast("cpu", torch.bfloat16, enabled=arguments.precision == "bf16"):
        return net(x, lengths), lengths


def ctc(log_probs, lengths, targets):
    """The sum over the utterances that have a target."""
    which = [i for i, target in enumerate(targets) if target is not None]
    if not which:
        return log_probs.sum() * 0
    flat = torch.tensor(sum((targets[i] for i in which), []))
    sizes = torch.tensor([len(targets[i]) for i in which])
    return nn.functional.ctc_loss(log_probs[:, which], flat, lengths[which], sizes, reduction="sum", zero_infinity=True)


@torch.inference_mode()
def evaluate(net, utterances):
    """Loss of the characters a frame; error rates of the best paths of characters and phones."""
    net.eval()
    loss = frames = 0
    errors, counts = [0, 0], [0, 0]
    for batch in batches([len(u[0][0]) for u in utterances], False):
        outputs, lengths = through(net, [utterances[i][0][0] for i in batch])
        loss += ctc(outputs[0], lengths, [utterances[i][1] for i in batch]).item()
        frames += int(lengths.sum())
        for output, log_probs in enumerate(outputs):
            best = log_probs.argmax(2).numpy()
            for column, i in enumerate(batch):
                if (target := utterances[i][1 + output]) is None:
                    continue
                path = best[: lengths[column], column]
                heard = [int(t) for k, t in enumerate(path) if t and (k == 0 or path[k - 1] != t)]
                errors[output] += edits(target, heard)
                counts[output] += len(target)
    net.train()
    return loss / frames, *(e / c for e, c in zip(errors, counts))


train = read(arguments.train)
dev = {name: read([store]) for name, store in (pair.split("=", 1) for pair in arguments.dev)}
net = Net()
decayed = [p for p in net.parameters() if p.dim() > 1]
plain = [p for p in net.parameters() if p.dim() < 2]
groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
optimiser = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98), fused=True)
ours = [json.loads(line) for line in open(arguments.metrics)]
step, lines = 0, []
for epoch in range(arguments.epochs):
    begin = time.perf_counter()
    chosen = [draw.choice(u[0]) for u in train]
    order = batches([len(f) for f in chosen], True)
    if epoch == 0:
        order.sort(key=lambda batch: max(len(chosen[i]) for i in batch))
    sum_loss = sum_frames = 0
    for at, batch in enumerate(order):
        progress = (epoch + at / len(order)) / arguments.of
        fallen = max(0.0, (progress - HOLD) / (1 - HOLD))
        rate = RATE * min(1.0, (step + 1) / WARMUP) * max(FLOOR, 0.5 * (1 + math.cos(math.pi * fallen)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        features = [masked(chosen[i]) if epoch + 1 >= SPECAUGMENT_FROM else chosen[i] for i in batch]
        optimiser.zero_grad(set_to_none=True)
        (characters, phones), lengths = through(net, features)
        of_characters = ctc(characters, lengths, [train[i][1] for i in batch])
        loss = of_characters + ctc(phones, lengths, [train[i][2] for i in batch])
        frames = int(lengths.sum())
        (loss / frames).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0, foreach=True)
        optimiser.step()
        sum_loss, sum_frames, step = sum_loss + of_characters.item(), sum_frames + frames, step + 1
    seconds = time.perf_counter() - begin
    line = {"epoch": epoch + 1, "steps": [ours[epoch]["step"], step], "train_loss": [ours[epoch]["train_loss"], sum_loss / sum_frames]}
    for name, utterances in dev.items():
        _, cer, per = evaluate(net, utterances)
        figures = ours[epoch]["figures"]
        line[name] = {"cer": [figures[f"cer.{name}"], cer], "per": [figures[f"per.{name}.output1"], per]}
    line |= {"frames_per_second": [ours[epoch]["frames_per_second"], sum_frames / seconds], "precision": arguments.precision, "threads": arguments.threads}
    line |= {"torch": torch.__version__, "date": date.today().isoformat(), "machine": machine()}
    print(json.dumps(line), flush=True)
    lines.append(json.dumps(line) + "\n")
    arguments.out.write_text("".join(lines))
