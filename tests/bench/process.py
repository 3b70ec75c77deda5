# SPDX-License-Identifier: Apache-2.0
"""Starting brokers on the bench's processor, and reading what they use."""
import ctypes
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time

PR_SET_PDEATHSIG = 1
HANG_SECONDS = 10
libc = ctypes.CDLL(None, use_errno=True)


def until(condition, what):
    """Poll until condition() is true."""
    end = time.monotonic() + HANG_SECONDS
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {HANG_SECONDS} s for {what}")
        time.sleep(0.005)
    return value


def scratch():
    """A new private directory in memory, as a runtime directory is."""
    return tempfile.mkdtemp(prefix="introd-bench-",
                            dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


def start(setting, argv, files=None, **keywords):
    """A process on the bench's processor that ends with us. files: its limit of descriptors."""
    def child():
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        os.sched_setaffinity(0, {setting.cpu})
        if files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    return subprocess.Popen(argv, preexec_fn=child, **keywords)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(p) for p in f.read().split()]


def pss_bytes(pid):
    """Proportional set size: pages shared with others counted by share. PermissionError for
    a process that cannot be dumped, as the broker's rooms, unless we are root."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        for line in f:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    raise ValueError(f"no Pss for {pid}")


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


class Broker:
    """A broker under measure: its directory and its processes."""

    def __init__(self):
        self.dir = scratch()
        self.processes = []

    @property
    def pids(self):
        return [p.pid for p in self.processes]

    def stop(self):
        for p in reversed(self.processes):
            p.terminate()
            try:
                p.wait(HANG_SECONDS)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Floor(Broker):
    """floor.c in one of its modes."""

    def __init__(self, setting, mode):
        super().__init__()
        p = start(setting, [setting.program("floor"), mode, self.dir], stdout=subprocess.PIPE,
                  text=True)
        self.processes.append(p)
        if p.stdout.readline() != "ready\n":
            self.stop()
            raise RuntimeError("the floor broker did not start")
        self.client_socket = f"{self.dir}/intro.sock"
        self.service_socket = f"{self.dir}/service.sock"
        self.path_socket = f"{self.dir}/path.sock"
