# SPDX-License-Identifier: GPL-2.0
"""A vhost-user front-end and virtio driver for tests, honest or hostile.

Message layouts are those of QEMU's docs/interop/vhost-user.rst; rings are split
virtqueues (virtio 1.2, 2.7) in a memfd that is the only region of the session.
Every wait has a deadline: a test that would hang fails. ONLY in the environment, a regular
expression, picks tests by their names.
"""

import mmap
import os
import re
import select
import socket
import struct
import subprocess
import sys
import time

GET_FEATURES, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE = 1, 2, 3, 4, 5
SET_LOG_BASE, SET_LOG_FD = 6, 7
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR = 12, 13, 14
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM = 15, 16, 17
SET_VRING_ENABLE, SET_BACKEND_REQ_FD, GET_CONFIG, SET_CONFIG = 18, 21, 24, 25
GET_INFLIGHT_FD, SET_INFLIGHT_FD = 31, 32
SEND_RARP, NET_SET_MTU, RESET_DEVICE = 19, 20, 34
GET_MAX_MEM_SLOTS, ADD_MEM_REG, REM_MEM_REG, SET_STATUS, GET_STATUS = 36, 37, 38, 39, 40
BACKEND_CONFIG_CHANGE_MSG = 2

VERSION_1 = 1 << 32
PROTOCOL = 1 << 30
EVENT_IDX = 1 << 29
INDIRECT = 1 << 28
LOG_ALL = 1 << 26
PACKED = 1 << 34
REPLY_ACK, LOG_SHMFD = 1 << 3, 1 << 1
NET_MTU, RARP, CONFIG = 1 << 4, 1 << 2, 1 << 9
INFLIGHT_SHMFD = 1 << 12
RESET, SLOTS, STATUSES, GPA = 1 << 13, 1 << 15, 1 << 16, 1 << 21

NEXT, WRITE, TABLE = 1, 2, 4
DEADLINE = 120
GUEST = 0x100000000  # where guest memory begins
USER = 0x7000000000  # where the front-end would have it

_tests = 0
_fails = 0


def result(good, name):
    """One line of TAP."""
    global _tests, _fails
    _tests += 1
    _fails += not good
    print("%sok %d - %s" % ("" if good else "not ", _tests, name), flush=True)


def check(name):
    """Decorator: the function is a test; it passes unless it raises."""
    def wrap(fn):
        if not re.search(os.environ.get("ONLY", ""), name):
            return fn
        try:
            fn()
            result(True, name)
        except Exception as e:  # pylint: disable=broad-except
            line = e.__traceback__
            while line.tb_next:
                line = line.tb_next
            result(False, name)
            print("# line %d: %s: %s" % (line.tb_lineno, type(e).__name__, e), flush=True)
        return fn
    return wrap


def finish():
    print("1..%d" % _tests, flush=True)
    sys.exit(1 if _fails else 0)


def wait_until(condition):
    """Wait for a condition that nothing announces."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class Closed(Exception):
    """The back-end closed the session."""


class Frontend:
    """A connection to a path, or a connected socket; knows nothing of what may be sent."""

    def __init__(self, path):
        if isinstance(path, socket.socket):
            self.sock = path
        else:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.connect(path)
        self.sock.settimeout(DEADLINE)

    def close(self):
        self.sock.close()

    def raw(self, data, fds=()):
        try:
            if fds:
                socket.send_fds(self.sock, [data], list(fds))
            else:
                self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed() from None

    def send(self, request, payload=b"", fds=(), flags=1):
        self.raw(struct.pack("=III", request, flags, len(payload)) + payload, fds)

    def take(self, size):
        data = b""
        while len(data) < size:
            try:
                part = self.sock.recv(size - len(data))
            except ConnectionResetError:
                raise Closed() from None
            if not part:
                raise Closed()
            data += part
        return data

    def reply(self, request):
        got, flags, size = struct.unpack("=III", self.take(12))
        assert got == request and flags == 5, (got, flags)
        return self.take(size)

    def ask(self, request, payload=b"", fds=()):
        self.send(request, payload, fds)
        return self.reply(request)

    def ask64(self, request):
        return struct.unpack("=Q", self.ask(request))[0]

    def acked(self, request, payload=b"", fds=()):
        """Send with NEED_REPLY. Needs REPLY_ACK negotiated. Returns the answer."""
        self.send(request, payload, fds, flags=9)
        return struct.unpack("=Q", self.reply(request))[0]

    def is_closed(self):
        """Wait for the end of the session; fails when something else comes."""
        try:
            data = self.sock.recv(1)
        except ConnectionResetError:
            return True
        return data == b""


def region(guest=GUEST, size=0, user=USER, offset=0):
    return struct.pack("=QQQQ", guest, size, user, offset)


def table(*regions, count=None):
    return struct.pack("=II", len(regions) if count is None else count, 0) + b"".join(regions)


def slot(*args, **kw):
    """A single region."""
    return bytes(8) + region(*args, **kw)


def inflight(size, offset=0, queues=1, descs=64):
    """An in-flight description, padded as QEMU's."""
    return struct.pack("=QQHHI", size, offset, queues, descs, 0)


class Memory:
    """Guest memory: a memfd."""

    def __init__(self, size=4 << 20):
        self.fd = os.memfd_create("guest")
        os.ftruncate(self.fd, size)
        self.size = size
        self.map = mmap.mmap(self.fd, size)

    def write(self, at, data):
        self.map[at:at + len(data)] = data

    def read(self, at, size):
        return self.map[at:at + size]

    def close(self):
        self.map.close()
        os.close(self.fd)


class Queue:
    """Driver half of a split queue at an offset of guest memory."""

    def __init__(self, fe, mem, index, size=64, at=0x1000):
        self.fe, self.mem, self.index, self.size = fe, mem, index, size
        self.desc, self.avail, self.used = at, at + 0x4000, at + 0x8000
        self.table = at + 0xc000
        self.kick, self.call = os.eventfd(0), os.eventfd(0)
        self.next_avail = self.next_used = 0
        mem.write(at, bytes(0x10000))

    def start(self, base=0, enable=True, call=True):
        fe, i = self.fe, self.index
        fe.send(SET_VRING_NUM, struct.pack("=II", i, self.size))
        fe.send(SET_VRING_BASE, struct.pack("=II", i, base))
        self.address()
        if call:
            fe.send(SET_VRING_CALL, struct.pack("=Q", i), [self.call])
        fe.send(SET_VRING_KICK, struct.pack("=Q", i), [self.kick])
        if enable:
            fe.send(SET_VRING_ENABLE, struct.pack("=II", i, 1))

    address_base = USER

    def address(self, base=None, flags=0, log=0):
        base = self.address_base if base is None else base
        self.fe.send(SET_VRING_ADDR, struct.pack("=IIQQQQ", self.index, flags, base + self.desc,
                                                 base + self.used, base + self.avail, log))

    def stop(self):
        got = self.fe.ask(GET_VRING_BASE, struct.pack("=II", self.index, 0))
        index, base = struct.unpack("=II", got)
        assert index == self.index
        return base

    def put(self, i, addr, size, flags=0, link=0, at=None):
        """Write descriptor @i; @addr is an offset of guest memory."""
        self.mem.write((self.desc if at is None else at) + 16 * i,
                       struct.pack("<QIHH", GUEST + addr, size, flags, link))

    def chain(self, *segs, first=0):
        """Write a chain of (offset, size, writable)."""
        for n, (addr, size, write) in enumerate(segs):
            last = n == len(segs) - 1
            self.put(first + n, addr, size, (WRITE if write else 0) | (0 if last else NEXT),
                     first + n + 1)
        return first

    def publish(self, *heads, jump=0):
        for head in heads:
            self.mem.write(self.avail + 4 + 2 * (self.next_avail % self.size),
                           struct.pack("<H", head))
            self.next_avail += 1
        self.mem.write(self.avail + 2, struct.pack("<H", (self.next_avail + jump) & 0xffff))
        os.eventfd_write(self.kick, 1)

    def poll(self):
        idx = struct.unpack("<H", self.mem.read(self.used + 2, 2))[0]
        if idx == self.next_used & 0xffff:
            return None
        elem = struct.unpack("<II", self.mem.read(
            self.used + 4 + 8 * (self.next_used % self.size), 8))
        self.next_used += 1
        return elem

    def wait(self):
        """Wait for a completion: (id, length)."""
        while True:
            # used_event: call at the next one (virtio 1.2, 2.7.10).
            self.mem.write(self.avail + 4 + 2 * self.size,
                           struct.pack("<H", self.next_used & 0xffff))
            elem = self.poll()
            if elem:
                return elem
            if not select.select([self.call], [], [], DEADLINE)[0]:
                raise TimeoutError("no completion")
            os.eventfd_read(self.call)

    def close(self):
        os.close(self.kick)
        os.close(self.call)


class Airlockd:
    """A process of airlockd that inherits files; whoever wants them no longer closes them."""

    def __init__(self, args, fds=()):
        self.process = subprocess.Popen(args, text=True, pass_fds=fds, stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def end(self):
        """Wait until it ends by itself; returns (status, what it said)."""
        _, err = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, err


class Session:
    """An honest session with one region, features accepted."""

    def __init__(self, path, features=VERSION_1 | PROTOCOL, size=4 << 20, protocol=REPLY_ACK):
        self.fe = Frontend(path)
        self.offered = self.fe.ask64(GET_FEATURES)
        self.protocol = self.fe.ask64(GET_PROTOCOL_FEATURES)
        self.fe.send(SET_PROTOCOL_FEATURES, struct.pack("=Q", protocol))
        self.fe.send(SET_OWNER)
        self.fe.send(SET_FEATURES, struct.pack("=Q", features))
        self.mem = Memory(size)
        if protocol & SLOTS:
            assert self.fe.acked(ADD_MEM_REG, slot(size=size), [self.mem.fd]) == 0
        else:
            assert self.fe.acked(SET_MEM_TABLE, table(region(size=size)), [self.mem.fd]) == 0
        self.queues = []

    def queue(self, index=0, size=64, at=None, **kw):
        q = Queue(self.fe, self.mem, index, size, 0x1000 + index * 0x20000 if at is None else at)
        q.start(**kw)
        self.queues.append(q)
        return q

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.fe.close()
        for q in self.queues:
            q.close()
        self.mem.close()
