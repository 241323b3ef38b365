"""Ten steps of PyTorch's optimisers on a parameter of six elements whose gradient is a formula.

usage: python make.py > optimisers.json
The gradient at step t (from 1) is g_i = sin(i + t) + w_i / 2, clipped to a global norm of 1 by clip_grad_norm_.
"""
import json
import torch

torch.set_default_dtype(torch.float64)
cases = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "sgd-decay": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.9, 0.98), weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, betas=(0.9, 0.98), weight_decay=0.1),
}
out = {"made_with": f"torch {torch.__version__}"}
for name, make in cases.items():
    w = torch.linspace(-1, 1, 6).requires_grad_()
    o = make([w])
    steps = []
    for t in range(1, 11):
        w.grad = torch.sin(torch.arange(6.0) + t) + w.detach() / 2
        torch.nn.utils.clip_grad_norm_([w], 1.0)
        o.step()
        steps.append(w.detach().tolist())
    out[name] = steps
print(json.dumps(out))
