"""Runs a file as one cell of a kernel and prints what it prints. cell.py NODE KERNEL FILE"""
import sys
from pathlib import Path

from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpec

node, kernel, file = sys.argv[1:]
manager = KernelManager()
manager._kernel_spec = KernelSpec(argv=[node, kernel, "{connection_file}"], display_name="makemoe", language="typescript")
manager.start_kernel(cwd=str(Path(file).resolve().parent))
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=60)
failed = []


def show(message):
    content = message["content"]
    if message["msg_type"] == "error":
        failed.append("\n".join(content["traceback"]))
    elif message["msg_type"] == "stream":
        print(content["text"], end="")


client.execute_interactive(Path(file).read_text(encoding="utf-8"), output_hook=show, timeout=120)
client.stop_channels()
manager.shutdown_kernel(now=True)
if failed:
    sys.exit(failed[0])
