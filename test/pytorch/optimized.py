"""The same model in PyTorch as fast as we know how to write it: one product for queries, keys and values, PyTorch's fused attention,
tokens sorted by expert without capacity, and the fused AdamW. It is what `npm run bench` compares with besides makemoe.py."""
import torch
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    def __init__(self, c, heads, rate):
        super().__init__()
        self.qkv = nn.Linear(c, 3 * c, bias=False)
        self.proj = nn.Linear(c, c)
        self.heads, self.rate = heads, rate

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        rate = self.rate if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=rate, is_causal=True, scale=c**-0.5)
        return F.dropout(self.proj(y.transpose(1, 2).reshape(b, t, c)), self.rate, self.training)


class SparseMoE(nn.Module):
    def __init__(self, c, experts, k, rate):
        super().__init__()
        self.scores = nn.Linear(c, experts)
        self.noise = nn.Linear(c, experts)
        self.up = nn.ModuleList([nn.Linear(c, 4 * c) for _ in range(experts)])
        self.down = nn.ModuleList([nn.Linear(4 * c, c) for _ in range(experts)])
        self.k, self.rate = k, rate

    def forward(self, x):
        rows = x.reshape(-1, x.shape[-1])
        logits = self.scores(rows)
        noisy = logits + torch.randn_like(logits) * F.softplus(self.noise(rows))
        values, indices = noisy.topk(self.k, dim=-1)
        gates = F.softmax(values, dim=-1).reshape(-1)
        expert_of = indices.reshape(-1)
        order = expert_of.argsort()
        sizes = torch.bincount(expert_of, minlength=len(self.up)).tolist()
        token = order // self.k
        outs = [
            down(F.relu(up(piece)))
            for piece, up, down in zip(rows[token].split(sizes), self.up, self.down)
        ]
        y = F.dropout(torch.cat(outs), self.rate, self.training) * gates[order].unsqueeze(1)
        return torch.zeros_like(rows).index_add(0, token, y).reshape(x.shape)


class Block(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        c = cfg["n_embed"]
        self.sa = Attention(c, cfg["n_head"], cfg["dropout"])
        self.smoe = SparseMoE(c, cfg["num_experts"], cfg["top_k"], cfg["dropout"])
        self.ln1 = nn.LayerNorm(c)
        self.ln2 = nn.LayerNorm(c)

    def forward(self, x):
        x = x + self.sa(self.ln1(x))
        return x + self.smoe(self.ln2(x))


class OptimizedModel(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        c = cfg["n_embed"]
        self.token = nn.Embedding(cfg["vocab_size"], c)
        self.position = nn.Embedding(cfg["block_size"], c)
        self.blocks = nn.Sequential(*[Block(cfg) for _ in range(cfg["n_layer"])])
        self.ln_f = nn.LayerNorm(c)
        self.head = nn.Linear(c, cfg["vocab_size"])

    def forward(self, ids, targets=None):
        x = self.token(ids) + self.position(torch.arange(ids.shape[1]))
        logits = self.head(self.ln_f(self.blocks(x)))
        loss = None if targets is None else F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))
        return logits, loss
