# Run by test/bench/runner.ts.
"""Times PyTorch for `npm run bench`. Reads one request a line, {"model", "size", "what", "times"}, and answers with {"times", "peakMB"}: milliseconds,
and the most memory that the process has held.

model: makemoe (capacity factor 1, as makeMoE.py) or optimized (dropless, and eight evaluation batches as one, of which it tells the time of one);
what: step, evaluation, token.
"""
import json
import resource
import sys
import time

import torch
from makemoe import SparseMoELanguageModel, kaiming
from optimized import OptimizedModel

def build(model, size):
    cfg = dict(
        vocab_size=65,
        n_embed=size["nEmbed"],
        n_head=size["nHead"],
        block_size=size["blockSize"],
        n_layer=size["nLayer"],
        num_experts=size["numExperts"],
        top_k=size["topK"],
        dropout=0.1,
    )
    net = SparseMoELanguageModel({**cfg, "capacity_factor": 1.0}) if model == "makemoe" else OptimizedModel(cfg)
    net.apply(kaiming)
    fused = {"fused": True} if model == "optimized" else {}
    return net, torch.optim.AdamW(net.parameters(), lr=1e-3, **fused)


def once(net, optimizer, what, batch, block, together):
    count = together if what == "evaluation" else 1
    x = torch.randint(65, (batch * count, block + 1))
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
            logits = net(x[:1, :block])[0][:, -1]
            torch.multinomial(torch.softmax(logits, -1), 1).item()
    return 1000 * (time.perf_counter() - start) / count


torch.set_num_threads(int(sys.argv[1]))
built = None
for line in sys.stdin:
    request = json.loads(line)
    model, size, what = request["model"], request["size"], request["what"]
    built = built or build(model, size)
    net, optimizer = built
    # makeMoE.py stays in training mode while it generates.
    net.train(what == "step" or (what == "token" and model == "makemoe"))
    together = 8 if model == "optimized" else 1
    times = [once(net, optimizer, what, size["batchSize"], size["blockSize"], together) for _ in range(request["times"])]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"times": times, "peakMB": peak}), flush=True)
