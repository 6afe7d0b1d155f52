# Run by run.ts.
"""Runs a notebook in its kernel, from a fresh start, and saves it with its outputs: execute.py IN OUT [CHECK].

CHECK is a file whose text is run as one more cell at the end; it is not saved. Writes a line whenever a cell has taken long or a training is
further on. Exit status 1 with the error if a cell fails.
"""
import sys
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

patience = 20  # seconds between two lines

source, target, *check = sys.argv[1:]
notebook = nbformat.read(source, as_version=4)
for cell in notebook.cells:
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
for file in check:
    with open(file, encoding="utf-8") as text:
        notebook.cells.append(nbformat.v4.new_code_cell(text.read(), metadata={"check": True}))
code = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
said = time.time()


def say(line):
    global said
    if time.time() - said > patience:
        said = time.time()
        print(line, flush=True)


class Client(NotebookClient):
    """Also reports how far it is."""

    def process_message(self, message, cell, cell_index):
        text = message["content"].get("data", {}).get("text/plain", "")
        if message["msg_type"].endswith("display_data") and text.startswith("step "):
            say(f"cell {code.index(cell_index) + 1} of {len(code)}: {text}")
        else:
            say(f"cell {code.index(cell_index) + 1} of {len(code)}")
        return super().process_message(message, cell, cell_index)


try:
    Client(notebook, timeout=None, record_timing=False).execute(cwd="notebooks")
except CellExecutionError as error:
    printed = [output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []) if output.get("name") == "stderr"]
    print(error, *printed, sep="\n", file=sys.stderr)
    sys.exit(1)
finally:
    nbformat.write(notebook, target)
