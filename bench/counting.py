"""Counts what an empty job costs in client, node and worker: instructions, calls, system calls, memory, sleeps.

A count per job is (count of a run with many jobs - count of a run with few) / (difference of the jobs): what a start costs drops
out. Everything runs on loopback with a keyring and directories of its own; nothing started here outlives it.
"""
import contextlib
import os
import re
import subprocess
import tempfile
import time

FEW, MANY, WINDOW = 2000, 22000, 1000
PROCESSES = ("client", "node", "worker")


class Failure(Exception):
    pass


class World:
    """A temporary directory and an environment that knows of nothing else."""

    def __init__(self, build, **more):
        self.server = os.path.join(build, "ppserver", "ppserver")
        self.client = os.path.join(build, "bench", "empty_jobs")
        for program in (self.server, self.client):
            if not os.access(program, os.X_OK):
                raise Failure(program + " is not built: cmake --preset release && cmake --build --preset release")
        self._temporary = tempfile.TemporaryDirectory(prefix="pp-count-")
        self.directory = self._temporary.name
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("PP_")}
        self.environment.update(XDG_CONFIG_HOME=self.directory + "/config", XDG_CACHE_HOME=self.directory + "/cache",
                                PP_INTERFACES="lo", PP_DISCOVERY="off", PP_LOCAL_WORKERS="0", PP_SPIN="0", **more)

    def close(self):
        self._temporary.cleanup()

    @contextlib.contextmanager
    def node(self, wrapper=()):
        """A ppserver with one worker, its address and its process."""
        log_name = self.directory + "/node.log"
        command = [*wrapper, self.server, "-p", "0", "-w", "1", "--no-discovery", "-t", "60", "--log-level", "info"]
        with open(log_name, "wb") as log:
            process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stderr=log, stdout=log)
        try:
            yield self._address(process, log_name), process
        finally:
            process.terminate()
            process.wait(timeout=60)

    @staticmethod
    def _address(process, log_name):
        for _ in range(600):
            with open(log_name, encoding="utf-8", errors="replace") as log:
                found = re.search(r"event=ready address=(\S+)", text := log.read())
            if found:
                return found.group(1)
            if process.poll() is not None:
                break
            time.sleep(0.05)
        raise Failure("the node did not start: " + text[-500:])

    def run_client(self, address, jobs, window=WINDOW, wrapper=()):
        done = subprocess.run([*wrapper, self.client, address, str(jobs), str(window)], env=self.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0 or "done" not in done.stdout:
            raise Failure("the client failed: " + done.stderr[-500:])


class Profile:
    """What callgrind wrote about one process: instructions in all, of each function by itself, and calls of each."""

    def __init__(self, path):
        self.total, self.own, self.calls, self.command = 0, {}, {}, ""
        names, current, skip = {}, "", False
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("cmd:"):
                    self.command = line[4:].strip()
                elif line.startswith("totals:"):
                    self.total = int(line.split()[1])
                elif line.startswith("fn="):
                    current = self._name(line[3:], names)
                elif line.startswith("cfn="):
                    callee = self._name(line[4:], names)
                elif line.startswith("calls="):
                    self.calls[callee] = self.calls.get(callee, 0) + int(line[6:].split()[0])
                    skip = True
                elif line[0].isdigit() or line[0] in "+-*":
                    if not skip:
                        self.own[current] = self.own.get(current, 0) + int(line.split()[-1])
                    skip = False

    @staticmethod
    def _name(text, names):
        number, _, name = text.strip().partition(" ")
        if name:
            names[number] = re.sub(r"'\d+$", "", name)
        return names.get(number, number)


def profiles(build, jobs):
    """One run under callgrind: a Profile for client, node and worker."""
    world = World(build)
    try:
        out = world.directory + "/callgrind."
        tool = ["valgrind", "--tool=callgrind"]
        with world.node([*tool, "--trace-children=yes", "--callgrind-out-file=" + out + "%p"]) as (address, process):
            world.run_client(address, jobs, wrapper=[*tool, "--callgrind-out-file=" + out + "client"])
            node = str(process.pid)
        found = {"client": Profile(out + "client"), "node": Profile(out + node)}
        others = [n for n in os.listdir(world.directory) if n.startswith("callgrind.") and n[10:] not in ("client", node)]
        workers = [Profile(os.path.join(world.directory, n)) for n in others]
        if not workers:
            raise Failure("no worker was counted")
        found["worker"] = max(workers, key=lambda p: p.total)
        return found
    finally:
        world.close()


def instructions(build):
    """Instructions per empty job: {"client": …, "node": …, "worker": …}."""
    few, many = profiles(build, FEW), profiles(build, MANY)
    return {p: (many[p].total - few[p].total) / (MANY - FEW) for p in PROCESSES}
