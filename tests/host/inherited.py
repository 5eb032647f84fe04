# SPDX-License-Identifier: GPL-2.0
"""inherited.py DAEMON IMAGE SOCKET: sockets that airlockd inherits."""

import os
import re
import signal
import socket
import subprocess
import sys

from frontend import *  # pylint: disable=wildcard-import,unused-wildcard-import

DAEMON, IMAGE, PATH = sys.argv[1:4]
STREAM = (socket.AF_UNIX, socket.SOCK_STREAM)


class Daemon(Airlockd):
    """With a disk at an inherited socket; the caller keeps no copy of that."""

    def __init__(self, sock):
        super().__init__([DAEMON, "--fd=%d" % sock.fileno(), "--blk-file=" + IMAGE], [sock.fileno()])
        sock.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.end()


def listening():
    sock = socket.socket(*STREAM)
    sock.bind(PATH)
    sock.listen()
    return sock


def reads(where):
    """The disk reads its image for a front-end."""
    data = os.urandom(4096)
    with open(IMAGE, "r+b") as f:
        f.write(data)
    with Session(where) as s:
        q = s.queue()
        s.mem.write(0x100000, struct.pack("<IIQ", 0, 0, 0))
        q.publish(q.chain((0x100000, 16, False), (0x200000, 4096, True), (0x101000, 1, True)))
        assert q.wait() == (0, 4097)
        assert s.mem.read(0x101000, 1) == b"\0" and s.mem.read(0x200000, 4096) == data


def refused(sock, pattern):
    with Daemon(sock) as d:
        status, err = d.end()
    assert status == 1 and re.fullmatch("airlockd: blk0: [^\n]*%s[^\n]*\n" % pattern, err), err


@check("a socket that listens is served, one front-end after the other")
def _():
    with Daemon(listening()) as d:
        reads(PATH)
        reads(PATH)
        status, err = d.stop()
    assert status == 0 and "waiting for a front-end at file descriptor" in err, err


@check("a socket that was inherited is not removed")
def _():
    assert os.path.exists(PATH)
    os.unlink(PATH)


@check("a front-end that came before the daemon is served")
def _():
    sock = listening()
    early = socket.socket(*STREAM)
    early.connect(PATH)
    with Daemon(sock) as d:
        reads(early)
        assert d.stop()[0] == 0
    os.unlink(PATH)


@check("a socket that is connected is served, and its end is the daemon's")
def _():
    ours, theirs = socket.socketpair()
    with Daemon(theirs) as d:
        reads(ours)
        status, err = d.end()
    assert status == 0, err


@check("a socket that is connected is closed on SIGTERM")
def _():
    ours, theirs = socket.socketpair()
    with Daemon(theirs) as d:
        fe = Frontend(ours)
        assert fe.ask64(GET_FEATURES) & VERSION_1
        status, err = d.stop()
        assert fe.is_closed()
        fe.close()
    assert status == 0, err


@check("a lie over a socket that is connected ends the daemon well")
def _():
    ours, theirs = socket.socketpair()
    with Daemon(theirs) as d:
        fe = Frontend(ours)
        fe.send(99)
        assert fe.is_closed()
        status, err = d.end()
        fe.close()
    assert status == 0 and "session closed" in err, err


@check("a front-end that went before the daemon came is no error")
def _():
    ours, theirs = socket.socketpair()
    ours.close()
    with Daemon(theirs) as d:
        status, err = d.end()
    assert status == 0, err


@check("a front-end that listens is connected to, also when it comes later, and again")
def _():
    process = subprocess.Popen(
        [DAEMON, "--device", "type=blk,socket=%s,path=%s,client=on" % (PATH, IMAGE)], text=True,
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while "no front-end at" not in process.stderr.readline():
            pass
        with listening() as server:
            server.settimeout(DEADLINE)
            for _ in range(3):
                reads(server.accept()[0])
        os.unlink(PATH)
        process.send_signal(signal.SIGTERM)
        err = process.communicate(timeout=DEADLINE)[1]
        assert process.returncode == 0 and "connected to the front-end" in err, err
    finally:
        process.kill()


@check("a socket that neither listens nor is connected is refused")
def _():
    refused(socket.socket(*STREAM), "neither listens nor is connected")


@check("a socket of datagrams is refused")
def _():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    refused(theirs, "not a Unix stream socket")
    ours.close()


@check("a socket of another family is refused")
def _():
    refused(socket.socket(socket.AF_INET), "not a Unix stream socket")


finish()
