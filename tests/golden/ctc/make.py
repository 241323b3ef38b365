#!/usr/bin/env python3
"""Writes golden.json: the CTC loss and its gradient with respect to the logits, from PyTorch in f64.

The logits are not stored: both sides draw them from the same linear congruential generator, as
multiples of 2^-21 in [-scale, scale) that f32 holds exactly. Of large gradients every `stride`-th
element is stored.

    python make.py          (PyTorch)
"""

import json
import pathlib

import torch


def generator(seed):
    state = seed
    while True:
        state = (state * 1664525 + 1013904223) % 2**32
        yield state >> 8


def case(name, vocabulary, lengths, targets, scale=4, stride=1, seed=1):
    draw = generator(seed)
    utterances = [
        torch.tensor(
            [[(next(draw) / 2**23 - 1) * scale for _ in range(vocabulary)] for _ in range(frames)],
            dtype=torch.float64,
            requires_grad=True,
        )
        for frames in lengths
    ]
    padded = torch.nn.utils.rnn.pad_sequence(utterances)  # [T, B, V]

    def loss(reduction):
        return torch.nn.functional.ctc_loss(
            torch.log_softmax(padded, -1),
            torch.tensor(sum(targets, []), dtype=torch.long),
            torch.tensor(lengths),
            torch.tensor([len(target) for target in targets]),
            blank=0,
            reduction=reduction,
            zero_infinity=True,
        )

    total = loss("sum")
    total.backward()
    gradient = torch.cat([utterance.grad.flatten() for utterance in utterances])
    return {
        "name": name,
        "vocabulary": vocabulary,
        "lengths": lengths,
        "targets": targets,
        "scale": scale,
        "seed": seed,
        "none": [round(x, 9) for x in loss("none").tolist()],
        "sum": round(total.item(), 9),
        "stride": stride,
        "gradient": [round(x, 8) for x in gradient[::stride].tolist()],
    }


def labels(count, vocabulary, seed):
    draw = generator(seed)
    return [1 + next(draw) % (vocabulary - 1) for _ in range(count)]


CASES = [
    case("repeats", 4, [9], [[1, 1, 2, 2, 2]]),
    case("an empty target", 5, [6], [[]]),
    case("as many labels as frames", 6, [5], [[1, 2, 3, 4, 5]]),
    case("one frame", 3, [1, 1], [[2], []]),
    case("infeasible beside feasible", 5, [7, 5, 4, 3], [[1, 2], [3, 3, 3], [2, 2, 2], [1, 2, 3, 4]]),
    case("two tokens", 2, [12, 10, 8], [[1, 1, 1], [1], []]),
    case("ragged", 30, [60, 41, 40, 17, 3], [labels(n, 30, n) for n in (25, 11, 20, 16, 1)], stride=17),
    case("peaked", 30, [80, 50], [labels(n, 30, n) for n in (30, 8)], scale=32, stride=23),
    case("long", 30, [400, 390], [labels(n, 30, n) for n in (120, 60)], stride=97),
    case("a thousand tokens", 1000, [120, 70], [labels(n, 1000, n) for n in (40, 33)], stride=611),
]

pathlib.Path(__file__).with_name("golden.json").write_text(
    json.dumps({"made with": f"PyTorch {torch.__version__}, torch.float64", "cases": CASES}) + "\n"
)
