# SPDX-License-Identifier: Apache-2.0
"""tests/bench/punch/relay.py [--quick] [--json FILE]: what our relay forwards, and coturn.

Method. Both servers are up at once, on one processor; the load (relay_load.c) is on another and
gives each of them slices in turn, in alternating order. It keeps a bounded number of datagrams
under way, so that nothing is lost and each counted one was forwarded. Each repetition gives
ratios of datagrams forwarded per second of the server's processor time (schedstat, which holds
the kernel's work for it, too); the table shows their median, the least and the most. The first
repetition is thrown away. Payloads are 1,200 bytes, all sent alike: on one flow in trains, as a
sender with segmentation offload sends them; on 1,000 flows one datagram of each flow after the
other, or two or four of each at a time.

turnserver is needed, and two processors.
"""
import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("INTRO_BUILD", os.path.join(HERE, "../../../build"))
MODES = ("ours", "channel", "send")

# name, flows, datagrams in a train, datagrams under way
LOADS = (
    ("1 flow, trains of 50", 1, 50, 400),
    ("1 flow, one by one", 1, 1, 256),
    ("1,000 flows, one by one", 1000, 1, 400),
    ("1,000 flows, trains of 2", 1000, 2, 400),
    ("1,000 flows, trains of 4", 1000, 4, 400),
)


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A server pinned to one processor; ends with the bench."""

    def __init__(self, cpu, port, argv, cwd):
        self.port = port
        self.process = subprocess.Popen(["taskset", "-c", str(cpu), *argv], cwd=cwd,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_ours(cpu, cwd):
    port = free_port()
    return Server(cpu, port, [os.path.abspath(os.path.join(BUILD, "punch")), "relay",
                              "--listen", f"127.0.0.1:{port}", "--allow", "loopback",
                              "--bytes", "0", "--rate", "0", "--lifetime", "0"], cwd)


def start_coturn(cpu, cwd):
    port = free_port()
    argv = ["turnserver", "-n", "--no-auth", "--listening-ip", "127.0.0.1", "--relay-ip",
            "127.0.0.1", "--listening-port", str(port), "--allow-loopback-peers", "--no-cli",
            "--no-tls", "--no-dtls", "--no-tcp", "--no-tcp-relay", "--no-stdout-log",
            "--log-file", "/dev/null", "--pidfile", os.path.join(cwd, "turn.pid"), "--userdb",
            os.path.join(cwd, "turn.db"), "-m", "1", "--min-port", "20000", "--max-port", "30000"]
    return Server(cpu, port, argv, cwd)


class Load:
    def __init__(self, cpu, mode, server, flows, train, window):
        argv = [os.path.join(BUILD, "tests/bench/relay_load"), "-c", str(cpu), "-n", str(flows),
                "-t", str(train), "-w", str(window), mode, "127.0.0.1", str(server.port),
                str(server.process.pid)]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        if self.process.stdout.readline() != "ready\n":
            raise SystemExit(f"could not start: {' '.join(argv)}")

    def slice(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        result = json.loads(self.process.stdout.readline())
        result["per_cpu_s"] = result["received"] / max(result["cpu"], 1e-9)
        result["per_s"] = result["received"] / result["seconds"]
        return result

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def measure(load, servers, cpu, repetitions, seconds):
    name, flows, train, window = load
    loads = {mode: Load(cpu, mode, servers[mode], flows, train, window) for mode in MODES}
    rounds = []
    for i in range(repetitions + 1):
        order = MODES if i % 2 else MODES[::-1]
        rounds.append({mode: loads[mode].slice(seconds) for mode in order})
    for one in loads.values():
        one.stop()
    return name, rounds[1:]


def ratios(rounds, over):
    values = [r["ours"]["per_cpu_s"] / r[over]["per_cpu_s"] for r in rounds]
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def table(results):
    lines = ["| load | server | kpps per CPU second | kpps | CPU | lost | ours/channel | ours/send |",
             "|---|---|---|---|---|---|---|---|"]
    for name, rounds in results:
        for mode in MODES:
            def middle(key):
                return statistics.median(r[mode][key] for r in rounds)
            cpu = statistics.median(r[mode]["cpu"] / r[mode]["seconds"] for r in rounds)
            against = (f" {ratios(rounds, 'channel')} | {ratios(rounds, 'send')} |"
                       if mode == "ours" else " | |")
            lines.append(f"| {name} | {mode} | {middle('per_cpu_s') / 1e3:.0f} | "
                         f"{middle('per_s') / 1e3:.0f} | {cpu * 100:.0f} % | "
                         f"{sum(r[mode]['lost'] for r in rounds):.0f} |{against}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/punch/relay.py")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter slices")
    parser.add_argument("--flows", type=int, help="only the loads with so many flows")
    parser.add_argument("--json", metavar="FILE", help="all slices, as JSON")
    options = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise SystemExit("relay.py: two processors are needed")
    with tempfile.TemporaryDirectory() as cwd:
        ours = start_ours(cpus[-1], cwd)
        coturn = start_coturn(cpus[-1], cwd)
        servers = {"ours": ours, "channel": coturn, "send": coturn}
        try:
            time.sleep(1)
            results = [measure(load, servers, cpus[0], 3 if options.quick else 7,
                               0.3 if options.quick else 1.0) for load in LOADS
                       if options.flows in (None, load[1])]
        finally:
            ours.stop()
            coturn.stop()
    print(table(results))
    if options.json:
        with open(options.json, "w", encoding="ascii") as f:
            json.dump([{"load": name, "rounds": rounds} for name, rounds in results], f)
    return 0


if __name__ == "__main__":
    sys.exit(main())
