#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The table of ways in the README, measured: each kind of server is offered to a real broker
(XDG_RUNTIME_DIR's, `intro` in PATH), reached by name and by path, and what the broker says of
that session, live by `intro watch`, is a cell. Prints the table.

ways.py MODE [ARGUMENT] is one of the servers: it answers "ok" to each session.
"""
import json, os, select, signal, socket, subprocess, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples"))
import client

ME = [sys.executable, os.path.abspath(__file__)]
KINDS = [  # what the server is, how it is offered as the README says it, and as it is
    ("any program, a process per session", "intro serve x -- PROGRAM", ["--", *ME, "stdin"]),
    ("a Unix socket, on the doors' filesystem, of the same owner", "intro serve x --place PATH",
     ["--place", "SOCKET"]),
    ("TCP, or any Unix socket", "intro serve x --to tcp:HOST:PORT", ["--to", "TCP"]),
    ("takes a listener (LISTEN_FDS)", "intro serve x --listen -- SERVER",
     ["--listen", "--", *ME, "listeners"]),
    ("the same, accepting at the doors itself", "intro serve x --listen=door -- SERVER",
     ["--listen=door", "--", *ME, "listeners"]),
    ("takes connected sockets (HAProxy)", "intro serve x --sockpair -- SERVER",
     ["--sockpair", "--", *ME, "sockpair"]),
]


def answer(sock):
    with sock:
        sock.sendall(b"ok\n")


def accept_for_ever(*listeners):
    for listener in listeners[1:]:
        if os.fork() == 0:
            listeners = [listener]
            break
    while True:
        answer(listeners[0].accept()[0])


def serve(mode):
    if mode == "stdin":
        answer(socket.socket(fileno=0))
    elif mode == "listeners":
        count = int(os.environ["LISTEN_FDS"])
        accept_for_ever(*[socket.socket(fileno=3 + i) for i in range(count)])
    elif mode == "sockpair":
        with socket.socket(fileno=int(os.environ["INTRO_SOCKPAIR"])) as pair:
            while True:
                data, fds, _, _ = socket.recv_fds(pair, 1, 1)
                if not data:
                    return
                answer(socket.socket(fileno=fds[0]))


def intro(*args):
    return subprocess.run(["intro", *args], check=True, stdout=subprocess.PIPE).stdout.decode()


class Watch:
    """The broker's decisions."""

    def __init__(self):
        self.process = subprocess.Popen(["intro", "watch", "--json"], stdout=subprocess.PIPE,
                                        bufsize=0)
        self.marks = 0

    def start(self, door):
        """It says nothing before there is something to say."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            self.marks += 1
            intro("grant", door, f"mark{self.marks}")
            if select.select([self.process.stdout], [], [], 0.05)[0]:
                return
        sys.exit("intro watch says nothing")

    def until_mark(self, door):
        """What was decided up to now."""
        self.marks += 1
        intro("grant", door, f"mark{self.marks}")
        seen = []
        while not seen or seen[-1].get("name") != f"mark{self.marks}":
            seen.append(json.loads(self.process.stdout.readline()))
        return seen

    def cell(self, door, name):
        for event in self.until_mark(door):
            if event["event"] == "introduced" and event["name"] == name:
                return f"{event['way']}, {event['path']}"
        return None


def ok(sock):
    with sock:
        sock.settimeout(10)
        text = sock.recv(16)
    if text != b"ok\n":
        sys.exit(f"the server did not answer, but {text}")


def by_path(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(path)
    ok(sock)


def measure(watch, app, name, args):
    """A row's two cells."""
    with subprocess.Popen(["intro", "serve", name, *args]) as agent:
        ok(socket.socket(fileno=client.dial(name, seconds=10)))
        named = watch.cell("app", name)
        by_path(f"{app}/{name}")
        pathed = watch.cell("app", name)
        if not pathed:
            # nothing of ours is between: it is the server's own socket, or its own listener
            pathed = ("placed" if args[0] == "--place" else "listen") + ", local ¹"
        agent.send_signal(signal.SIGTERM)
    return named, pathed


def hold(watch):
    with open("/etc/passwd") as file:
        subprocess.run(["intro", "hold", "file"], stdin=file, check=True)
    with os.fdopen(client.dial("file")) as got:
        if not os.path.samefile(got.fileno(), "/etc/passwd"):
            sys.exit("the descriptor held is another file")
    return watch.cell("app", "file")


def measured(directory):
    placed = socket.socket(socket.AF_UNIX)
    placed.bind(directory + "/server.sock")
    tcp = socket.socket()
    tcp.bind(("127.0.0.1", 0))
    for listener in placed, tcp:
        listener.listen()
    servers = os.fork()
    if servers == 0:
        accept_for_ever(placed, tcp)
    real = {"SOCKET": directory + "/server.sock",
            "TCP": "tcp:127.0.0.1:%d" % tcp.getsockname()[1]}
    app = intro("door", "add", "app").strip()
    watch = Watch()
    watch.start("app")
    rows = []
    for number, (server, shown, args) in enumerate(KINDS):
        name = f"x{number}"
        intro("grant", "app", name)
        named, pathed = measure(watch, app, name, [real.get(arg, arg) for arg in args])
        rows.append((server, f"`{shown}`", named, pathed))
    rows.append(("a file, a device, a memfd", "`intro hold x <FILE`", hold(watch), "–"))
    watch.process.terminate()
    watch.process.wait()
    return rows


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(sys.argv[1])
        sys.exit()
    os.setpgid(0, 0)
    try:
        rows = measured(os.environ["XDG_RUNTIME_DIR"])
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)
    print("| the server | offered by | client by name | client by path |")
    print("|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
