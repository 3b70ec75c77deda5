# SPDX-License-Identifier: Apache-2.0
"""Runs the simulator, the kernel lab and the relay's bench for results.py, and keeps what they
said as JSON, a file for each pair and kind, so that a page can be made of what was measured in
several runs."""
import json
import os
import subprocess
import sys
import time


class Failed(Exception):
    """Something that could not be measured; says why."""


class Bench:
    def __init__(self, build, here, quick):
        self.build = build
        self.here = here
        self.kept = os.path.join(build, "bench-punch")
        self.sim_trials = 200 if quick else 1000
        self.lab_trials = 3 if quick else 20
        self.quick = quick
        os.makedirs(self.kept, exist_ok=True)

    def path(self, kind, name):
        return os.path.join(self.kept, f"{kind}-{name}.json")

    def keep(self, kind, name, result):
        with open(self.path(kind, name), "w", encoding="utf-8") as f:
            json.dump(result, f)

    def kept_one(self, kind, name):
        """None: not measured."""
        try:
            with open(self.path(kind, name), encoding="utf-8") as f:
                return json.load(f)
        except FileNotFoundError:
            return None

    def run(self, argv):
        """Lines of JSON; the exit status counts trials, and the lines do so better."""
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env={**os.environ, "INTRO_BUILD": self.build}, check=False)
        if done.returncode not in (0, 1) or not done.stdout:
            raise Failed(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def sim_arguments(self, pair):
        return ["--pair", pair.name, "--trials", str(self.sim_trials), "--seed", "1"]

    def sim(self, pair):
        argv = self.sim_arguments(pair)
        result = self.run([os.path.join(self.build, "tests/sim"), *argv, "--json"])[0]
        result["times"] = [t / 1000 for t in result.pop("took_us")]
        result["command"] = f"sim {' '.join(argv)}"
        self.keep("sim", pair.name, result)

    def lab(self, pair):
        """Its trials are shared among its command lines."""
        result = {"trials": 0, "times": [], "first": [], "probes": [], "up_ms": [], "rungs": {},
                  "commands": []}
        for i, arguments in enumerate(pair.lab):
            share = (i + 1) * self.lab_trials // len(pair.lab) - \
                i * self.lab_trials // len(pair.lab)
            argv = [*arguments, "--trials", str(max(share, 1)), "--signal", "1", "--seed",
                    str(1 + i)]
            shaken = "--shake" in arguments
            result["commands"].append(f"lab {' '.join(argv)}")
            for trial in self.run([os.path.join(self.build, "tests/lab"), *argv, "--json"])[:-1]:
                result["trials"] += 1
                result["up_ms"].append(trial["up_ms"])
                result["probes"].append(max(trial["ports"]))
                if trial["connected"]:
                    result["first"].append(trial["connected_ms"])
                for rung in set(trial["rung"]):
                    result["rungs"][rung] = result["rungs"].get(rung, 0) + 1
                if trial["wanted"] and trial["echoed"] and (trial["repaired"] or not shaken):
                    result["times"].append(trial["repaired_ms" if shaken else "wanted_ms"])
        result["times"].sort()
        result["first"].sort()
        result["successes"] = len(result["times"])
        self.keep("lab", pair.name, result)

    def speed(self):
        """Ten thousand simulated introductions, of all pairs, on one processor."""
        argv = [os.path.join(self.build, "tests/sim"), "--trials", "400", "--json"]
        begin = time.monotonic()
        trials = sum(row["trials"] for row in self.run(argv))
        self.keep("speed", "sim", {"trials": trials, "seconds": time.monotonic() - begin})

    def relay(self):
        raw = self.path("relay", "slices")
        return self.script("relay.py", "relay", ["--json", raw] +
                           (["--quick"] if self.quick else []))

    def script(self, name, kind, arguments=()):
        """Another script of this folder; its output, for the page."""
        done = subprocess.run([sys.executable, "-B", os.path.join(self.here, name), *arguments],
                              stdout=subprocess.PIPE, text=True, check=False,
                              env={**os.environ, "INTRO_BUILD": self.build})
        self.keep(kind, "table", {"text": done.stdout, "status": done.returncode})
        return done.returncode
