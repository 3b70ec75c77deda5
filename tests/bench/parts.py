# SPDX-License-Identifier: Apache-2.0
"""The parts of the bench: each starts its brokers and loads, measures, and adds its
rows."""
import contextlib
import json
import resource
import socket
import statistics
import subprocess
import tempfile

import peers as peer
from measure import Failed, Load, interleave, plain, ratio, spread
from process import Floor
from product import Introd

CLIENTS = (1, 8, 64)
GIB = 1 << 30


class Sides(contextlib.ExitStack):
    """Brokers and their loads, all ended together."""

    def __init__(self, setting, clients):
        super().__init__()
        self.setting, self.clients, self.loads = setting, clients, {}

    def broker(self, kind, *args, **keywords):
        return self.enter_context(kind(self.setting, *args, **keywords))

    def load(self, name, broker, client, service=(), clients=None):
        """Start a load; the first word of client and service is a program of the bench."""
        words = [[self.setting.program(w[0]), *w[1:]] if w else [] for w in (client, service)]
        load = Load(self.setting, clients or self.clients, *words,
                    pids=broker.pids if broker else ())
        self.callback(load.stop)
        self.loads[name] = load
        return load

    def floor(self, name="floor", mode="pair"):
        broker = self.broker(Floor, mode)
        if mode == "listen":
            client = ["path", "client", broker.path_socket]
        else:
            client = ["client", broker.client_socket]
        hold = ["--hold"] if mode == "held" else []
        return self.load(name, broker, client, ["service", *hold, broker.service_socket])

    def product(self, name, way="pair", batch=1):
        broker = self.broker(Introd)
        door = broker.door()
        if way == "listen":
            client = ["path", "client", broker.path_socket]
        else:
            client = ["client", *(["--fresh"] if way == "fresh" else []), door]
        if way == "held":
            service = ["service", "--hold", broker.service_socket]
        else:
            service = ["service", "-b", str(batch), broker.service_socket]
        load = self.load(name, broker, client, service)
        load.once(0.01)
        broker.audited()
        return load

    def run(self, **keywords):
        return interleave(self.setting, self.loads, **keywords)


def compare(table, part, what, clients, run, a, b, rate=None, cpu=None, p99=None):
    """Rows for a over b: rate, latencies, the broker's processor time; each with its target."""
    for figure, key, target in (("rate", "rate", rate), ("p50", "p50_us", None),
                                ("p99", "p99_us", p99), ("processor", "broker_us", cpu)):
        table.add(part, what, clients, ratio(run, a, b, key), figure, target=target)


def absolute(table, part, what, clients, run, side):
    for figure, key, unit in (("rate", "rate", "/s"), ("p50", "p50_us", "us"),
                              ("p99", "p99_us", "us"), ("processor", "broker_us", "us")):
        table.add(part, what, clients, plain(run, side, key), figure, unit)


def noise(setting, table):
    """The floor against itself."""
    part = "noise: the floor against itself"
    for n in CLIENTS:
        with Sides(setting, n) as sides:
            sides.floor()
            sides.floor("again")
            run = sides.run()
        compare(table, part, "floor / floor", n, run, "again", "floor")
        absolute(table, part, "floor, absolute", n, run, "floor")


def introduction(setting, table):
    """The ways pair and listen, and a hot service, against the floor's pair."""
    part = "introductions, against the floor's pair"
    for n in CLIENTS:
        with Sides(setting, n) as sides:
            sides.floor()
            sides.product("pair")
            sides.product("listen", way="listen")
            if n >= 8:
                sides.product("hot", batch=16)
                sides.product("hot listen", way="listen", batch=16)
            run = sides.run()
        compare(table, part, "pair", n, run, "pair", "floor", rate=(">=", 0.90),
                cpu=("<=", 1.15), p99=("<=", 1.25))
        small = n <= 8
        compare(table, part, "listen", n, run, "listen", "floor",
                rate=(">=", 1.05) if small else None, cpu=("<=", 0.65) if small else None)
        if n >= 8:
            compare(table, part, "hot service, batches of 16", n, run, "hot", "floor",
                    rate=(">=", 1.15))
            compare(table, part, "listen, hot service", n, run, "hot listen", "floor",
                    rate=(">=", 1.05) if small else None, cpu=("<=", 0.65) if small else None)
        absolute(table, part, "pair, absolute", n, run, "pair")
    for n in CLIENTS:
        with Sides(setting, n) as sides:
            sides.floor("floor", "listen")
            sides.product("listen", way="listen")
            run = sides.run()
        compare(table, "way listen, against a floor that accepts and passes", "listen", n, run,
                "listen", "floor")
    with Sides(setting, 1) as sides:
        broker = sides.broker(Introd)
        broker.door()
        door = f"{broker.dir}/doors/bench"
        sides.floor()
        sides.load("library", broker, ["library", "client", door],
                   ["library", "service", f"{broker.dir}/doors/host"])
        run = sides.run()
    compare(table, "by libintro on both sides, against the floor's pair", "pair", 1, run,
            "library", "floor")


def held(setting, table):
    """A stored descriptor handed out."""
    part = "way held, against a floor that hands out one descriptor"
    for n in CLIENTS:
        with Sides(setting, n) as sides:
            sides.floor("floor", "held")
            sides.product("held", way="held")
            run = sides.run()
        compare(table, part, "held", n, run, "held", "floor", rate=(">=", 0.90))


def first(setting, table):
    """A client that comes only once: connect, authenticate, be introduced."""
    part = "first introduction of a new client"
    with Sides(setting, 1) as sides:
        sides.product("persistent")
        sides.product("fresh", way="fresh")
        broker = sides.broker(Introd)
        broker.door()
        sides.load("dial", broker, ["library", "dial", f"{broker.dir}/doors/bench"],
                   ["service", broker.service_socket])
        run = sides.run()
    table.add(part, "connect, authenticate, introduce: p50 over a persistent client's", 1,
              ratio(run, "fresh", "persistent", "p50_us"), target=("<=", 2))
    table.add(part, "the same by intro_dial()", 1, ratio(run, "dial", "persistent", "p50_us"))
    table.add(part, "the same, p50", 1, plain(run, "fresh", "p50_us"), unit="us")


def names(setting, table):
    """10,000 names against 16, each on a connection of its own, asked for at random, through
    the user's own door, which sees every service."""
    part = "10,000 names against 16"
    need_files(12000)
    with Sides(setting, 1) as sides:
        for count in (16, 10000):
            floor = sides.broker(Floor, "pair")
            product = sides.broker(Introd)
            product.door()
            for name, broker, socket in (("floor", floor, floor.client_socket),
                                         ("product", product, product.service_socket)):
                sides.load(f"{name} {count}", broker, ["client", socket, str(count)],
                           ["service", "-n", str(count), "-c", str(count),
                            broker.service_socket])
        run = sides.run()
    own = {side: [r[f"{side} 10000"]["rate"] / r[f"{side} 16"]["rate"] for r in run]
           for side in ("floor", "product")}
    table.add(part, "floor's own ratio of rates", 1, spread(own["floor"]))
    table.add(part, "product's own ratio of rates", 1, spread(own["product"]))
    table.add(part, "product's ratio over the floor's", 1,
              spread(p / f for p, f in zip(own["product"], own["floor"], strict=True)),
              target=(">=", 0.97))


def need_files(count):
    """A limit of so many descriptors, or why this cannot be measured."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit != resource.RLIM_INFINITY and limit < count:
        raise Failed(f"needs a hard limit of {count} descriptors (ulimit -Hn), found {limit}")


def memory(setting, table):
    """What an idle broker and an idle name weigh. Proportional set size: a page shared with
    other processes, as the C library's, is counted by share."""
    part = "memory"
    idle = "idle broker, both rooms: PSS"
    try:
        with Sides(setting, 1) as sides:
            sizes = sides.broker(Introd).pss_bytes()
    except PermissionError:
        table.skip(part, idle, "the rooms show it to root only")
    else:
        table.add(part, idle, None, spread([sum(sizes) / 1024]), unit="KiB",
                  target=("<=", 1536), note="parent {:.0f}, switch {:.0f}".format(
                      *(size / 1024 for size in sizes)))
    total = {}
    for count in (16, 10000):
        with Sides(setting, 1) as sides:
            broker = sides.broker(Introd)
            door = broker.door()
            sides.load("names", broker, ["client", door],
                       ["service", "-n", str(count), broker.service_socket])
            total[count] = broker.resident_bytes()
    table.add(part, "broker's memory for an idle name: growth of RSS from 16 to 10,000", None,
              spread([(total[10000] - total[16]) / (10000 - 16)]), unit="bytes",
              target=("<=", 512))


def references(setting, table):
    """Introductions by references that were lent, against the same by name; many of them; and
    their end."""
    part = "references, against the product's own pair by name"
    for n in CLIENTS:
        with Sides(setting, n) as sides:
            sides.product("plain")
            broker = sides.broker(Introd)
            sides.load("lent", broker, ["client", "--terms", "1", broker.door()],
                       ["service", broker.service_socket])
            run = sides.run()
        compare(table, part, "narrowed, counted and labelled", n, run, "lent", "plain",
                rate=(">=", 0.90))
    many = 10000 if setting.quick else 100000
    part = f"{many:,} live references against 16"
    size = {}
    with Sides(setting, 1) as sides:
        for count in (16, many):
            broker = sides.broker(Introd)
            door = broker.door()
            before = broker.resident_bytes()
            sides.load(str(count), broker, ["client", "--lend", str(count), door],
                       ["service", broker.service_socket])
            size[count] = broker.resident_bytes() - before
        run = sides.run()
    table.add(part, "rate", 1, ratio(run, str(many), "16", "rate"), target=(">=", 0.95))
    table.add(part, "broker's memory for each, with its handle: growth of RSS", None,
              spread([(size[many] - size[16]) / (many - 16)]), unit="bytes",
              target=("<=", 200))
    with Sides(setting, 1) as sides:
        broker = sides.broker(Introd)
        door = broker.door()
        sides.load("service", broker, ["client", door], ["service", broker.service_socket])
        for what, words, most in (
                ("of a reference with 10,000 children, to its reply", [door, "10000"], 10),
                ("that cuts 1,000 sessions, to its reply",
                 ["--leash", broker.service_socket, "1000"], 50)):
            out = subprocess.run([setting.program("revoke"), *words, str(setting.repetitions)],
                                 check=True, capture_output=True, text=True).stdout
            table.add("revocation", what, None,
                      spread(json.loads(line)["ns"] / 1e6 for line in out.splitlines()),
                      unit="ms", target=("<=", most))


def saving(setting, table):
    """A saved reference is on the disk when the request for it is answered."""
    with tempfile.TemporaryDirectory(prefix="bench-state-", dir=setting.build) as state:
        with Sides(setting, 1) as sides:
            broker = sides.broker(Introd, state=f"{state}/introd")
            broker.door()
            sides.load("service", broker, ["client", broker.service_socket],
                       ["service", broker.service_socket])
            out = subprocess.run([setting.program("save"), broker.service_socket, state,
                                  "50" if setting.quick else "500"], check=True,
                                 capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in out.splitlines()]
    part = "saving a reference, against appending 20 KiB to a file and fdatasync()"
    table.add(part, "time", None, spread(
        statistics.median(r["save_ns"] / r["append_ns"] for r in rows[i::5]) for i in range(5)),
              target=("<=", 1.25))
    table.add(part, "time, absolute", None, spread(
        statistics.median(r["save_ns"] / 1e3 for r in rows[i::5]) for i in range(5)), unit="us")


class Flow:
    """One running flow (flow.c)."""

    def __init__(self, setting, pids, *source):
        argv = [setting.program("flow"), "-c", str(setting.cpu)]
        for pid in pids:
            argv += ["-b", str(pid)]
        self.process = subprocess.Popen([*argv, *source], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            self.stop()
            raise Failed(f"flow {' '.join(source)} did not start")

    def move(self, what, amount):
        self.process.stdin.write(f"{what} {amount}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"flow ended with status {self.process.wait()}")
        return json.loads(line)

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def alternate(setting, flows, what, amount):
    """As interleave(), for flows."""
    order, out = list(flows), []
    for i in range(setting.repetitions + 1):
        results = {name: flows[name].move(what, amount)
                   for name in (order if i % 2 else reversed(order))}
        if i > 0:
            out.append(results)
    return out


def data(setting, table):
    """The bytes of a session, once it is there."""
    part = "data path, against a bare socketpair"
    stream = GIB // 8 if setting.quick else GIB
    pings = 2000 if setting.quick else 20000
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(Introd(setting))
        flows = {"bare": Flow(setting, (), "bare")}
        stack.callback(flows["bare"].stop)
        flows["intro"] = Flow(setting, broker.pids, "intro", broker.door(),
                              broker.service_socket)
        stack.callback(flows["intro"].stop)
        run = alternate(setting, flows, "stream", stream)
        ping = alternate(setting, flows, "ping", pings)
    table.add(part, f"{stream >> 20} MiB one way through an introduced pair: rate", None,
              ratio(run, "bare", "intro", "seconds"), target=(">=", 0.97))
    table.add(part, "64 bytes there and back: rate", None,
              ratio(ping, "bare", "intro", "seconds"), target=(">=", 0.97))
    table.add(part, "broker's processor time meanwhile", None,
              spread(r["intro"]["broker_seconds"] for r in run + ping), unit="s",
              target=("<=", 0))
    table.add(part, "times that the broker ran meanwhile; each system call needs one", None,
              spread(r["intro"]["broker_turns"] for r in run + ping), unit="",
              target=("<=", 0))
    table.add(part, "the pair's rate", None,
              spread(stream / r["intro"]["seconds"] / GIB for r in run), unit="GiB/s")
    for kind in (peer.Socat, peer.Haproxy):
        relayed(setting, table, part, kind, stream // 4, pings // 4)


def relayed(setting, table, part, kind, stream, pings):
    """A relay's data path, for comparison."""
    name = kind.__name__.lower()
    try:
        with contextlib.ExitStack() as stack:
            broker = stack.enter_context(kind(setting))
            flows = {"bare": Flow(setting, (), "bare")}
            stack.callback(flows["bare"].stop)
            flows[name] = Flow(setting, broker.pids, "relay", broker.path, broker.server_path)
            stack.callback(flows[name].stop)
            run = alternate(setting, flows, "stream", stream)
            ping = alternate(setting, flows, "ping", pings)
    except Failed as why:
        table.fail(part, why)
        return
    table.add(part, f"through {name}: one way, rate", None, ratio(run, "bare", name, "seconds"))
    table.add(part, f"through {name}: 64 bytes there and back, rate", None,
              ratio(ping, "bare", name, "seconds"))


class Attacker:
    """One running attack (attack.c), on a processor that is not the bench's."""

    def __init__(self, setting, *words):
        self.process = subprocess.Popen(
            [setting.program("attack"), "-c", str(setting.driver_cpus[0]), *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.most = 0

    def switch(self, on):
        self.process.stdin.write("on\n" if on else "off\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"attack ended with status {self.process.wait()}")
        self.most = max(self.most, int(line))

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


ATTACKS = (
    ("one client never reads", ["stall"], None),
    ("1,000 idle clients", ["idle", 1000], None),
    ("600 idle clients, at a limit of 256 descriptors", ["idle", 600], 256),
    ("200 idle clients, at a limit lowered to 4 more than open (EMFILE)", ["idle", 200],
     "lowered"),
)


class Unread:
    """Descriptors that lie in a queue of no broker's. While there are any on the machine, the
    kernel looks for garbage at each close of a Unix socket (unix_release_sock(), unix_gc())."""

    def __init__(self, count):
        self.count, self.queue = count, ()

    def switch(self, on):
        for end in self.queue:
            end.close()
        self.queue = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) if on else ()
        for _ in range(self.count if on else 0):
            ends = socket.socketpair()
            socket.send_fds(self.queue[0], [b"x"], [ends[0].fileno()])
            for end in ends:
                end.close()


def unread(setting, table, part):
    """What a client that does not read costs where no broker could do anything about it."""
    lying = Unread(4)
    with Sides(setting, 8) as sides:
        sides.loads["attacked"] = sides.floor("calm")
        sides.callback(lying.switch, False)
        run = sides.run(before=lambda name: lying.switch(name == "attacked"))
    for figure, key in (("rate", "rate"), ("p99", "p99_us")):
        table.add(part, "floor, while 4 descriptors lie unread in another queue", 8,
                  ratio(run, "attacked", "calm", key), figure)


def attack(setting, table):
    """What 8 clients notice of another's ill will; it comes through a door of its own."""
    part = "under attack: others, with it over without"
    unread(setting, table, part)
    for what, words, files in ATTACKS:
        try:
            attack_one(setting, table, part, what, words, files)
        except (Failed, PermissionError) as why:
            table.fail(part, f"{what}: {why}")


def attack_one(setting, table, part, what, words, files):
    lowered = files == "lowered"
    counts = []
    with Sides(setting, 8) as sides:
        broker = sides.broker(Introd, files=None if lowered else files)
        door, evil = broker.door(), broker.door("evil")
        load = sides.load("calm", broker, ["client", door], ["service", broker.service_socket])
        sides.loads["attacked"] = load
        attacker = Attacker(setting, words[0], evil, *map(str, words[1:]))
        sides.callback(attacker.stop)

        def turn(name):
            counts.append(broker.switch_files())
            attacker.switch(False)
            if lowered:
                broker.limit_files(4 if name == "attacked" else None)
            attacker.switch(name == "attacked")

        run = sides.run(before=turn)
        if not broker.alive():
            raise Failed("the broker or its switch has ended")
    note = f"{attacker.most} connected"
    if None not in counts:
        note += f", up to {max(counts)} descriptors open in the switch"
    table.add(part, what, 8, ratio(run, "attacked", "calm", "rate"), "rate",
              target=(">=", 0.90), note=note)
    table.add(part, what, 8, ratio(run, "attacked", "calm", "p99_us"), "p99")


def peers(setting, table):
    """Other programs' ways to the same end, against the floor of the same run."""
    for n in CLIENTS:
        part = "peers, against the floor's pair"
        with Sides(setting, n) as sides:
            sides.floor()
            for kind in (peer.DbusBroker, peer.Haproxy, peer.Socat):
                try:
                    peer_load(sides, kind)
                except Failed as why:
                    table.fail(part, why)
            run = sides.run()
            for name in list(sides.loads)[1:]:
                compare(table, part, name, n, run, name, "floor")
    for n in CLIENTS:
        part = "peers, against a floor that hands out one descriptor"
        with Sides(setting, n) as sides:
            sides.floor("floor", "held")
            try:
                s6 = sides.broker(peer.S6)
            except Failed as why:
                table.fail(part, why)
                return
            sides.load("s6-fdholder", s6, ["s6", s6.socket, "held"])
            run = sides.run()
        compare(table, part, "s6-fdholder, persistent connection", n, run, "s6-fdholder", "floor")


def peer_load(sides, kind):
    broker = sides.broker(kind)
    if kind is peer.DbusBroker:
        sides.load("dbus-broker, a call answered by a descriptor", broker,
                   ["dbus", "client", broker.socket], ["dbus", "service", broker.socket])
    else:
        sides.load(f"{kind.__name__.lower()}, a relayed connection", broker,
                   ["path", "client", broker.path], ["path", "server", broker.server_path])
