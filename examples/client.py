#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""client.py NAME PROGRAM [ARGUMENT...]: becomes PROGRAM with a socket to the service NAME,
connected, as its standard input. Waits five seconds at most for the broker and the service.

Written from intro-protocol(7) alone, with the standard library. A client of Redis is

    client.py redis sh -c 'echo PING >&0; head -n 1'
"""
import array, errno, os, socket, stat, struct, sys, time

CONNECT, JOIN, REPLY = 2, 11, 32  # messages
ERROR, NAME, SOCKTYPE, WAIT, WAY = 1, 2, 3, 5, 6  # tags
PLACED = 5  # a way


def message(kind, serial=0, tags={}, ref=0, nfds=0):
    packet = struct.pack("<BBHII", 1, nfds, kind, serial, ref)
    for tag, value in sorted(tags.items()):
        packet += struct.pack("<HH", tag, len(value)) + value
    return packet


def parse(packet):
    version, _, kind, serial, _ = struct.unpack_from("<BBHII", packet)
    tags, at = {}, 12
    while at < len(packet):
        tag, length = struct.unpack_from("<HH", packet, at)
        tags[tag] = packet[at + 4:at + 4 + length]
        at += 4 + length
    if version != 1 or at != len(packet):
        raise OSError(errno.EPROTO, "the broker speaks another protocol")
    return kind, serial, tags


def error_of(tags):
    """What a reply says: None, or an OSError."""
    error = -int.from_bytes(tags.get(ERROR, b""), "little", signed=True)
    return OSError(error, os.strerror(error)) if error else None


def is_ours(path):
    try:
        st = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(st.st_mode) and st.st_uid == os.getuid() and not st.st_mode & 0o022


def doors():
    """Where to look for a broker, in this order."""
    door, uid = os.environ.get("INTRO_DOOR"), os.getuid()
    if door:
        return [door + "/intro.sock" if os.path.isdir(door) else door]
    users = []
    if os.environ.get("XDG_RUNTIME_DIR"):
        users = [os.environ["XDG_RUNTIME_DIR"] + "/introd"]
    elif is_ours(f"/run/user/{uid}"):
        users = [f"/run/user/{uid}/introd"]
    elif is_ours(f"/tmp/introd-{uid}"):
        users = [f"/tmp/introd-{uid}"]
    return [base + "/doors/host/intro.sock" for base in users] + ["/run/intro/intro.sock"]


def join(shared):
    """A connection of our own by one that many processes share."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with socket.socket(fileno=os.dup(shared)) as door, theirs:
        socket.send_fds(door, [message(JOIN, nfds=1)], [theirs.fileno()])
    return ours


def broker():
    """A connection to the broker."""
    for door in doors():
        if door.startswith("fd:"):
            return join(int(door[3:]))
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            sock.connect(door)
            return sock
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            sock.close()
    raise ConnectionRefusedError(errno.ECONNREFUSED, "no broker found")


def receive(sock):
    """One packet, and its descriptor or None."""
    packet, control, flags, _ = sock.recvmsg(4096, socket.CMSG_LEN(4),
                                             socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for _, _, data in control:
        fds.frombytes(data)
    if not packet:
        raise ConnectionResetError(errno.ECONNRESET, "the broker has ended")
    if flags & socket.MSG_CTRUNC:
        raise OSError(errno.EMFILE, "no room for the descriptor")
    return packet, fds[0] if fds else None


def ask(name, kind, seconds):
    """One introduction, over a connection for it alone: a connected descriptor."""
    with broker() as sock:
        sock.send(message(CONNECT, 1, {NAME: name.encode(),
                                       SOCKTYPE: struct.pack("<I", kind),
                                       WAIT: struct.pack("<Q", int(seconds * 1e6))}))
        kind_of = serial = 0
        while (kind_of, serial) != (REPLY, 1):
            packet, fd = receive(sock)
            kind_of, serial, tags = parse(packet)
            if error_of(tags):
                raise error_of(tags)
    if tags.get(WAY) != struct.pack("<I", PLACED):
        return fd
    with socket.socket(socket.AF_UNIX, kind) as placed:
        try:
            placed.connect(f"/proc/self/fd/{fd}")
            return placed.detach()
        finally:
            os.close(fd)


def dial(name, kind=socket.SOCK_STREAM, seconds=5):
    """The same, asking again while the broker or a placed server is being restarted."""
    deadline, pause = time.monotonic() + seconds, 0.01
    while True:
        left = max(deadline - time.monotonic(), 0)
        try:
            return ask(name, kind, left)
        except (ConnectionResetError, ConnectionRefusedError, BrokenPipeError):
            if left == 0:
                raise
        time.sleep(min(pause, left))
        pause = min(pause * 2, 0.5)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: client.py NAME PROGRAM [ARGUMENT...]")
    try:
        os.dup2(dial(sys.argv[1]), 0)
        os.execvp(sys.argv[2], sys.argv[2:])
    except OSError as e:
        sys.exit(f"client.py: {sys.argv[1]}: {e.strerror}")
