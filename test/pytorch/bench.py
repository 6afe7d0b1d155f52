"""Times PyTorch for `npm run bench`. Reads one request a line, {"model", "experts", "batch", "what", "times", "together"}, and answers with milliseconds.
An evaluation takes "together" batches as one, and tells the time of one.

model: makemoe (capacity factor 1, as makeMoE.py) or optimised (dropless); what: step, evaluation, token.
"""
import json
import sys
import time

import torch
from makemoe import SparseMoELanguageModel, kaiming
from optimised import OptimisedModel

built = {}


def build(model, experts):
    if (model, experts) not in built:
        cfg = dict(vocab_size=65, n_embed=128, n_head=8, block_size=32, n_layer=8, num_experts=experts, top_k=2, dropout=0.1)
        net = SparseMoELanguageModel({**cfg, "capacity_factor": 1.0}) if model == "makemoe" else OptimisedModel(cfg)
        net.apply(kaiming)
        fused = {"fused": True} if model == "optimised" else {}
        built.clear()  # one size at a time in memory
        built[model, experts] = net, torch.optim.AdamW(net.parameters(), lr=1e-3, **fused)
    return built[model, experts]


def once(net, optimizer, what, batch, together):
    count = together if what == "evaluation" else 1
    x = torch.randint(65, (batch * count, 33))
    start = time.perf_counter()
    if what == "step":
        loss = net(x[:, :-1], x[:, 1:])[1]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        loss.item()
    elif what == "evaluation":
        with torch.no_grad():
            net(x[:, :-1], x[:, 1:])[1].item()
    else:
        with torch.no_grad():
            logits = net(x[:1, :32])[0][:, -1]
            torch.multinomial(torch.softmax(logits, -1), 1).item()
    return 1000 * (time.perf_counter() - start) / count


torch.set_num_threads(int(sys.argv[1]))
for line in sys.stdin:
    request = json.loads(line)
    net, optimizer = build(request["model"], request["experts"])
    # makeMoE.py stays in training mode while it generates.
    net.train(request["what"] == "step" or (request["what"] == "token" and request["model"] == "makemoe"))
    times = [once(net, optimizer, request["what"], request["batch"], request["together"]) for _ in range(request["times"])]
    print(json.dumps(times), flush=True)
