"""The PyTorch side of `make bench`: one step of a deep LSTM with CTC, the same shapes as `hearken bench`.

Variants of the bidirectional layer:
  padded   nn.LSTM(bidirectional=True) on the padded batch. The backward direction starts in the
           padding: wrong unless all lengths are equal.
  packed   the same through pack_padded_sequence: right, and what everybody writes.
  gather   two unidirectional nn.LSTM a layer on the padded batch, the backward one fed each
           sequence reversed within its own length by `gather`: right, and the fastest we know.

Prints one JSON object a line, with the loss: packed and gather must agree.
"""

import argparse
import functools
import json
import resource
import time

import torch
from torch import nn


RECURRENT = {
    "lstm": nn.LSTM,
    "rnn-tanh": functools.partial(nn.RNN, nonlinearity="tanh"),
    "rnn-relu": functools.partial(nn.RNN, nonlinearity="relu"),
}


def reversal(steps, lengths):
    """The frame that stands in each one's place when every sequence is reversed within its own length, [T, B, 1]."""
    frame = torch.arange(steps)[:, None]
    return torch.where(frame < lengths, lengths - 1 - frame, frame)[:, :, None]


class Gathered(nn.Module):
    """A bidirectional layer as two unidirectional ones on a padded batch [T, B, D]."""

    def __init__(self, recurrent, dim, cells):
        super().__init__()
        self.forwards = recurrent(dim, cells)
        self.backwards = recurrent(dim, cells)

    def forward(self, x, index):
        def reverse(values):
            return values.gather(0, index.expand(-1, -1, values.shape[2]))

        return torch.cat([self.forwards(x)[0], reverse(self.backwards(reverse(x))[0])], 2)


class Net(nn.Module):
    def __init__(self, variant, cell, layers, cells, dim, outputs):
        super().__init__()
        self.variant = variant
        recurrent = RECURRENT[cell]
        if variant == "gather":
            dims = [dim] + [2 * cells] * (layers - 1)
            self.layers = nn.ModuleList(Gathered(recurrent, d, cells) for d in dims)
        else:
            self.lstm = recurrent(dim, cells, layers, bidirectional=True)
        self.output = nn.Linear(2 * cells, outputs)

    def forward(self, x, lengths, index):
        if self.variant == "gather":
            for layer in self.layers:
                x = layer(x, index)
        elif self.variant == "packed":
            x = nn.utils.rnn.pack_padded_sequence(x, lengths)
            x = nn.utils.rnn.pad_packed_sequence(self.lstm(x)[0])[0]
        else:
            x = self.lstm(x)[0]
        return self.output(x)

    def copy_from(self, lstm):
        """Takes the weights of a bidirectional nn.LSTM, so that variants can be compared."""
        with torch.no_grad():
            for i, layer in enumerate(self.layers):
                for suffix, one in (("", layer.forwards), ("_reverse", layer.backwards)):
                    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                        value = getattr(lstm, f"{name}_l{i}{suffix}")
                        getattr(one, f"{name}_l0").copy_(value)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["train", "infer", "gemm"])
    parser.add_argument("--variant", choices=["padded", "packed", "gather"], default="padded")
    parser.add_argument("--cell", choices=RECURRENT, default="lstm")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--cells", type=int, default=320)
    parser.add_argument("--input", type=int, default=120)
    parser.add_argument("--outputs", type=int, default=30)
    parser.add_argument("--lengths", default="400," * 15 + "400")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    if args.kind == "gemm":
        return gemm(args)
    lengths = sorted((int(n) for n in args.lengths.split(",")), reverse=True)
    steps, batch = lengths[0], len(lengths)
    lengths = torch.tensor(lengths)
    reference = Net("padded", args.cell, args.layers, args.cells, args.input, args.outputs)
    net = reference
    if args.variant != "padded":
        net = Net(args.variant, args.cell, args.layers, args.cells, args.input, args.outputs)
        net.output.load_state_dict(reference.output.state_dict())
        if args.variant == "gather":
            net.copy_from(reference.lstm)
        else:
            net.lstm.load_state_dict(reference.lstm.state_dict())
    del reference
    x = torch.rand(steps, batch, args.input) * 2 - 1
    index = reversal(steps, lengths)
    targets = torch.cat([torch.arange(n // 8) % (args.outputs - 1) + 1 for n in lengths])
    target_lengths = lengths // 8

    def forward():
        with torch.autocast("cpu", torch.bfloat16, enabled=args.precision == "bf16"):
            logits = net(x, lengths, index)
        return nn.functional.log_softmax(logits.float(), 2)

    def step():
        if args.kind == "infer":
            with torch.inference_mode():
                return forward().mean().item()
        net.zero_grad(set_to_none=True)
        log_probs = forward()
        loss = nn.functional.ctc_loss(
            log_probs, targets, lengths, target_lengths, reduction="sum"
        )
        loss.backward()
        return loss.item() / int(lengths.sum())

    before = resident()
    loss = step()
    wall, cpu = [], []
    for _ in range(args.steps):
        start, start_cpu = time.perf_counter(), time.process_time()
        loss = step()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - start_cpu)
    median = lambda values: sorted(values)[len(values) // 2]
    print(json.dumps({
        "kind": args.kind,
        "variant": args.variant,
        "threads": args.threads,
        "torch": torch.__version__,
        "seconds_per_step": median(wall),
        "fastest_step": min(wall),
        "cpu_seconds_per_step": median(cpu),
        "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "memory_before": before,
        "loss": loss,
    }))


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def gemm(args):
    """The best rate of a large product, as `hearken bench` measures its own."""
    m, n, k = 2240, 1280, 640
    dtype = torch.bfloat16 if args.precision == "bf16" else torch.float32
    a, b = torch.rand(m, k).to(dtype), torch.rand(k, n).to(dtype)
    c = torch.empty(m, n, dtype=dtype)
    best = float("inf")
    for _ in range(10):
        start = time.perf_counter()
        torch.mm(a, b, out=c)
        best = min(best, time.perf_counter() - start)
    print(json.dumps({"threads": args.threads, "peak_gflops": 2 * m * n * k / best / 1e9}))


if __name__ == "__main__":
    main()
