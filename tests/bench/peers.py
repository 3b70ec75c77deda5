# SPDX-License-Identifier: Apache-2.0
"""The peers that the bench measures beside the product."""
import os
import shutil
import socket
import struct
import subprocess

from measure import Failed
from process import Broker, start, until


def program(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise Failed(f"{name} is not installed")
    return path


def listener(path):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(path)
    sock.listen(4096)
    sock.setblocking(False)  # dbus-broker and s6 take it as it comes
    return sock


class Marshal:
    """Just enough D-Bus to say one thing to dbus-broker: values by signature, little-endian."""

    def __init__(self):
        self.data = b""

    def align(self, to):
        self.data += bytes(-len(self.data) % to)

    def put(self, code, value):
        if code in "so":
            self.put("u", len(value))
            self.data += value.encode() + b"\0"
        elif code == "g":
            self.data += bytes([len(value)]) + value.encode() + b"\0"
        elif code == "y":
            self.data += bytes([value])
        else:
            self.align({"u": 4, "b": 4, "h": 4, "t": 8}[code])
            self.data += struct.pack("<Q" if code == "t" else "<I", value)

    def many(self, codes, *values):
        for code, value in zip(codes, values, strict=True):
            self.put(code, value)

    def array(self, fill, alignment=8):
        """fill(self) writes the elements."""
        self.put("u", 0)
        at = len(self.data) - 4
        self.align(alignment)
        begin = len(self.data)
        if fill:
            fill(self)
        self.data = self.data[:at] + struct.pack("<I", len(self.data) - begin) + \
            self.data[at + 4:]


BATCH = "bta(btbs)a(btssssuutt)a(btssssuutt)"
POLICY = f"(a(u({BATCH}))a(buu({BATCH}))a(ss)bs)"


def allow_everything(out):
    """One batch of dbus-broker's policy, for every uid: connect, own, send, receive."""
    def own(inner):
        inner.align(8)
        inner.many("btbs", 1, 1, 1, "")

    def transmit(inner):
        inner.align(8)
        inner.many("btssssuutt", 1, 1, "", "", "", "", 0, 0, 0, 2 ** 64 - 1)

    out.align(8)
    out.put("u", 0xffffffff)
    out.align(8)
    out.many("bt", 1, 1)
    out.array(own)
    out.array(transmit)
    out.array(transmit)


def add_listener():
    """The call AddListener(path, the message's first descriptor, policy)."""
    body = Marshal()
    body.many("oh", "/org/bus1/DBus/Listener/0", 0)
    body.put("g", POLICY)
    body.align(8)
    body.array(allow_everything)
    body.array(None)
    body.array(None)
    body.many("bs", 0, "session")

    def fields(out):
        for code, kind, value in ((1, "o", "/org/bus1/DBus/Broker"),
                                  (2, "s", "org.bus1.DBus.Broker"), (3, "s", "AddListener"),
                                  (8, "g", "ohv"), (9, "u", 1)):
            out.align(8)
            out.put("y", code)
            out.put("g", kind)
            out.put(kind, value)

    head = Marshal()
    head.data = b"l\1\0\1"
    head.many("uu", len(body.data), 1)
    head.array(fields)
    head.align(8)
    return head.data + body.data


class DbusBroker(Broker):
    """dbus-broker, with us as its controller: a listener and a policy that allows all."""

    def __init__(self, setting):
        super().__init__()
        self.socket = f"{self.dir}/bus"
        self.controller, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs, listener(self.socket) as listening:
            os.set_inheritable(theirs.fileno(), True)
            most = ["--max-bytes=1000000000"] + [
                f"--max-{what}=100000" for what in ("fds", "matches", "objects")]
            self.processes.append(start(
                setting, [program("dbus-broker"), f"--controller={theirs.fileno()}",
                          "--machine-id=" + "0123456789abcdef" * 2, *most],
                pass_fds=[theirs.fileno()]))
            self.controller.settimeout(10)
            self.controller.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
            answer = b""
            while not answer.endswith(b"AGREE_UNIX_FD\r\n"):
                answer += self.controller.recv(4096) or b"AGREE_UNIX_FD\r\n"
            socket.send_fds(self.controller, [add_listener()], [listening.fileno()])
        answer = self.controller.recv(4096)
        if answer[1:2] != b"\2":
            self.stop()
            raise Failed(f"dbus-broker refused its listener: {answer!r}")

    def stop(self):
        self.controller.close()
        super().stop()


class S6(Broker):
    """s6-fdholderd with one stored descriptor, "held"."""

    def __init__(self, setting):
        super().__init__()
        self.socket = f"{self.dir}/s6"
        env = f"{self.dir}/rules/uid/default/env"
        os.makedirs(env)
        for word in ("allow", "env/S6_FDHOLDER_STORE_REGEX", "env/S6_FDHOLDER_RETRIEVE_REGEX"):
            with open(f"{env}/../{word}", "w", encoding="ascii") as f:
                f.write("" if word == "allow" else "^held$\n")
        with listener(self.socket) as listening:
            self.processes.append(start(
                setting, [program("s6-fdholderd"), "-c", "200", "-n", "100", "-i",
                          f"{self.dir}/rules"], stdin=listening))
        with open("/dev/null", "rb") as null:
            subprocess.run([program("s6-fdholder-store"), "-d", str(null.fileno()), self.socket,
                            "held"], pass_fds=[null.fileno()], check=True)


class Socat(Broker):
    """socat from path to server_path, a process for each connection."""

    def __init__(self, setting):
        super().__init__()
        self.path, self.server_path = f"{self.dir}/front", f"{self.dir}/back"
        self.processes.append(start(
            setting, [program("socat"), f"UNIX-LISTEN:{self.path},fork,backlog=4096",
                      f"UNIX-CONNECT:{self.server_path}"], stderr=subprocess.DEVNULL))
        until(lambda: os.path.exists(self.path), "socat")


class Haproxy(Broker):
    """HAProxy in tcp mode from path to server_path, one thread."""

    def __init__(self, setting):
        super().__init__()
        self.path, self.server_path = f"{self.dir}/front", f"{self.dir}/back"
        config = f"{self.dir}/haproxy.cfg"
        with open(config, "w", encoding="ascii") as f:
            f.write(f"""global
    nbthread 1
    maxconn 4000
defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen relay
    bind unix@{self.path}
    server back unix@{self.server_path}
""")
        self.processes.append(start(setting, [program("haproxy"), "-db", "-q", "-f", config]))
        until(lambda: os.path.exists(self.path), "haproxy")
