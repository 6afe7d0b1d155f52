# Run by hand.
"""Makes the fixtures in test/fixtures: run with Python, torch 2.13 (CPU) and safetensors.

Each file holds inputs, given noise and dropout masks, outputs, the loss, all gradients, and for the whole model the weights after ten
AdamW steps. Names: in.*, noise.*, mask.*, out.*, weight.*, grad.*, after.*.
"""
import pathlib

import torch
from makemoe import Block, MultiHeadAttention, NoisyTopkRouter, Randomness, SparseMoE, SparseMoELanguageModel, kaiming
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent.parent / "fixtures"
CFG = dict(vocab_size=11, n_embed=8, n_head=2, block_size=6, n_layer=2, num_experts=4, top_k=2, dropout=0.25)
B, T, C, H, E, K = 3, 6, 8, 2, 4, 2
N = B * T


def mask(*shape):
    return (torch.rand(*shape) >= CFG["dropout"]).float() / (1 - CFG["dropout"])


def randomness(layers):
    noise = [torch.randn(N, E) for _ in range(layers)]
    masks = []
    for _ in range(layers):
        masks += [mask(B, H, T, T), mask(B, T, C), mask(N * K, C)]
    return noise, masks


def given(noise, masks, shape=None):
    return Randomness([n.reshape(*shape, E) if shape else n for n in noise], list(masks))


def store(name, **tensors):
    flat = {k.replace("__", "."): v.detach().contiguous().float() for k, v in tensors.items()}
    save_file(flat, HERE / f"{name}.safetensors")


def named(prefix, pairs):
    return {f"{prefix}__{k}": v for k, v in pairs if v is not None}


def module_golden(name, module, x, run, **extra):
    module.apply(kaiming)
    module.train()
    x.requires_grad_(True)
    out = run(module, x)
    seed = torch.randn_like(out)
    (out * seed).sum().backward()
    store(
        name,
        in__x=x,
        in__dy=seed,
        out__y=out,
        grad__x=x.grad,
        **{k.replace(".", "__"): v for k, v in extra.items()},
        **named("weight", module.state_dict().items()),
        **named("grad", [(k, p.grad) for k, p in module.named_parameters()]),
    )


def main():
    torch.manual_seed(20)
    HERE.mkdir(exist_ok=True)
    rate, block = CFG["dropout"], CFG["block_size"]

    noise, masks = randomness(1)
    att = MultiHeadAttention(C, H, block, rate, C**-0.5)
    module_golden("attention", att, torch.randn(B, T, C), lambda m, x: m(x, given(noise, masks[:2])), **{"mask.0": masks[0], "mask.1": masks[1]})

    noise, _ = randomness(1)
    router = NoisyTopkRouter(C, E, K)
    x = torch.randn(N, C)
    module_golden("router", router, x, lambda m, x: m(x, given(noise, []))[0], **{"noise.0": noise[0]})

    for name, factor in (("sparse-moe", None), ("sparse-moe-capacity", 1.0), ("sparse-moe-half", 0.5)):
        noise, masks = randomness(1)
        moe = SparseMoE(C, E, K, rate, factor)
        extra = {"noise.0": noise[0], "mask.0": masks[2]}
        module_golden(name, moe, torch.randn(B, T, C), lambda m, x: m(x, given(noise, [masks[2]], (B, T))), **extra)

    noise, masks = randomness(1)
    blk = Block(CFG)
    extra = {"noise.0": noise[0], **{f"mask.{i}": m for i, m in enumerate(masks)}}
    module_golden("block", blk, torch.randn(B, T, C), lambda m, x: m(x, given(noise, masks, (B, T))), **extra)

    for name, factor in (("model", None), ("model-capacity", 1.0)):
        model = SparseMoELanguageModel({**CFG, "capacity_factor": factor})
        model.apply(kaiming)
        model.train()
        before = {k: v.clone() for k, v in model.state_dict().items()}
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        steps, tensors, losses = 10, {}, []
        for step in range(steps):
            noise, masks = randomness(CFG["n_layer"])
            ids = torch.randint(CFG["vocab_size"], (B, T + 1))
            x, y = ids[:, :-1], ids[:, 1:]
            logits, loss = model(x, y, given(noise, masks, (B, T)))
            optimizer.zero_grad(set_to_none=False)
            loss.backward()
            if step == 0:
                tensors |= named("grad", [(k, p.grad.clone()) for k, p in model.named_parameters()])
                tensors["out__logits"] = logits
            optimizer.step()
            losses.append(loss.item())
            tensors |= {f"in__x{step}": x, f"in__y{step}": y}
            tensors |= {f"noise__{step}__{i}": n for i, n in enumerate(noise)} | {f"mask__{step}__{i}": m for i, m in enumerate(masks)}
        store(name, out__losses=torch.tensor(losses), **tensors, **named("weight", before.items()), **named("after", model.state_dict().items()))

    # In evaluation: no dropout; noise and capacity stay on, as in the original. One sequence at a time, so that capacity counts its tokens.
    for name, factor in (("evaluation", None), ("evaluation-capacity", 1.0)):
        model = SparseMoELanguageModel({**CFG, "capacity_factor": factor})
        model.apply(kaiming)
        model.eval()
        tensors = {}
        with torch.no_grad():
            for length in (1, 4, block):
                ids = torch.randint(CFG["vocab_size"], (1, length))
                noise = [torch.randn(length, E) for _ in range(CFG["n_layer"])]
                logits, _ = model(ids, None, given(noise, [], (1, length)))
                tensors |= {f"in__{length}": ids, f"out__{length}": logits}
                tensors |= {f"noise__{length}__{i}": n for i, n in enumerate(noise)}
        store(name, **tensors, **named("weight", model.state_dict().items()))


main()
