#!/usr/bin/env python3
"""Compares the decoders' texts and times: scores all texts by one rule that is written apart from every decoder.

    python decode_score.py LOG_PROBS.safetensors LM.arpa ALPHA BETA BEAM HEARKEN.json PEERS.json [PEER]

A text's score is the total CTC log-probability of its characters + alpha · ln p(text </s>) + beta · words, where an unknown
word adds what pyctcdecode adds to its ln p(<unk>) and KenLM says what p is; without a model, the first term alone. HEARKEN.json is
benches/decode.rs's, PEERS.json decode.py's; PEER picks the peers whose name holds it. Prints a JSON object a peer.
"""

import json
import math
import sys
from datetime import date

import kenlm
import numpy as np

from decode import BLANK, CHARACTERS, SPACE, UNKNOWN, read
from edits import edits

TOKEN = {character: token for token, character in enumerate(CHARACTERS)}
# A text counts as worse if its score is lower by more than what f32 loses.
TOLERANCE = 1e-3


def ctc(matrix, text):
    """ln p of all label sequences that read as a text, by the forward recursion of Graves et al. 2006.

    Spaces in a row read as one, those at the ends as none: the decoders all take them so."""
    labels = [BLANK, SPACE, BLANK]
    for character in text:
        labels += [TOKEN[character], BLANK]
    if text:
        labels += [SPACE, BLANK]
    labels = np.array(labels)
    space = labels == SPACE
    skip = np.zeros(len(labels), bool)
    skip[2:] = (labels[2:] != BLANK) & (labels[2:] != labels[:-2])
    never = -np.inf
    state = np.full(len(labels), never)
    # A text begins with a blank, a space or its first character, and ends with any of its last four states.
    state[[0, 1, 3] if text else [0, 1]] = 0
    for t, row in enumerate(matrix.astype(np.float64)):
        if t:
            before = np.pad(state, (3, 1), constant_values=never)
            here, one, two, after = before[3:-1], before[2:-2], before[1:-3], before[4:]
            state = np.logaddexp(np.logaddexp(here, one), np.where(skip, two, never))
            state = np.logaddexp(state, np.where(space, after, never))
            if text:
                # Without a space before the first character.
                state[3] = np.logaddexp(state[3], here[0])
        state = state + row[labels]
    return np.logaddexp.reduce(state[-4:] if text else state)


def wer(references, texts):
    errors = sum(edits(r.split(), t.split()) for r, t in zip(references, texts))
    return errors / sum(len(r.split()) for r in references)


def main():
    path, lm, alpha, beta, beam, ours, theirs = sys.argv[1:8]
    alpha, beta = float(alpha), float(beta)
    wanted = "".join(sys.argv[8:9])
    matrices, model = read(path), kenlm.Model(lm)
    ours = json.load(open(ours))
    references = [utterance["reference"] for utterance in ours["utterances"]]
    texts = [utterance["text"] for utterance in ours["utterances"]]

    def score(matrix, text, with_model):
        total = ctc(matrix, text)
        if with_model:
            words = model.full_scores(text)
            language = sum(p * math.log(10) + (UNKNOWN if unknown else 0.0) for p, _, unknown in words)
            total += alpha * language + beta * len(text.split())
        return total

    def scores(texts, with_model):
        return np.array([score(matrix, text, with_model) for matrix, text in zip(matrices, texts)])

    for name, peer in json.load(open(theirs)).items():
        if wanted not in name:
            continue
        with_model = peer["model"]
        a, b = scores(texts, with_model), scores(peer["texts"], with_model)
        # The time of T = 800 frames, at the mean length of the utterances.
        per_800 = 800 / ours["frames"]
        row = {
            "peer": name,
            "utterances": len(a),
            "frames": ours["frames"],
            "longest": max(len(matrix) for matrix in matrices),
            "beam": int(beam),
            "hearken_seconds": round(ours["seconds"] * per_800, 5),
            "peer_seconds": round(peer["seconds"] * per_800, 5),
            "ratio": round(peer["seconds"] / ours["seconds"], 3),
            "hearken_wer": round(wer(references, texts), 5),
            "peer_wer": round(wer(references, peer["texts"]), 5),
            "hearken_score": round(a.mean(), 4),
            "peer_score": round(b.mean(), 4),
            "hearken_lower": round(float((a < b - TOLERANCE).mean()), 5),
            "hearken_higher": round(float((a > b + TOLERANCE).mean()), 5),
            "date": date.today().isoformat(),
        }
        print(json.dumps(row))


if __name__ == "__main__":
    main()
