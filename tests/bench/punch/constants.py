# SPDX-License-Identifier: Apache-2.0
"""tests/bench/punch/constants.py: what the simulator assumes of Linux's NAT and of the links,
measured here: a host, a router with the kernel's masquerade and a remote host in network
namespaces, and the lab's box. Prints a table; exits 1 when something differs.

The assumed figures are read from the simulator's sources, and it is a failure, too, when they are
not found there."""
import ctypes
import json
import os
import re
import socket
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SIM = os.path.join(os.environ.get("INTRO_SOURCE", os.path.join(HERE, "../../..")), "tests/sim")
BUILD = os.environ.get("INTRO_BUILD", os.path.join(HERE, "../../../build"))
CLONE_NEWNET = 0x40000000
HOST, ROUTER, REMOTE = "192.168.1.2", "198.51.100.1", "198.51.100.2"
FLOWS = 300
LATE_MAX_MS = 1  # of a datagram there and back, in the box and both hosts

libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def assumed(name, pattern):
    """The pattern's numbers in a source of the simulator."""
    with open(os.path.join(SIM, name), encoding="utf-8") as f:
        found = re.search(pattern, f.read())
    if not found:
        raise SystemExit(f"constants.py: {name} says nothing like {pattern}")
    return [int(n) for n in found.groups()]


class Space:
    """A network namespace that its descriptor keeps alive."""

    def __init__(self):
        check(libc.unshare(CLONE_NEWNET))
        self.fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.run("ip link set lo up")

    def enter(self):
        check(libc.setns(self.fd, CLONE_NEWNET))

    def run(self, command, text=None):
        self.enter()
        subprocess.run(command.split(), input=text, text=True, check=True)

    def socket(self, ip, port):
        self.enter()
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(0.3)
        s.bind((ip, port))
        return s


def rules(masquerade, policy):
    return f"""flush ruleset
table ip translation {{
	chain out {{
		type nat hook postrouting priority srcnat
		oifname "wan" masquerade {masquerade}
	}}
}}
table inet wall {{
	chain input {{
		type filter hook input priority 0; policy {policy};
		ct state established,related accept
	}}
}}
"""


def build():
    """host - router - remote; the router's own namespace holds both ends of the way first."""
    host, router, remote = Space(), Space(), Space()
    me = os.getpid()
    for name, far, space in (("lan", "eth0", host), ("wan", "eth1", remote)):
        router.run(f"ip link add {name} type veth peer name {far}")
        router.run(f"ip link set {far} netns /proc/{me}/fd/{space.fd}")
        router.run(f"ip link set {name} up")
        space.run(f"ip link set {far} up")
    router.run("ip address add 192.168.1.1/24 dev lan")
    router.run(f"ip address add {ROUTER}/24 dev wan")
    host.run(f"ip address add {HOST}/24 dev eth0")
    host.run("ip route add default via 192.168.1.1")
    remote.run(f"ip address add {REMOTE}/24 dev eth1")
    router.enter()
    with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as f:
        f.write("1")
    return host, router, remote


def seen_port(sender, receiver, to):
    """The port that a datagram comes from, beyond the router."""
    sender.sendto(b"x", to)
    return receiver.recvfrom(64)[1][1]


def timeout(router, name):
    router.enter()
    with open(f"/proc/sys/net/netfilter/{name}", encoding="ascii") as f:
        return int(f.read())


def class_of(host, remote, port, first):
    """The least and the greatest external port of many flows from one internal port."""
    sender, ports = host.socket(HOST, port), []
    for n in range(FLOWS):
        receiver = remote.socket(REMOTE, first + n)
        ports.append(seen_port(sender, receiver, (REMOTE, first + n)))
        receiver.close()
    sender.close()
    return min(ports), max(ports)


def is_poisoned(host, router, remote, policy):
    """Does a datagram that comes too early take our port away?"""
    router.run("nft -f -", rules("", policy))
    port = {"accept": 40000, "drop": 40001}[policy]
    inner, outer = host.socket(HOST, port), remote.socket(REMOTE, port)
    outer.sendto(b"early", (ROUTER, port))
    seen = seen_port(inner, outer, (REMOTE, port))
    inner.close()
    outer.close()
    return seen != port


def delays():
    """Of datagrams there and back through the box, in ms."""
    argv = [os.path.join(BUILD, "tests/lab"), "--pair", "preserve:preserve", "--trials", "5",
            "--signal", "1", "--json"]
    lines = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout
    return sorted(json.loads(line)["echo_ms"] for line in lines.splitlines()[:-1])


def measure():
    """Rows: what, assumed, measured, whether they agree."""
    unreplied, = assumed("nat.c", r"unreplied_us = (\d+) \* SECOND_US")
    stream, = assumed("nat.c", r"stream_us = (\d+) \* SECOND_US")
    low = assumed("nat_ports.c", r"\{ (\d+), (1023), 1 \}")
    rtt = 4 * assumed("scenario.c", r"ACCESS_US (\d+)u")[0] / 1000
    echo = delays()
    yield ("delay there and back, ms, least and median", f"{rtt:g}",
           f"{echo[0]:.2f}, {statistics.median(echo):.2f}",
           rtt <= echo[0] and statistics.median(echo) <= rtt + LATE_MAX_MS)
    host, router, remote = build()
    router.run("nft -f -", rules("", "drop"))
    for name, want in (("nf_conntrack_udp_timeout", unreplied),
                       ("nf_conntrack_udp_timeout_stream", stream)):
        got = timeout(router, name)
        yield name + ", s", want, got, want == got
    router.run("nft -f -", rules("fully-random", "drop"))
    least, most = class_of(host, remote, 700, 20000)
    yield ("fully-random, from port 700: ports", f"{low[0]}-{low[1]}", f"{least}-{most}",
           low[0] <= least <= low[0] + 20 and low[1] - 20 <= most <= low[1])
    least, most = class_of(host, remote, 40000, 30000)
    yield ("fully-random, from port 40000: ports", "1024-65535", f"{least}-{most}",
           1024 <= least <= 4000 and 62000 <= most)
    for policy in ("accept", "drop"):
        got = is_poisoned(host, router, remote, policy)
        yield (f"early datagrams poison a router that {policy}s them",
               "yes" if policy == "accept" else "no", "yes" if got else "no",
               got == (policy == "accept"))


def main():
    if os.geteuid() != 0:
        os.execvp("unshare", ["unshare", "-Urn", sys.executable, "-B", *sys.argv])
    different = 0
    print("| what | assumed | measured | agree |\n|---|---|---|---|")
    for what, want, got, agree in measure():
        different += not agree
        print(f"| {what} | {want} | {got} | {'yes' if agree else '**no**'} |", flush=True)
    if different:
        print(f"constants.py: {different} of the simulator's constants are not this kernel's",
              file=sys.stderr)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
