"""A real kernel under a real Jupyter client, for the tests of the kernel."""
import os
import sys
import time
from pathlib import Path
from queue import Empty

from jupyter_client import KernelManager

root = Path(__file__).resolve().parents[2]


class Result:
    """What a cell led to: printed text by stream, its error message if any, and the reply's content."""

    def __init__(self, messages, reply):
        self.messages, self.reply = messages, reply
        self.status = reply["status"]
        self.error = next((message["content"] for message in messages if message["msg_type"] == "error"), None)

    def printed(self, name=None):
        streams = [message["content"] for message in self.messages if message["msg_type"] == "stream"]
        return "".join(stream["text"] for stream in streams if name in (None, stream["name"]))

    @property
    def traceback(self):
        return "\n".join(self.error["traceback"]) if self.error else ""


class Kernel:
    """A kernel in a folder, with hardly any environment."""

    def __init__(self, folder=root / "notebooks", **env):
        self.manager = KernelManager(kernel_name="tslab")
        self.manager.kernel_spec_manager.kernel_dirs = [str(root / ".venv/share/jupyter/kernels")]
        self.manager.start_kernel(cwd=str(folder), env={"HOME": os.environ["HOME"], "PATH": "/usr/bin:/bin", **env})
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def check(self, holds, what):
        """Ends the test if something does not hold."""
        if not holds:
            self.manager.shutdown_kernel(now=True)
            sys.exit(f"does not hold: {what}")

    def messages_until_idle(self, requests, timeout=60):
        """The published messages until each of these requests is idle."""
        waiting, seen, end = set(requests), [], time.time() + timeout
        while waiting:
            try:
                message = self.client.get_iopub_msg(timeout=max(0.1, end - time.time()))
            except Empty:
                self.check(False, f"an end of {len(waiting)} requests within {timeout} s; seen: {[m['content'] for m in seen][-5:]}")
            seen.append(message)
            if message["content"].get("execution_state") == "idle":
                waiting.discard(message["parent_header"].get("msg_id"))
        return seen

    def reply_to(self, request, timeout=30):
        while True:
            reply = self.client.get_shell_msg(timeout=timeout)
            if reply["parent_header"]["msg_id"] == request:
                return reply["content"]

    def run(self, code, interrupt_after=None, prints=True, timeout=60, **options):
        """Runs a cell; interrupts it some seconds after it printed its first line (if it prints)."""
        request = self.client.execute(code, **options)
        messages = []
        if interrupt_after is not None:
            while prints and not any(message["msg_type"] == "stream" for message in messages):
                messages.append(self.client.get_iopub_msg(timeout=60))
            time.sleep(interrupt_after)
            self.manager.interrupt_kernel()
        messages += self.messages_until_idle([request], timeout)
        own = [message for message in messages if message["parent_header"].get("msg_id") == request]
        return Result(own, self.reply_to(request))

    def prints(self, code, expected, what=None):
        """Checks that a cell prints exactly this."""
        result = self.run(code)
        self.check(
            (result.status, result.printed().strip()) == ("ok", expected),
            f"{what or code}\n  printed {result.printed().strip()!r}, expected {expected!r}\n{result.traceback}",
        )

    def fails(self, code, *parts):
        """Checks that a cell fails and that its traceback holds these parts; the traceback."""
        result = self.run(code)
        lacking = [part for part in parts if part not in result.traceback]
        self.check(result.status == "error" and not lacking, f"{code}\n  lacks {lacking} in:\n{result.traceback}\n{result.printed()}")
        return result.traceback

    def inspect(self, code, position=None):
        request = self.client.inspect(code, len(code) if position is None else position)
        return self.reply_to(request)["data"].get("text/plain", "")

    def complete(self, code):
        return self.reply_to(self.client.complete(code, len(code)))["matches"]

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel()
