"""PyTorch's side: reads the files that `main.rs` wrote, and writes others for it.

Usage: python3 other_side.py FOLDER
"""

import json
import sys
from pathlib import Path

import torch
from torch import nn

folder = Path(sys.argv[1])
inputs = torch.tensor(json.loads((folder / "inputs.json").read_text()), dtype=torch.float32)
torch.manual_seed(7)
torch.set_num_threads(1)


def mlp(hidden):
    return nn.Sequential(nn.Linear(10, hidden), nn.ReLU(), nn.Linear(hidden, 2))


def outputs_of(module):
    with torch.no_grad():
        return module(inputs).tolist()


def outputs_of_ours(name, module):
    state = torch.load(folder / "ours" / f"{name}.pt", weights_only=True)
    module.load_state_dict(state)
    return outputs_of(module)


def trained(module):
    """Ten features to the sum of two of them and the greater of two others."""
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    wanted = torch.stack([inputs[:, 0] + inputs[:, 1], torch.maximum(inputs[:, 2], inputs[:, 3])], 1)
    for _ in range(200):
        optimizer.zero_grad()
        loss = ((module(inputs) - wanted) ** 2).mean()
        loss.backward()
        optimizer.step()
    return module


outputs = {
    "model-20261101": outputs_of_ours("model-20261101", nn.Linear(10, 2)),
    "model-20261102": outputs_of_ours("model-20261102", mlp(32)),
    "model-20261103": outputs_of_ours("model-20261103", mlp(256)),
}

linear, network, learned = nn.Linear(10, 2), mlp(32), trained(mlp(16))
for name, module in {"linear": linear, "mlp": network, "trained": learned}.items():
    torch.save(module.state_dict(), folder / f"{name}.pt")
    outputs[name] = outputs_of(module)

torch.save(dict(network.state_dict()), folder / "dict.pt")
outputs["dict"] = outputs["mlp"]
torch.save(network.state_dict(), folder / "protocol4.pt", pickle_protocol=4)
outputs["protocol4"] = outputs["mlp"]
state = linear.state_dict()
torch.save({"bias": state["bias"], "weight": state["weight"].t().contiguous().t()}, folder / "transposed.pt")
outputs["transposed"] = outputs["linear"]

torch.save(nn.Linear(12, 2).state_dict(), folder / "refused-twelve.pt")
torch.save(mlp(300).state_dict(), folder / "refused-wide.pt")
torch.save(nn.Sequential(nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)).state_dict(), folder / "refused-deep.pt")
torch.save(nn.Linear(10, 2).double().state_dict(), folder / "refused-double.pt")
torch.save(nn.Linear(10, 2).half().state_dict(), folder / "refused-half.pt")
torch.save(linear, folder / "refused-module.pt")
torch.save({"model": linear.state_dict(), "epoch": 3}, folder / "refused-checkpoint.pt")
torch.save(torch.ones(2, 10), folder / "refused-tensor.pt")
torch.save(linear.state_dict(), folder / "refused-old.pt", _use_new_zipfile_serialization=False)
torch.jit.script(network).save(str(folder / "refused-script.pt"))
broken = nn.Linear(10, 2)
with torch.no_grad():
    broken.weight[1, 3] = float("nan")
torch.save(broken.state_dict(), folder / "refused-nan.pt")

(folder / "outputs.json").write_text(json.dumps(outputs))
