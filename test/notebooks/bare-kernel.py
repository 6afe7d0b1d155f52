# Run by .ci/run.
"""Starts the TypeScript kernel as VS Code does: from the kernelspec in the virtual environment, in the notebook's folder, with hardly any
environment; and runs the first cells of each notebook in it, then a cell that sends thousands of messages, none of which may be lost.
Exit status 1 if a cell fails or writes to stderr.
"""
import json
import os
import sys
from pathlib import Path

from jupyter_client import KernelManager

root = Path(__file__).resolve().parents[2]
bare = {"HOME": os.environ["HOME"], "PATH": "/usr/bin:/bin", "MAKEMOE_STEPS": "1"}
cells = 8
triples = 900
chatter = f"for (let i = 0; i < {triples}; i++) {{ console.log('a'); console.log('a'); console.log('a'); await new Promise((r) => setTimeout(r, 2)) }}"

for file in sorted((root / "notebooks").glob("*.ipynb")):
    manager = KernelManager(kernel_name="tslab")
    manager.kernel_spec_manager.kernel_dirs = [str(root / ".venv/share/jupyter/kernels")]
    manager.start_kernel(cwd=str(file.parent), env=bare)
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    problems = []

    def look(message):
        if message["msg_type"] == "error" or message["content"].get("name") == "stderr":
            problems.append(message["content"])

    notebook = json.loads(file.read_text(encoding="utf-8"))
    for cell in [cell for cell in notebook["cells"] if cell["cell_type"] == "code"][:cells]:
        client.execute_interactive("".join(cell["source"]), output_hook=look, timeout=120)
    arrived = []
    client.execute_interactive(chatter, output_hook=lambda message: arrived.extend(message["content"].get("text", "").split()), timeout=120)
    if len(arrived) != 3 * triples:
        problems.append(f"{len(arrived)} of {3 * triples} messages arrived")
    client.stop_channels()
    manager.shutdown_kernel()
    if problems:
        sys.exit(f"{file.name}: {problems[0]}")
    print(f"{file.name}: {cells} cells ran")
