# SPDX-License-Identifier: Apache-2.0
"""Slices, and what is computed from them.

A Load is one running `load` (load.c): clients and a service on the bench's processor.
Several of them stay up at once and are given slices in turn, A B, then B A, so that what
disturbs the machine disturbs each alike. Only ratios within one repetition are compared.
"""
import json
import os
import statistics
import subprocess


OTHERS_MAX = 0.06  # of the processor; the kernel counts idle time in steps of 10 ms
AGAIN_MAX = 4


class Failed(Exception):
    """A measure that cannot be taken; says why."""


class Setting:
    """What holds for the whole run."""

    def __init__(self, build, quick):
        cpus = sorted(os.sched_getaffinity(0))
        self.build = build
        self.bin = os.path.join(build, "tests/bench")
        self.cpu = cpus[-1]
        self.driver_cpus = cpus[:-1] or cpus
        self.quick = quick
        self.spare = 10 if quick else 150  # seconds for slices done again, in all
        self.others = []  # of each slice, the share of the processor that strangers took
        self.repetitions = 3 if quick else 11
        self.slice = 0.1 if quick else 0.4

    def program(self, name):
        return os.path.join(self.bin, name)


class Load:
    """Clients and a service, working on request. Ends with the driver."""

    def __init__(self, setting, clients, client, service=(), pids=()):
        self.setting = setting
        argv = [setting.program("load"), "-n", str(clients), "-c", str(setting.cpu)]
        for pid in pids:
            argv += ["-b", str(pid)]
        self.process = subprocess.Popen(argv + ["--", *service, "--", *client],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            self.stop()
            raise Failed(f"could not start: {' '.join(client)}")

    def slice(self, seconds):
        """Work for so long; the dictionary that load.c prints. What was disturbed by other
        programs of this machine is done again, within bounds; at last the rate is one per second
        of the processor that was left."""
        best = None
        for _ in range(1 + AGAIN_MAX):
            result = self.once(seconds)
            if best is None or result["others"] < best["others"]:
                best = result
            if best["others"] <= OTHERS_MAX or self.setting.spare < seconds:
                break
            self.setting.spare -= seconds
        if best["others"] > OTHERS_MAX:
            best["rate"] /= 1 - best["others"]
        return best

    def once(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"load ended with status {self.process.wait()}")
        return json.loads(line)

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def interleave(setting, sides, repetitions=None, before=None):
    """Give each of the sides (name: Load) a slice per repetition, in alternating order; one
    repetition before is thrown away. before(name) runs ahead of each slice. A list of
    dictionaries name: result."""
    repetitions = repetitions or setting.repetitions
    order = list(sides)
    out = []
    for i in range(repetitions + 1):
        results = {}
        for name in order if i % 2 else reversed(order):
            if before:
                before(name)
            results[name] = sides[name].slice(setting.slice)
        if i > 0:
            out.append(results)
            setting.others.extend(r["others"] for r in results.values())
    return out


def spread(values):
    """Median, least and most."""
    values = list(values)
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratio(repetitions, a, b, key):
    """a's figure over b's, of each repetition."""
    return spread(r[a][key] / r[b][key] if r[b][key] else float("inf") for r in repetitions)


def plain(repetitions, a, key):
    return spread(r[a][key] for r in repetitions)
