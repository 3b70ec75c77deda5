# SPDX-License-Identifier: Apache-2.0
"""The product under measure: introd, started as a user starts it, administered through
its control socket. Policy, accounting and audit are on: clients come through a door of
their own, with one grant, and every introduction leaves its audit line."""
import errno
import os
import re
import resource
import socket
import struct

from measure import Failed
from process import Broker, children, pss_bytes, resident_bytes, start, until

HERE = os.path.dirname(os.path.abspath(__file__))
NAME = "name-00000"
MANY = 200000


def numbers(enum):
    """The values of an enum of protocol.h, by name: written down there once."""
    path = os.path.join(HERE, "../../libintro/wire/protocol.h")
    with open(path, encoding="ascii") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    body = re.search(rf"enum {enum} \{{(.*?)\}}", text, re.S).group(1)
    value, out = -1, {}
    for word in body.replace("\n", " ").split(","):
        name, _, given = word.partition("=")
        if name.strip():
            value = int(given) if given else value + 1
            out[name.strip()] = value
    return out


TYPES, TAGS = numbers("wire_type"), numbers("wire_tag")


def packet(kind, serial, **tags):
    """A message of the wire protocol; tags by their names without TAG_, in lower case."""
    out = struct.pack("<BBHII", 1, 0, TYPES["WIRE_" + kind], serial, 0)
    for tag, value in sorted((TAGS["TAG_" + k.upper()], v) for k, v in tags.items()):
        data = value.encode() if isinstance(value, str) else struct.pack("<I", value)
        out += struct.pack("<HH", tag, len(data)) + data
    return out


def tags_of(message):
    at, out = 12, {}
    while at < len(message):
        tag, size = struct.unpack_from("<HH", message, at)
        out[tag & 0x7fff] = message[at + 4:at + 4 + size]
        at += 4 + size
    return out


class Introd(Broker):
    """A user's broker with the doors "host" and "bench", and the first name granted to the
    latter. names: how many, where that matters; files: its limit of descriptors; state: where it saves
    references, for which a directory in memory would not do."""

    def __init__(self, setting, files=None, state=None):
        super().__init__()
        program = os.path.join(setting.build, "introd")
        if not os.access(program, os.X_OK):
            self.stop()
            raise Failed(f"{program} is not built")
        ours, theirs = os.pipe()
        os.set_inheritable(theirs, True)
        p = start(setting, [program, "--user", "--base", self.dir, f"--ready-fd={theirs}",
                            "--log-stderr", f"--state={state or self.dir + '/state'}"], files=files, pass_fds=[theirs],
                  env={"HOME": self.dir})  # nobody's own configuration
        self.processes.append(p)
        os.close(theirs)
        with os.fdopen(ours, "rb") as ready:
            if not ready.read(1):
                self.stop()
                raise Failed("introd did not start")
        self.rooms = [p.pid, *children(p.pid)]
        self.control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(10)
        self.control.connect(f"{self.dir}/control.sock")
        self.serial = 0
        self.service_socket = f"{self.dir}/doors/host/intro.sock"
        self.path_socket = f"{self.dir}/doors/bench/{NAME}"

    def door(self, name="bench"):
        """Make a door with a grant for the first name, and lift every limit: what is measured
        is the accounting, not its refusals. The door's broker socket."""
        self.ask("DOOR_ADD", door=name)
        self.ask("GRANT", door=name, name=NAME)
        most = {f"max_{what}": MANY for what in ("connections", "names", "held", "waits",
                                                "references")}
        self.ask("LIMIT", **most)
        self.ask("LIMIT", door=name, **most)
        self.ask("LIMIT", door="host", **most)
        self.ask("LIMIT", uid=os.getuid(), **most)
        return f"{self.dir}/doors/{name}/intro.sock"

    def ask(self, kind, **tags):
        self.serial += 1
        self.control.send(packet(kind, self.serial, **tags))
        reply = self.control.recv(4096)
        error = tags_of(reply).get(TAGS["TAG_ERROR"])
        if error:
            word = errno.errorcode.get(-struct.unpack("<i", error)[0], "?")
            raise Failed(f"introd refuses {kind} {tags}: {word}")

    @property
    def pids(self):
        return self.rooms

    def pss_bytes(self):
        return [pss_bytes(pid) for pid in self.rooms]

    def resident_bytes(self):
        return sum(resident_bytes(pid) for pid in self.rooms)

    def switch_files(self):
        """Descriptors open in the switch; None where only root may look."""
        try:
            return len(os.listdir(f"/proc/{self.rooms[1]}/fd"))
        except PermissionError:
            return None

    def limit_files(self, more):
        """Let the switch open only so many descriptors more; None: as many as it could."""
        pid = self.rooms[1]
        hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
        soft = hard
        if more is not None:
            soft = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd")) + 1 + more
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))

    def audited(self):
        """Wait until audit lines have reached their file."""
        until(lambda: os.path.getsize(f"{self.dir}/audit.log") > 0, "an audit line")

    def alive(self):
        return self.processes[0].poll() is None and children(self.rooms[0]) == self.rooms[1:]

    def stop(self):
        if hasattr(self, "control"):
            self.control.close()
        super().stop()
