# SPDX-License-Identifier: Apache-2.0
"""The pairs of the results page: what is wanted of each, and how to try it.

A row is tried in the simulator by its name there, and in the kernel lab by command lines, whose
trials are added up. Where a NAT is a kernel's own, the lab takes the kernel's; the rest are the
simulator's NATs in real time (@NAME), with real hosts, sockets and clocks around them."""

LATE_MS = (100, 200, 300)


class Pair:
    """sim: a name of `tests/sim --list`; lab: lists of arguments for `tests/lab`.
    success, in percent, of those within within_ms if that is given; median_ms, p90_ms: at most
    (None: nothing was asked of it). also_ms: the share until then is told, too."""

    def __init__(self, name, chart, lab, success, median_ms=None, p90_ms=None, note="",
                 within_ms=None, also_ms=None):
        self.name = name
        self.chart = chart
        self.lab = [["--pair", *arguments.split()] for arguments in
                    ([lab] if isinstance(lab, str) else lab)]
        self.success = success
        self.median_ms = median_ms
        self.p90_ms = p90_ms
        self.note = note
        self.within_ms = within_ms
        self.also_ms = also_ms

    def wanted(self):
        """The target, for people."""
        words = [f"{'' if self.success == 100 else '>= '}{self.success:g} %"]
        if self.within_ms is not None:
            words[0] += f" in <= {self.within_ms / 1000:g} s"
        if self.median_ms is not None:
            words.append(f"median <= {self.median_ms:g} ms")
        if self.p90_ms is not None:
            words.append(f"p90 <= {self.p90_ms:g} ms")
        return ", ".join(words)

    def is_met(self, percent, median_ms, p90_ms):
        return (percent >= self.success and
                (self.median_ms is None or median_ms <= self.median_ms) and
                (self.p90_ms is None or p90_ms <= self.p90_ms))


CHARTS = {
    "easy": "easy, predicted and near pairs",
    "spray": "sprays",
    "small": "small sets of ports, and grids",
    "repair": "relay and repairs",
}

DIRECT = "--relay"
RELAYED = "--relay --want relayed"

PAIRS = (
    Pair("easy-easy", "easy", f"preserve:preserve {DIRECT}", 100, 45),
    # 0.0513 at each of two links is the simulator's tenth of each way.
    Pair("easy-easy-loss", "easy", f"preserve:preserve {DIRECT} --loss 0.0513", 100, None, 100),
    Pair("easy-easy-accept", "easy",
         [f"preserve+accept:preserve+accept {DIRECT} --slow-{end} {late}"
          for end in "ab" for late in LATE_MS], 100, 80,
         note="one is told 100-300 ms late; counted from when it was told"),
    Pair("cone-restricted", "easy", f"full-cone:restricted {DIRECT}", 100, 45,
         note="as easy-easy"),
    Pair("easy-hard", "spray", f"preserve:fully-random {DIRECT}", 99.5, 250,
         note="at most 2,048 probes"),
    Pair("easy-hard-accept", "spray", f"preserve+accept:fully-random {DIRECT}", 99.5, 250,
         note="as easy-hard"),
    Pair("easy-hard-block", "small", f"preserve:@block {DIRECT}", 99.9, 120),
    Pair("easy-hard-low", "small", f"preserve:fully-random {DIRECT} --low-ports", 99.9, 120),
    Pair("easy-hard-parity", "small", f"preserve:@parity {DIRECT}", 99.9, 120),
    Pair("easy-hard-limit", "spray", f"preserve:fully-random+limit=128 {DIRECT} --limit 60", 95,
         2000, also_ms=2000),
    Pair("easy-hard-guard", "spray", f"preserve:@guarded {DIRECT} --limit 60", 95, 2000,
         also_ms=2000),
    Pair("easy-hard-evict", "spray", f"preserve:@evicting {DIRECT} --limit 60", 95, 2000,
         also_ms=2000),
    Pair("easy-hard-silence", "spray", f"preserve:@silencing {DIRECT} --limit 60", 95, 2000,
         also_ms=2000),
    Pair("easy-down", "easy", f"preserve:@down {DIRECT}", 100, 45, note="as easy-sequential"),
    Pair("easy-sequential", "easy", f"preserve:@busy {DIRECT}", 100, 45,
         note="20 foreign ports/s"),
    Pair("sequential-sequential", "easy", f"@busy:@busy {DIRECT}", 95, 200,
         note="20 foreign ports/s, both"),
    Pair("cgnat-easy", "spray", f"preserve/fully-random:preserve {DIRECT}", 99.5, 250,
         note="as easy-hard"),
    Pair("cgnat-hard", "repair", f"preserve/fully-random:fully-random {RELAYED}", 100, 80,
         note="as hard-hard: relay at once"),
    Pair("same-lan", "easy", "same-lan:preserve --relay --want lan", 100, 5),
    Pair("same-carrier", "easy", "same-lan:@hard --relay --want lan", 100, 5,
         note="no hairpin; in the lab both are in the carrier's own network"),
    Pair("hard-hard", "repair", f"fully-random:fully-random {RELAYED}", 100, 80,
         note="relay at once"),
    Pair("hard-hard-low", "small", f"fully-random:fully-random {DIRECT} --low-ports", 90, within_ms=5000,
         note="with the capability"),
    Pair("rebind", "repair", f"preserve:preserve {DIRECT} --shake rebind", 100, 240,
         note="from the change; 1 RTT + 200 ms"),
    Pair("address", "repair", f"preserve:preserve {DIRECT} --shake move", 100, 240,
         note="from the change; 1 RTT + 200 ms"),
    Pair("relay", "repair", f"preserve:preserve {RELAYED} --relay-only", 100, 80,
         note="first byte by the relay, <= 1 RTT to it and back for both"),
)
