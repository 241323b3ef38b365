"""Recurrent layers of PyTorch: outputs and every gradient, for tests/nn.rs.

    python make.py            writes layers.safetensors beside this file

The versions that made it stand in the file's header. Every case `CELL.DIRECTIONS.LAYERS` holds x
[B, T, D] (padded), `weigh` [B, T, dirs*H], the output and the gradients of sum(output * weigh), and
for each layer w [dirs, G*H, D+H] = (W_ih | W_hh), b [dirs, G*H] = b_ih + b_hh, with gradients.
LSTM, tanh and ReLU run through nn.LSTM and nn.RNN on pack_padded_sequence; nn.RNN has no sigmoid,
so that cell is a loop over autograd's own sigmoid. All in float64, stored as float32.
"""

import pathlib

import numpy
import torch
from safetensors.numpy import save_file
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

LENGTHS = [6, 4, 4, 1]
D, H = 3, 4
torch.manual_seed(20140622)
torch.set_default_dtype(torch.float64)


def rounded(tensor):
    """Values that float32 holds exactly, so that both sides start from the same numbers."""
    return tensor.float().double()


def sigmoid_rnn(net, x):
    """What nn.RNN would compute with a sigmoid, one utterance and one frame at a time."""
    padded = torch.zeros(len(LENGTHS), max(LENGTHS), net.hidden_size * (2 if net.bidirectional else 1))
    rows = []
    for b, length in enumerate(LENGTHS):
        sequence = [x[b, t] for t in range(length)]
        for layer in range(net.num_layers):
            directions = []
            for suffix in ["", "_reverse"] if net.bidirectional else [""]:
                w, u, bw, bu = (
                    getattr(net, f"{name}_l{layer}{suffix}")
                    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                )
                state, outputs = torch.zeros(net.hidden_size), [None] * length
                order = range(length) if suffix == "" else reversed(range(length))
                for t in order:
                    state = torch.sigmoid(w @ sequence[t] + bw + u @ state + bu)
                    outputs[t] = state
                directions.append(outputs)
            sequence = [torch.cat(frame) for frame in zip(*directions)]
        rows.append(torch.cat([torch.stack(sequence), padded[b, length:]]))
    return torch.stack(rows)


def run(net, x, cell):
    if cell == "rnn-sigmoid":
        return sigmoid_rnn(net, x)
    packed = pack_padded_sequence(x, LENGTHS, batch_first=True)
    return pad_packed_sequence(net(packed)[0], batch_first=True)[0]


tensors = {}
for cell in ["lstm", "rnn-sigmoid", "rnn-tanh", "rnn-relu"]:
    for directions in [1, 2]:
        for layers in [1, 3]:
            case = f"{cell}.{directions}.{layers}"
            shape = dict(num_layers=layers, bidirectional=directions == 2, batch_first=True)
            if cell == "lstm":
                net = torch.nn.LSTM(D, H, **shape)
            else:
                nonlinearity = "relu" if cell == "rnn-relu" else "tanh"
                net = torch.nn.RNN(D, H, nonlinearity=nonlinearity, **shape)
            with torch.no_grad():
                for parameter in net.parameters():
                    # Twice as wide as the default: saturated gates are tested too.
                    parameter.copy_(rounded(2 * parameter))
            x = rounded(torch.randn(len(LENGTHS), max(LENGTHS), D)).requires_grad_()
            weigh = rounded(torch.randn(len(LENGTHS), max(LENGTHS), directions * H))
            output = run(net, x, cell)
            (output * weigh).sum().backward()
            tensors[f"{case}.x"] = x
            tensors[f"{case}.x.grad"] = x.grad
            tensors[f"{case}.weigh"] = weigh
            tensors[f"{case}.output"] = output
            for layer in range(layers):
                suffixes = ["", "_reverse"][:directions]
                of = lambda name, suffix: getattr(net, f"{name}_l{layer}{suffix}")
                w = [(of("weight_ih", s), of("weight_hh", s)) for s in suffixes]
                b = [(of("bias_ih", s), of("bias_hh", s)) for s in suffixes]
                tensors[f"{case}.{layer}.w"] = torch.stack([torch.cat(pair, 1) for pair in w])
                tensors[f"{case}.{layer}.w.grad"] = torch.stack(
                    [torch.cat([part.grad for part in pair], 1) for pair in w]
                )
                tensors[f"{case}.{layer}.b"] = torch.stack([sum(pair) for pair in b])
                tensors[f"{case}.{layer}.b.grad"] = torch.stack([pair[0].grad for pair in b])

arrays = {
    name: numpy.ascontiguousarray(tensor.detach().numpy().astype(numpy.float32))
    for name, tensor in tensors.items()
}
arrays["lengths"] = numpy.array(LENGTHS, dtype=numpy.float32)
path = pathlib.Path(__file__).with_name("layers.safetensors")
save_file(arrays, path, metadata={"made-with": f"PyTorch {torch.__version__}, numpy {numpy.__version__}"})
print(f"{path.name}: {len(arrays)} tensors, PyTorch {torch.__version__}")
