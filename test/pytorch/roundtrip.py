# Run by .ci/run.
"""A checkpoint of ours goes strictly into the PyTorch model and out again: python roundtrip.py OURS/model.safetensors BACK.safetensors"""
import sys

from makemoe import SparseMoELanguageModel
from safetensors.torch import load_file, save_file

state = load_file(sys.argv[1])
count = lambda prefix, at: 1 + max(int(k.split(".")[at]) for k in state if k.startswith(prefix))
vocab, c = state["token_embedding_table.weight"].shape
model = SparseMoELanguageModel(
    dict(
        vocab_size=vocab,
        n_embed=c,
        block_size=state["position_embedding_table.weight"].shape[0],
        n_layer=count("blocks.", 1),
        n_head=count("blocks.0.sa.heads.", 4),
        num_experts=count("blocks.0.smoe.experts.", 4),
        top_k=2,
        dropout=0.0,
    )
)
model.load_state_dict(state, strict=True)
save_file({k: v.contiguous() for k, v in model.state_dict().items()}, sys.argv[2])
print("strict load and save:", len(state), "tensors")
