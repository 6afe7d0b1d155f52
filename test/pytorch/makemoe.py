"""makeMoE's model in PyTorch, written from its description: the numbers that ours is compared with.

Randomness can be given: `noise` and `masks` are queues of tensors, used up in the order of the forward pass, so that another program
can repeat a pass with noise and dropout to the last digit. Without them PyTorch draws.
"""
import torch
from torch import nn
from torch.nn import functional as F


class Randomness:
    """Noise and dropout masks, given or drawn. Masks hold 0 and 1 / (1 - rate)."""

    def __init__(self, noise=None, masks=None):
        self.noise, self.masks = noise, masks

    def normal_like(self, x):
        return torch.randn_like(x) if self.noise is None else self.noise.pop(0)

    def drop(self, x, rate, training):
        if not training:
            return x
        if self.masks is None:
            return F.dropout(x, rate)
        return x * self.masks.pop(0).reshape(x.shape)


class Head(nn.Module):
    def __init__(self, c, size, block):
        super().__init__()
        self.key = nn.Linear(c, size, bias=False)
        self.query = nn.Linear(c, size, bias=False)
        self.value = nn.Linear(c, size, bias=False)
        self.register_buffer("tril", torch.tril(torch.ones(block, block)))

    def forward(self, x, rate, mask, scale):
        t = x.shape[1]
        scores = self.query(x) @ self.key(x).transpose(-2, -1) * scale
        scores = scores.masked_fill(self.tril[:t, :t] == 0, float("-inf"))
        weights = F.softmax(scores, dim=-1)
        if mask is not None:
            weights = weights * mask
        elif self.training:
            weights = F.dropout(weights, rate)
        return weights @ self.value(x)


class MultiHeadAttention(nn.Module):
    def __init__(self, c, heads, block, rate, scale):
        super().__init__()
        self.heads = nn.ModuleList([Head(c, c // heads, block) for _ in range(heads)])
        self.proj = nn.Linear(c, c)
        self.rate, self.scale = rate, scale

    def forward(self, x, r):
        n = len(self.heads)
        masks = r.masks.pop(0) if self.training and r.masks is not None else None  # [B, H, T, T]
        outs = [h(x, self.rate, None if masks is None else masks[:, i], self.scale) for i, h in enumerate(self.heads)]
        return r.drop(self.proj(torch.cat(outs, dim=-1)), self.rate, self.training)


class Expert(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(c, 4 * c), nn.ReLU(), nn.Linear(4 * c, c))

    def forward(self, x):
        return self.net(x)


class NoisyTopkRouter(nn.Module):
    def __init__(self, c, experts, k):
        super().__init__()
        self.k = k
        self.topkroute_linear = nn.Linear(c, experts)
        self.noise_linear = nn.Linear(c, experts)

    def forward(self, x, r):
        logits = self.topkroute_linear(x)
        noisy = logits + r.normal_like(logits) * F.softplus(self.noise_linear(x))
        values, indices = noisy.topk(self.k, dim=-1)
        sparse = torch.full_like(noisy, float("-inf")).scatter(-1, indices, values)
        return F.softmax(sparse, dim=-1), indices


class SparseMoE(nn.Module):
    def __init__(self, c, experts, k, rate, capacity_factor):
        super().__init__()
        self.router = NoisyTopkRouter(c, experts, k)
        self.experts = nn.ModuleList([Expert(c) for _ in range(experts)])
        self.k, self.rate, self.capacity_factor = k, rate, capacity_factor

    def forward(self, x, r):
        gates, indices = self.router(x, r)
        c = x.shape[-1]
        flat, flat_gates, flat_indices = x.reshape(-1, c), gates.reshape(-1, len(self.experts)), indices.reshape(-1, self.k)
        out = torch.zeros_like(flat)
        n = flat.shape[0]
        masks = r.masks.pop(0).reshape(n, self.k, c) if self.training and r.masks is not None else None
        capacity = None if self.capacity_factor is None else int(n * self.k / len(self.experts) * self.capacity_factor)
        for e, expert in enumerate(self.experts):
            chosen = (flat_indices == e).any(-1).nonzero().flatten()[:capacity]
            if chosen.numel() == 0:
                continue
            y = expert(flat[chosen])
            if masks is not None:
                choice = (flat_indices[chosen] == e).float().argmax(-1)
                y = y * masks[chosen, choice]
            elif self.training:
                y = F.dropout(y, self.rate)
            out = out.index_add(0, chosen, y * flat_gates[chosen, e].unsqueeze(1))
        return out.reshape(x.shape)


class Block(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        c = cfg["n_embed"]
        self.sa = MultiHeadAttention(c, cfg["n_head"], cfg["block_size"], cfg["dropout"], c**-0.5)
        self.smoe = SparseMoE(c, cfg["num_experts"], cfg["top_k"], cfg["dropout"], cfg.get("capacity_factor"))
        self.ln1 = nn.LayerNorm(c)
        self.ln2 = nn.LayerNorm(c)

    def forward(self, x, r):
        x = x + self.sa(self.ln1(x), r)
        return x + self.smoe(self.ln2(x), r)


class SparseMoELanguageModel(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        c = cfg["n_embed"]
        self.token_embedding_table = nn.Embedding(cfg["vocab_size"], c)
        self.position_embedding_table = nn.Embedding(cfg["block_size"], c)
        self.blocks = nn.ModuleList([Block(cfg) for _ in range(cfg["n_layer"])])
        self.ln_f = nn.LayerNorm(c)
        self.lm_head = nn.Linear(c, cfg["vocab_size"])

    def forward(self, ids, targets=None, r=None):
        r = r or Randomness()
        x = self.token_embedding_table(ids) + self.position_embedding_table(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x, r)
        logits = self.lm_head(self.ln_f(x))
        loss = None if targets is None else F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))
        return logits, loss


def kaiming(module):
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight)
