"""Runs a notebook in its kernel, from a fresh start, and saves it with its outputs: execute.py IN OUT [CHECK].

CHECK is a file whose text is run as one more cell at the end; it is not saved. Exit status 1 with the error if a cell fails.
"""
import sys

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

source, target, *check = sys.argv[1:]
notebook = nbformat.read(source, as_version=4)
for cell in notebook.cells:
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
for file in check:
    with open(file, encoding="utf-8") as text:
        notebook.cells.append(nbformat.v4.new_code_cell(text.read(), metadata={"check": True}))
try:
    NotebookClient(notebook, timeout=None, record_timing=False).execute(cwd="notebooks")
except CellExecutionError as error:
    printed = [output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []) if output.get("name") == "stderr"]
    print(error, *printed, sep="\n", file=sys.stderr)
    sys.exit(1)
finally:
    nbformat.write(notebook, target)
