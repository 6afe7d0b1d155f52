# Run by hand.
"""Makes test/fixtures/parts.json, PyTorch's numbers for the newer parts: run with Python and torch 2.13 (CPU)."""
import json
import pathlib

import torch

golden = {}


def numbers(tensor):
    return tensor.detach().double().flatten().tolist()


def muon():
    """Two steps of torch.optim.Muon on a tall and a wide matrix. It computes in bfloat16, to three digits; here in float32."""
    torch.Tensor.bfloat16 = lambda self: self.clone()
    torch.manual_seed(7)
    for name, shape in (("wide", (3, 5)), ("tall", (6, 2)), ("square", (4, 4))):
        weight = torch.nn.Parameter(torch.randn(shape))
        before = numbers(weight)
        optimizer = torch.optim.Muon([weight], lr=0.1, weight_decay=0.5)
        gradients = [torch.randn(shape) for _ in range(2)]
        after = []
        for gradient in gradients:
            weight.grad = gradient.clone()
            optimizer.step()
            after.append(numbers(weight))
        golden[f"muon.{name}"] = {"shape": shape, "before": before, "gradients": [numbers(g) for g in gradients], "after": after}


def rms():
    torch.manual_seed(8)
    norm = torch.nn.RMSNorm(5, eps=1e-5)
    torch.nn.init.normal_(norm.weight)
    x, dy = torch.randn(3, 5, requires_grad=True), torch.randn(3, 5)
    y = norm(x)
    y.backward(dy)
    values = {"x": x, "gain": norm.weight, "dy": dy, "y": y, "dx": x.grad, "dgain": norm.weight.grad}
    golden["rms"] = {name: numbers(value) for name, value in values.items()}


muon()
rms()
path = pathlib.Path(__file__).parent.parent / "fixtures" / "parts.json"
path.write_text(json.dumps(golden) + "\n")
