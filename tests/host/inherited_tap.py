# SPDX-License-Identifier: GPL-2.0
"""inherited_tap.py DAEMON SOCKET: taps that airlockd inherits."""

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys

from frontend import *  # pylint: disable=wildcard-import,unused-wildcard-import

DAEMON, PATH = sys.argv[1:3]
HDR = 12
MQ = 1 << 22
BUFFERS, SENT = 0x200000, 0x380000
TUNSETIFF = 0x400454ca
TUN, TAP_MODE, MULTI, NO_PI, VNET = 1, 2, 0x100, 0x1000, 0x4000
GOOD = TAP_MODE | NO_PI | VNET
NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--inh-caps=-all",
          "--bounding-set=-all"]
UNPRIVILEGED = subprocess.run(NOBODY + ["true"], check=False, stderr=subprocess.DEVNULL).returncode == 0


def tap(name, flags=GOOD):
    """An open queue of a tap; without flags one of nothing yet."""
    fd = os.open("/dev/net/tun", os.O_RDWR)
    if flags:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    return fd


def listening():
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if os.path.exists(PATH):
        os.unlink(PATH)
    sock.bind(PATH)
    sock.listen()
    return sock


class Daemon(Airlockd):
    """With what it inherits; the caller keeps its copies of taps."""

    def __init__(self, args, fds, before=()):
        super().__init__(list(before) + [DAEMON] + args, fds)

    def started(self):
        said = line = self.process.stderr.readline()
        while line and "waiting for a front-end" not in line:
            line = self.process.stderr.readline()
            said += line
        assert line, said

    def is_nobody(self):
        with open("/proc/%d/status" % self.process.pid, encoding="utf-8") as f:
            status = f.read()
        none = all(re.search(r"^Cap%s:\s*0+$" % s, status, re.M) for s in ("Inh", "Prm", "Eff", "Bnd"))
        return none and not re.search(r"^Uid:\s.*\b0\b", status, re.M)


class Wire:
    """The network's end of a tap."""

    def __init__(self, name):
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.bind((name, 3))
        self.sock.settimeout(DEADLINE)

    def expect(self, data):
        while self.sock.recv(4096) != data:
            pass

    def send(self, data):
        self.sock.send(data)

    def close(self):
        self.sock.close()


def frame():
    return b"\xff" * 6 + b"\x02airlo" + b"\x88\xb5" + os.urandom(100)


def both_ways(name, pairs=1):
    """What any pair sends is on the wire, and what is on the wire comes to one."""
    wire = Wire(name)
    with Session(PATH, VERSION_1 | PROTOCOL | (MQ if pairs > 1 else 0)) as s:
        for n in range(pairs):
            r = s.queue(2 * n)
            for i in range(32):
                r.chain((BUFFERS + 0x40000 * n + 2048 * i, 2048, True), first=i)
            r.publish(*range(32))
            s.queue(2 * n + 1)
        assert s.fe.ask64(GET_FEATURES) and s.fe.ask64(GET_QUEUE_NUM) == pairs
        rx, tx = s.queues[::2], s.queues[1::2]
        for t in tx:
            data = frame()
            s.mem.write(SENT, bytes(HDR) + data)
            t.publish(t.chain((SENT, HDR + len(data), False)))
            assert t.wait() == (0, 0)
            wire.expect(data)

        def received(data):
            for n, r in enumerate(rx):
                got = r.poll()
                while got:
                    if s.mem.read(BUFFERS + 0x40000 * n + 2048 * got[0] + HDR, len(data)) == data:
                        return True
                    r.publish(got[0])
                    got = r.poll()
            return False

        # A queue takes part in the network when its worker runs: until then the wire loses frames.
        data = frame()

        def comes():
            wire.send(data)
            return received(data)
        wait_until(comes)
    wire.close()


def refused(args, fds, pattern):
    with Daemon(args, fds) as d:
        status, err = d.end()
    assert status == 1 and re.fullmatch("airlockd: [^\n]*%s[^\n]*\n" % pattern, err), err


def refused_tap(fds, pattern):
    text = "".join(":%d" % fd for fd in fds)
    refused(["--device", "type=net,socket=%s,tap=fd%s" % (PATH, text)], fds, "net0: tap: .*" + pattern)
    assert not os.path.exists(PATH)


def unprivileged(name, args, fds, tap_name, pairs=1):
    """A test, as nobody and without any capability."""
    if not UNPRIVILEGED:
        result(True, name + " # SKIP no other user is to be had here")
        return

    @check(name)
    def _():
        with Daemon(args, fds, NOBODY) as d:
            d.started()
            assert d.is_nobody()
            both_ways(tap_name, pairs)
            d.process.send_signal(signal.SIGTERM)
            assert d.end()[0] == 0


SOCK = listening()
FD = SOCK.fileno()
ONE = tap("tap1")
unprivileged("nobody serves an inherited socket and an inherited tap",
             ["--fd=%d" % FD, "--tap=fd:%d" % ONE], [FD, ONE], "tap1")
TWO = [tap("tap2", GOOD | MULTI), tap("tap2", GOOD | MULTI)]
LIST = ["--device", "type=net,fd=%d,tap=fd:%d:%d" % (FD, *TWO)]
unprivileged("nobody serves two pairs, on two queues of an inherited tap", LIST, [FD] + TWO, "tap2", 2)


@check("after a daemon that was killed another one serves the same queues")
def _():
    with Daemon(LIST, [FD] + TWO) as d:
        d.started()
        both_ways("tap2", 2)
        d.process.send_signal(signal.SIGKILL)
        assert d.end()[0] == -signal.SIGKILL
    with Daemon(LIST, [FD] + TWO) as d:
        d.started()
        both_ways("tap2", 2)
        d.process.send_signal(signal.SIGTERM)
        assert d.end()[0] == 0


SOCK.close()
os.unlink(PATH)


@check("a descriptor that is not open is refused")
def _():
    refused(["--device", "type=net,socket=%s,tap=fd:99" % PATH], [], "descriptor 99: it is not open")


@check("what is no tap is refused")
def _():
    with open("/dev/null", "rb") as f:
        refused_tap([f.fileno()], "not a tap: pass one")
    ours, theirs = socket.socketpair()
    refused_tap([theirs.fileno()], "not a tap: pass one")
    ours.close()
    theirs.close()


@check("a tap that has no interface is refused")
def _():
    fd = tap("", 0)
    refused_tap([fd], "it has no interface")
    os.close(fd)


@check("a tun, one with packet information, and one without virtio headers are refused")
def _():
    for flags, pattern in ((TUN | NO_PI | VNET, "not a tap but a tun"),
                           (TAP_MODE | VNET, "IFF_NO_PI"), (TAP_MODE | NO_PI, "IFF_VNET_HDR")):
        fd = tap("bad0", flags)
        refused_tap([fd], pattern)
        os.close(fd)


@check("two taps that have a single queue are refused as two queues")
def _():
    other = tap("tap3")
    refused_tap([ONE, other], "IFF_MULTI_QUEUE")
    os.close(other)


@check("queues of two interfaces are refused as one card")
def _():
    other = tap("tap3", GOOD | MULTI)
    refused_tap([TWO[0], other], "not of the same interface")
    os.close(other)


finish()
