#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""service.py NAME: greets whoever is introduced to it by uid (where the broker tells it) and
door. Written from intro-protocol(7) with the standard library; packets are client.py's.
"""
import os, socket, struct, sys, time

from client import broker, error_of, message, parse, receive

SERVE, INCOMING = 3, 33  # messages
NAME, WAY, USERNS, DOOR, UID = 2, 6, 9, 11, 13  # tags
PAIR = 2  # a way
HANDLE = 1


def greet(tags, fd):
    uid = struct.unpack("<I", tags[UID])[0] if UID in tags else "?"
    with socket.socket(fileno=fd) as session:
        try:
            session.sendall(f"hello, uid {uid} of door {tags[DOOR].decode()}\n".encode())
        except BrokenPipeError:
            pass  # it did not wait


def serve(sock, name):
    """Until the broker ends the connection."""
    userns = os.stat("/proc/self/ns/user").st_ino
    sock.send(message(SERVE, 1, {NAME: name.encode(), WAY: struct.pack("<I", PAIR),
                                 USERNS: struct.pack("<Q", userns)}, HANDLE))
    while True:
        packet, fd = receive(sock)
        kind, _, tags = parse(packet)
        if kind == INCOMING:
            greet(tags, fd)
        elif error_of(tags):  # of the reply, or BROKEN
            sys.exit(f"service.py: {name}: {error_of(tags).strerror}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: service.py NAME")
    pause = 0.01
    while True:
        try:
            with broker() as sock:
                pause = 0.01
                serve(sock, sys.argv[1])
        except (ConnectionResetError, ConnectionRefusedError, BrokenPipeError):
            time.sleep(pause)
            pause = min(pause * 2, 0.5)
