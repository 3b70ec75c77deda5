# SPDX-License-Identifier: Apache-2.0
"""make bench-punch: how often and how fast two peers find a path, in the simulator and between
real kernel NATs, and what our relay carries; the page RESULTS.md and its charts.

Method. Between any two hosts it takes 40 ms there and back; time counts from when both ends know the other's candidates (for repairs: from the change) until both have the path that is
wanted. A signal takes 1 ms. The simulator runs beside the kernel lab, the lab's trials run one
after another. A percentile is of the successes; p90 of 20 trials is the second worst.

BENCH_QUICK=1 tries less, PAIRS="name name" measures only those; --page measures nothing and
makes the page of what there is."""
import argparse
import os
import statistics
import sys
import threading

from charts import draw_all
from measure import Bench, Failed
from pairs import CHARTS, PAIRS

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("INTRO_BUILD", os.path.join(HERE, "../../../build"))

FIRST_MS = 80
LAB_TRIALS = 20  # fewer prove nothing
# load of relay.py, whom to beat, by how much
RELAY_TARGETS = (("1 flow, trains of 50", "channel", 5), ("1,000 flows, one by one", "channel", 1.3),
                 ("1,000 flows, one by one", "send", 2))


def percentile(times, q):
    return times[min(int(q * len(times)), len(times) - 1)] if times else 0


def share(times, trials, until_ms=None):
    return 100 * sum(until_ms is None or t <= until_ms for t in times) / trials


def figures(pair, result):
    """Percent, median, p90."""
    times = result["times"]
    return (share(times, result["trials"], pair.within_ms), percentile(times, 0.5),
            percentile(times, 0.9))


def is_met(pair, result):
    return pair.is_met(*figures(pair, result))


def cell(pair, result):
    if result is None:
        return "not measured"
    percent, median, p90 = figures(pair, result)
    text = f"{percent:.4g} % of {result['trials']:,}, {median:.4g} / {p90:.4g} ms"
    if pair.also_ms is not None:
        until = share(result["times"], result["trials"], pair.also_ms)
        text += f" ({until:.4g} % within {pair.also_ms / 1000:g} s)"
    return f"{text}, {'met' if is_met(pair, result) else '**missed**'}"


def too_few(bench):
    names = [p.name for p in PAIRS
             if (bench.kept_one("lab", p.name) or {"trials": 0})["trials"] < LAB_TRIALS]
    return [f"**Of fewer than {LAB_TRIALS} kernel trials, which prove little:** "
            f"{', '.join(names)}.", ""] if names else []


def main_table(bench):
    lines = ["| pair | target | simulator: success, median / p90 | kernel: success, median / p90 "
             "| note |", "|---|---|---|---|---|"]
    for pair in PAIRS:
        sim, lab = bench.kept_one("sim", pair.name), bench.kept_one("lab", pair.name)
        lines.append(f"| {pair.name} | {pair.wanted()} | {cell(pair, sim)} | {cell(pair, lab)} "
                     f"| {pair.note} |")
    return lines


def verdict_table(bench):
    """What the pair comes to in each, by the target's success alone."""
    lines = ["| pair | simulator | kernel | same |", "|---|---|---|---|"]
    different = 0
    for pair in PAIRS:
        both = [bench.kept_one(kind, pair.name) for kind in ("sim", "lab")]
        if None in both:
            continue
        words = ["succeeds" if figures(pair, r)[0] >= pair.success else "falls short" for r in both]
        different += words[0] != words[1]
        lines.append(f"| {pair.name} | {words[0]} | {words[1]} | "
                     f"{'yes' if words[0] == words[1] else '**no**'} |")
    return lines, different


def commands(bench):
    lines = ["| pair | from build/tests/ |", "|---|---|"]
    for pair in PAIRS:
        sim, lab = bench.kept_one("sim", pair.name), bench.kept_one("lab", pair.name)
        said = ([sim["command"]] if sim else []) + (lab["commands"] if lab else [])
        lines.append(f"| {pair.name} | {'<br>'.join(f'`{c}`' for c in said)} |")
    return lines


def first_paths(bench):
    """Any pair's first byte, be it by the relay."""
    lines = []
    for kind, word in (("sim", "simulator"), ("lab", "kernel")):
        slow, n = [], 0
        for pair in PAIRS:
            result = bench.kept_one(kind, pair.name)
            if not result or (kind == "lab" and not result["first"]):
                continue
            median = result["first_median_ms"] if kind == "sim" else \
                percentile(result["first"], 0.5)
            n += 1
            if median > FIRST_MS:
                slow.append(f"{pair.name} ({median:.0f} ms)")
        if n:
            lines.append(f"- First path, of whatever kind, after at most {FIRST_MS} ms (median), "
                         f"{word}: {n - len(slow)} of {n} pairs" +
                         (f"; **missed**: {', '.join(slow)}." if slow else "."))
    return lines


def costs(bench):
    speed = bench.kept_one("speed", "sim")
    labs = [r for r in (bench.kept_one("lab", p.name) for p in PAIRS) if r]
    up = sorted(t for r in labs for t in r["up_ms"])
    lines = first_paths(bench)
    if speed:
        lines.append(f"- {speed['trials']:,} simulated introductions, of all pairs, on one "
                     f"processor: {speed['seconds']:.1f} s (target: under 60 s).")
    if up:
        lines.append(f"- The kernel lab is up after {percentile(up, 0.5):.0f} ms, at most "
                     f"{up[-1]:.0f} ms (target: under 1 s; {len(up)} trials).")
        most = bench.kept_one("lab", "easy-hard")
        if most:
            lines.append("- Ports that a peer tried for easy-hard in the kernel, at most: "
                         f"{max(most['probes']):,} (target: 2,048).")
    return lines


def relay_targets(bench):
    slices = bench.kept_one("relay", "slices")
    for name, over, wanted in RELAY_TARGETS if slices else ():
        rounds = next(one["rounds"] for one in slices if one["load"] == name)
        got = statistics.median(r["ours"]["per_cpu_s"] / r[over]["per_cpu_s"] for r in rounds)
        yield (f"- {name}, ours over coturn's {over}: {got:.2f}, target {wanted:g}: "
               f"{'met' if got >= wanted else '**missed**'}")


def page(bench):
    pictures = draw_all(HERE, PAIRS, CHARTS, bench)
    verdicts, different = verdict_table(bench)
    missed = [f"{p.name} ({word})" for p in PAIRS
              for kind, word in (("sim", "simulator"), ("lab", "kernel"))
              if bench.kept_one(kind, p.name) and not is_met(p, bench.kept_one(kind, p.name))]
    out = ["# Paths between machines: results", "",
           "Made by `make bench-punch`; do not edit. " + " ".join(
               __doc__.split("Method. ")[1].split("\n\n")[0].split()), "",
           *main_table(bench), "",
           *too_few(bench), "Missed by these rows: " + (", ".join(missed) if missed else "none") + ".", "", *costs(bench), "",
           "## The same in both", "", f"Pairs whose verdicts differ: {different}.", "", *verdicts,
           "", "## Success against time", ""]
    out += [f"![{title}]({name})\n" for name, title in pictures]
    for kind, title in (("relay", "The relay, and coturn"),
                        ("constants", "The simulator's constants")):
        table = bench.kept_one(kind, "table")
        if table and table["text"]:
            out += [f"## {title}", "", table["text"].strip(), ""]
            if kind == "relay":
                out += [*relay_targets(bench), "- An idle session's memory, target 1 KiB: held by "
                        "the test relay/needs_little_for_an_idle_session.", ""]
    out += ["## Commands", "", *commands(bench)]
    with open(os.path.join(HERE, "RESULTS.md"), "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")


def simulate(bench, pairs):
    for pair in pairs:
        bench.sim(pair)


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/punch/results.py")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    parser.add_argument("part", nargs="*", metavar="PART",
                        help="of sim, lab, relay, constants; all of them otherwise")
    options = parser.parse_args()
    bench = Bench(os.path.abspath(BUILD), HERE,
                  os.environ.get("BENCH_QUICK", "0") not in ("", "0"))
    names = os.environ.get("PAIRS", "").split()
    pairs = [p for p in PAIRS if not names or p.name in names]
    parts = options.part or (["sim", "lab"] if names else ["sim", "lab", "relay", "constants"])
    status = 0
    if not options.page:
        if "sim" in parts and not names:
            bench.speed()
        beside = threading.Thread(target=simulate, args=(bench, pairs))
        if "sim" in parts:
            beside.start()
        for pair in pairs if "lab" in parts else ():
            try:
                bench.lab(pair)
            except Failed as why:
                print(f"bench-punch: {why}", file=sys.stderr)
                status = 1
            print(f"bench-punch: {pair.name}", file=sys.stderr, flush=True)
        if "sim" in parts:
            beside.join()
        if "relay" in parts:
            status |= bench.relay()
        if "constants" in parts:
            status |= bench.script("constants.py", "constants")
    page(bench)
    return status


if __name__ == "__main__":
    sys.exit(main())
