#!/usr/bin/env python3
"""Scores the texts of two decoders by one rule, written apart from both: total CTC log-probability of the text
+ alpha · ln p(text </s>) + beta · words, an unknown word adding -10 nats to its ln p(<unk>). Characters only.

    python decode_score.py LOG_PROBS.safetensors LM.arpa ALPHA BETA HEARKEN.json PEERS.json

HEARKEN.json is written by benches/decode.rs, PEERS.json by decode.py. KenLM gives the language model's part.
"""

import json
import math
import sys

import kenlm
import numpy as np

path, lm, alpha, beta, ours, theirs = sys.argv[1:]
alpha, beta = float(alpha), float(beta)
TOKEN = {c: i for i, c in enumerate(["", " ", "'"] + [chr(c) for c in range(ord("a"), ord("z") + 1)])}
with open(path, "rb") as file:
    header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    body = file.read()
model = kenlm.Model(lm)


def log_probs(index):
    entry = header[f"{index}.0"]
    begin, end = entry["data_offsets"]
    return np.frombuffer(body[begin:end], np.float32).reshape(entry["shape"]).astype(np.float64)


def ctc(matrix, text):
    """ln p of all alignments of a text, by the forward recursion of Graves et al. 2006."""
    labels = [0]
    for character in text:
        labels += [TOKEN[character], 0]
    labels = np.array(labels)
    skip = np.zeros(len(labels), bool)
    skip[2:] = (labels[2:] != 0) & (labels[2:] != labels[:-2])
    state = np.full(len(labels), -np.inf)
    state[:2] = matrix[0, labels[:2]]
    for row in matrix[1:]:
        one = np.concatenate([[-np.inf], state[:-1]])
        two = np.where(skip, np.concatenate([[-np.inf] * 2, state[:-2]])[: len(labels)], -np.inf)
        state = np.logaddexp(np.logaddexp(state, one), two) + row[labels]
    return np.logaddexp(state[-1], state[-2]) if len(labels) > 1 else state[-1]


def score(index, text):
    language = 0.0
    for log10_prob, _, unknown in model.full_scores(text):
        language += log10_prob * math.log(10) + (-10.0 if unknown else 0.0)
    return ctc(log_probs(index), text) + alpha * language + beta * len(text.split())


ours = [u["text"] for u in json.load(open(ours))["utterances"]]
for name, result in json.load(open(theirs)).items():
    pairs = [(score(i, a), score(i, b)) for i, (a, b) in enumerate(zip(ours, result["texts"]))]
    a, b = np.array(pairs).T
    print(
        json.dumps(
            {
                "peer": name,
                "utterances": len(pairs),
                "hearken_mean": round(a.mean(), 4),
                "peer_mean": round(b.mean(), 4),
                "hearken_lower": round(float((a < b - 1e-3).mean()), 4),
                "hearken_higher": round(float((a > b + 1e-3).mean()), 4),
            }
        )
    )
