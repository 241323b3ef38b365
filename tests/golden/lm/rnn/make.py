"""A recurrent language model of PyTorch: losses and weights over six steps, for src/lm/rnn.

    python make.py            writes network.json beside this file

An LSTM over three contiguous streams of eight tokens, two batches of four steps a pass, the state
carried between them and zero at the start of a pass, plain gradient descent on the mean loss, three
passes. `tied` shares its table between input and a full softmax behind a projection; `adaptive` has
a table of its own with groups at 5 and 8, its loss that of torch.nn.AdaptiveLogSoftmaxWithLoss with
identities for projections. Tokens: 0 <unk>, 1 <s>, 2 </s>; <s> has a bias of -10000. Weights are
laid out as hearken's: LSTM w (W_ih | W_hh), b = b_ih + b_hh, the groups' rows before the tokens'.
In float64; the versions stand in the file.
"""

import json
import pathlib

import torch
from torch import nn

torch.manual_seed(20100926)
torch.set_default_dtype(torch.float64)
V, D, H, STREAMS, STEPS, RATE = 12, 4, 5, 3, 4, 0.3
CUTOFFS = [5, 8]
TOKENS = [3, 4, 7, 2, 9, 3, 2, 5, 11, 3, 0, 2, 2, 8, 4, 3, 10, 2, 3, 4, 6, 9, 2, 3]


def rounded(*shape, scale=0.5):
    """Values that float32 holds exactly, so that both sides start from the same numbers."""
    return (torch.empty(*shape).uniform_(-scale, scale)).float().double()


def loss_of(kind, read, table, bias, targets):
    if kind == "tied":
        return nn.functional.cross_entropy(read @ table.T + bias, targets)
    groups = len(CUTOFFS)
    bounds = CUTOFFS + [V]
    tokens, stand_ins = table[groups:], table[:groups]
    softmax = nn.AdaptiveLogSoftmaxWithLoss(D, V, CUTOFFS, div_value=1.0, head_bias=True)
    parts = {
        "head.weight": torch.cat([tokens[: CUTOFFS[0]], stand_ins]),
        "head.bias": torch.cat([bias[groups : groups + CUTOFFS[0]], bias[:groups]]),
    }
    for group in range(groups):
        parts[f"tail.{group}.0.weight"] = torch.eye(D)
        parts[f"tail.{group}.1.weight"] = tokens[bounds[group] : bounds[group + 1]]
    return torch.func.functional_call(softmax, parts, (read, targets)).loss


def case(kind):
    groups = 0 if kind == "tied" else len(CUTOFFS)
    width = D if kind == "tied" else H
    weights = {
        "embedding.w": rounded(V, D),
        "recurrent.0.w": rounded(1, 4 * H, D + H),
        "recurrent.0.b": rounded(1, 4 * H),
        "projection.w": rounded(D, H),
        "projection.b": rounded(D),
        "output.w": rounded(V + groups, D),
        "output.b": torch.zeros(V + groups),
    }
    weights["output.b"][groups + 1] = -10000.0
    if kind == "tied":
        del weights["output.w"]
    before = {name: value.clone() for name, value in weights.items()}
    for value in weights.values():
        value.requires_grad_()
    length = len(TOKENS) // STREAMS
    tokens = torch.tensor(TOKENS)
    inputs = torch.tensor([1] + TOKENS[:-1])
    inputs[inputs == 2] = 1
    losses = []
    for _ in range(3):
        h, c = torch.zeros(STREAMS, H), torch.zeros(STREAMS, H)
        for start in range(0, length, STEPS):
            total = 0.0
            for t in range(start, start + STEPS):
                at = torch.arange(STREAMS) * length + t
                x = torch.cat([weights["embedding.w"][inputs[at]], h], 1)
                gates = x @ weights["recurrent.0.w"][0].T + weights["recurrent.0.b"][0]
                i, f, g, o = gates.chunk(4, 1)
                c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                h = o.sigmoid() * c.tanh()
                read = h @ weights["projection.w"].T + weights["projection.b"]
                table = weights.get("output.w", weights["embedding.w"])
                total = total + loss_of(kind, read, table, weights["output.b"], tokens[at])
            loss = total / STEPS
            losses.append(loss.item())
            loss.backward()
            h, c = h.detach(), c.detach()
            with torch.no_grad():
                for name, value in weights.items():
                    # PyTorch's groups have no bias.
                    if name == "output.b" and groups:
                        value.grad[groups + CUTOFFS[0] :] = 0.0
                    value -= RATE * value.grad
                    value.grad = None
    flat = lambda tensors: {name: value.detach().flatten().tolist() for name, value in tensors.items()}
    return {"before": flat(before), "after": flat(weights), "losses": losses}


golden = {"torch": torch.__version__, "tokens": TOKENS}
for kind in ["tied", "adaptive"]:
    golden[kind] = case(kind)
text = json.dumps(json.loads(json.dumps(golden), parse_float=lambda x: round(float(x), 9)))
pathlib.Path(__file__).with_name("network.json").write_text(text + "\n")
