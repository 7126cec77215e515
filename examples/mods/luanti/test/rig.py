"""Processes, ports and files of the end-to-end test.

Each process gets a group of its own and a mark in its environment, so that everything this run started,
and nothing else, can be found and ended, however the run ends.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

STOP_S = 10
POLL_S = 0.05
MARK = "MEDDAH_TEST_RUN"


class Failure(Exception):
    """The test did not pass, for this reason."""


def find_program(variable, *names):
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/games", "/usr/lib/minetest"])
    chosen = os.environ.get(variable)
    for name in [chosen] if chosen else names:
        found = shutil.which(name, path=path)
        if found:
            return found
    raise Failure(f"no {' or '.join(names)} found: install the game or set {variable}")


def free_port(kind):
    """A port that is free now. Another program may take it first, so callers try more than once."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A child in its own process group, with its output in a file."""

    def __init__(self, name, command, folder, environment):
        self.name = name
        self.output = folder / f"{name}.out"
        with open(self.output, "wb") as output:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                cwd=folder, env=environment, start_new_session=True,
            )

    def text(self):
        return self.output.read_text(encoding="utf-8", errors="replace")

    def running(self):
        return self.child.poll() is None

    def signal_group(self, number):
        try:
            os.killpg(self.child.pid, number)
            return True
        except ProcessLookupError:
            return False

    def stop(self):
        """Asks, waits, then kills the whole group. True: it ended by itself when asked."""
        self.signal_group(signal.SIGTERM)
        try:
            self.child.wait(STOP_S)
            asked = True
        except subprocess.TimeoutExpired:
            asked = False
        self.signal_group(signal.SIGKILL)
        self.child.wait()
        return asked


class Rig:
    """One run: a folder, a deadline and the processes."""

    def __init__(self, folder, seconds_max):
        self.folder = Path(folder)
        self.deadline = time.monotonic() + seconds_max
        self.mark = uuid.uuid4().hex
        self.processes = []

    def start(self, name, command, **variables):
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        environment = dict(os.environ, HOME=str(home), **{MARK: self.mark}, **variables)
        process = Process(name, command, self.folder, environment)
        self.processes.append(process)
        return process

    def wait(self, what, process, found, seconds_max):
        """Waits until `found()` gives something; fails when the process ends first or time runs out."""
        end = min(time.monotonic() + seconds_max, self.deadline)
        while True:
            ended = not process.running()
            result = found()
            if result:
                return result
            if ended:
                raise Failure(f"{process.name} ended before: {what}")
            if time.monotonic() > end:
                raise Failure(f"not in time: {what}")
            time.sleep(POLL_S)

    def wait_text(self, process, pattern, seconds_max, what, path=None):
        """Waits for a pattern in the output of a process, or in the file at `path`."""

        def found():
            if path and not path.exists():
                return None
            text = path.read_text(encoding="utf-8", errors="replace") if path else process.text()
            return re.search(pattern, text, re.MULTILINE)

        return self.wait(f"{process.name}: {what}", process, found, seconds_max)

    def left_over(self):
        """Ids of processes that carry this run's mark and still run, whatever group they are in."""
        wanted = f"{MARK}={self.mark}".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue  # ended meanwhile, or not ours
        return found

    def stop_all(self):
        """Ends everything. Returns what did not end by itself: names, and ids of processes left over."""
        stubborn = [process.name for process in reversed(self.processes) if not process.stop()]
        for process_id in self.left_over():
            stubborn.append(f"process {process_id}")
            try:
                os.kill(process_id, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return stubborn
