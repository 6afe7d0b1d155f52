# Run by hand.
"""Makes test/fixtures/balance.safetensors: balancing losses and their gradients, written from the papers' equations.

Run with Python, torch 2.13 (CPU) and safetensors. Two sequences of six tokens, five experts, two choices. Everything follows from the clean
logits, the raw noise scales and the draws: noisy = logits + draw * softplus(scale), the gates are the softmax over the two best noisy ones.
"""
import math
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent.parent / "fixtures"
B, T, E, K = 2, 6, 5, 2
N = B * T


def cv_squared(x):
    """Square of the coefficient of variation, with the population's variance (Shazeer et al. 2017, eq. 7)."""
    return x.var(unbiased=False) / x.mean() ** 2


def losses(logits, scale, draw):
    deviation = F.softplus(scale)
    noisy = logits + draw * deviation
    values, indices = noisy.topk(K + 1)
    kept = indices[:, :K]
    gates = torch.zeros(N, E).scatter(1, kept, values[:, :K].softmax(-1))
    chosen = torch.zeros(N, E).scatter(1, kept, 1.0)

    # Shazeer et al. 2017, eq. 6 and 8-10: the threshold of a kept expert is the (K+1)-th noisy value, of another the K-th.
    threshold = torch.where(chosen.bool(), values[:, K : K + 1], values[:, K - 1 : K])
    load = (0.5 * (1 + torch.erf((logits - threshold) / deviation / math.sqrt(2)))).sum(0)

    probabilities = logits.softmax(-1)
    share = chosen.sum(0) / (N * K)
    per_sequence = lambda x: x.reshape(B, T, E)
    affinity = torch.sigmoid(logits)
    return {
        "importance": cv_squared(gates.sum(0)),
        "load": cv_squared(load),
        # Fedus et al. 2021, eq. 4-6, over all choices.
        "switch": E * (share * probabilities.mean(0)).sum(),
        # Zoph et al. 2022, eq. 5.
        "z": (logits.logsumexp(-1) ** 2).mean(),
        # DeepSeek-V3 (2412.19437), eq. 17-20, mean over sequences; with softmax probabilities and with normalized sigmoids.
        "sequence": ((per_sequence(chosen).sum(1) * E / (K * T)) * per_sequence(probabilities).mean(1)).sum(-1).mean(),
        "sequence-sigmoid": (
            (per_sequence(chosen).sum(1) * E / (K * T)) * per_sequence(affinity / affinity.sum(-1, keepdim=True)).mean(1)
        ).sum(-1).mean(),
    }, dict(noisy=noisy, gates=gates, indices=kept.float(), load=load)


def main():
    torch.manual_seed(20)
    logits = torch.randn(N, E, requires_grad=True)
    scale = torch.randn(N, E, requires_grad=True)
    draw = torch.randn(N, E)
    found, given = losses(logits, scale, draw)
    stored = {"in.logits": logits, "in.scale": scale, "in.draw": draw, **{f"out.{name}": value for name, value in given.items()}}
    for name, value in found.items():
        stored[f"loss.{name}"] = value.reshape(1)
        for tensor, label in ((logits, "logits"), (scale, "scale")):
            (gradient,) = torch.autograd.grad(value, tensor, retain_graph=True, allow_unused=True)
            if gradient is not None:
                stored[f"grad.{name}.{label}"] = gradient
    save_file({name: value.detach().float().contiguous() for name, value in stored.items()}, HERE / "balance.safetensors")
    print({name: round(value.item(), 6) for name, value in found.items()})


main()
