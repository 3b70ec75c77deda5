# SPDX-License-Identifier: Apache-2.0
"""make bench: what an introduction costs, against the least that a broker can do.

Method. Brokers, services and clients share one processor; this driver and load.c sleep on
another. A client is a process that asks, waits for its socket, notes the latency and
closes; the service receives its end and closes; nothing is counted that did not reach
both. The floor (floor.c) and the product speak the same packets with the same client and
service programs, so that only the broker differs; peers are spoken to by hand-written
clients in their own protocols. All sides of a comparison are up at once and get slices in
turn, in alternating order; each repetition gives a ratio, and the table shows the median
of these ratios, the least and the most. The first repetition is thrown away. "noise" is
the floor against a second floor: a difference smaller than its spread means nothing.

A slice in which other programs of the machine took more than a few percent of the
processor is done again, a few times; what is still disturbed counts by the processor time
that was left, and the table says how often that was.

Broker's processor time is that of all its processes (schedstat, ns; reaped children by
stat). Nothing in the table is computed from an earlier run.
"""
import argparse
import os
import sys
import time

import parts
from measure import Failed, Setting
from table import Table

HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = {
    "noise": parts.noise,
    "introduction": parts.introduction,
    "held": parts.held,
    "first": parts.first,
    "names": parts.names,
    "memory": parts.memory,
    "references": parts.references,
    "saving": parts.saving,
    "data": parts.data,
    "attack": parts.attack,
    "peers": parts.peers,
}


def arguments():
    build = os.environ.get("INTRO_BUILD", os.path.join(HERE, "../../build"))
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="Parts: " +
                                     ", ".join(PARTS) + ".")
    parser.add_argument("part", nargs="*", choices=[[], *PARTS], metavar="PART",
                        help="measure only these")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter slices",
                        default=os.environ.get("BENCH_QUICK", "0") not in ("", "0"))
    parser.add_argument("--json", default=os.path.join(build, "bench.json"), metavar="FILE")
    return parser.parse_args(), os.path.abspath(build)


def main():
    options, build = arguments()
    setting = Setting(build, options.quick)
    os.sched_setaffinity(0, setting.driver_cpus)
    table = Table()
    for name in options.part or PARTS:
        begin = time.monotonic()
        try:
            PARTS[name](setting, table)
        except (Failed, OSError, TimeoutError) as why:
            table.fail(name, why)
        print(f"bench: {name}, {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    print(table.markdown(setting), flush=True)
    table.save(options.json, setting)
    print(f"The same as JSON: {os.path.relpath(options.json)}")
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main())
