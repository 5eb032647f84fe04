# SPDX-License-Identifier: GPL-2.0
"""messages.py SOCKET PID: lies in vhost-user messages cost the session, not the daemon."""

import os
import random
import resource
import socket
import struct
import sys
import tempfile

from frontend import *  # pylint: disable=wildcard-import,unused-wildcard-import

PATH, PID = sys.argv[1], int(sys.argv[2])


def fds():
    return len(os.listdir("/proc/%d/fd" % PID))


def beside():
    """Another device of the daemon is served."""
    fe = Frontend(PATH + ".beside")
    assert fe.ask64(GET_FEATURES) & VERSION_1
    fe.close()


def slow_fd():
    """A socket whose close() takes an hour, unless its peer is closed: (it, its peer)."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        slow = socket.create_connection(server.getsockname())
        peer = server.accept()[0]
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
    slow.setblocking(False)
    try:
        while True:
            slow.send(bytes(65536))
    except BlockingIOError:
        return slow, peer


def sleeps():
    """How often the control thread waited."""
    with open("/proc/%d/task/%d/status" % (PID, PID), encoding="ascii") as f:
        return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", f.read(), re.M).group(1))


def threads():
    return len(os.listdir("/proc/%d/task" % PID))


def served():
    """A new session is served; with that the one before has ended."""
    fe = Frontend(PATH)
    assert fe.ask64(GET_FEATURES) & VERSION_1
    fe.close()


def lie(name, *steps):
    """Each step is (request, payload, fds, flags); the session must end, and only it."""
    @check(name)
    def _():
        fe = Frontend(PATH)
        try:
            for request, payload, files, flags in steps:
                fe.send(request, payload, files, flags)
            assert fe.is_closed()
        except Closed:
            pass
        fe.close()
        served()


def one(request, payload=b"", files=(), flags=1):
    return (request, payload, files, flags)


FDS = fds()
NULL = os.open("/dev/null", os.O_RDWR)
MEM = Memory(1 << 20)
SOCKET = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
STATE = struct.pack("=II", 0, 64)

lie("case 61: a payload that is too short", one(SET_FEATURES, b"1234"))
lie("case 61: a payload that is too long", one(SET_FEATURES, bytes(12)))


@check("case 61: a payload of 4 GiB")
def _():
    fe = Frontend(PATH)
    fe.raw(struct.pack("=III", SET_MEM_TABLE, 1, 0xffffffff))
    assert fe.is_closed()
    fe.close()
    served()


lie("case 61: an unknown request", one(99))
lie("case 61: request 0", one(0))
lie("case 61: a request that was not offered", one(SET_LOG_BASE, bytes(16)))
lie("case 61: a message of version 2", one(GET_FEATURES, flags=2))
lie("case 61: a message with the reply flag", one(GET_FEATURES, flags=5))
lie("case 61: a message with an unknown flag", one(GET_FEATURES, flags=0x11))
lie("case 61: stray file descriptors", one(GET_FEATURES, b"", [NULL]))
lie("case 61: more file descriptors than there can be regions",
    one(SET_MEM_TABLE, table(region(size=4096)), [NULL] * 9))
lie("case 61: a hundred file descriptors", one(SET_MEM_TABLE, table(region(size=4096)), [NULL] * 100))
lie("case 61: features that were not offered", one(SET_FEATURES, struct.pack("=Q", 1 << 63)))
lie("case 61: protocol features that were not offered",
    one(SET_PROTOCOL_FEATURES, struct.pack("=Q", 1 << 63)))
lie("case 62: a queue that is not there", one(SET_VRING_NUM, struct.pack("=II", 200, 64)))
lie("case 62: a queue of size 0", one(SET_VRING_NUM, struct.pack("=II", 0, 0)))
lie("case 62: a queue of size 3", one(SET_VRING_NUM, struct.pack("=II", 0, 3)))
lie("case 62: a queue of size 65536", one(SET_VRING_NUM, struct.pack("=II", 0, 65536)))
lie("case 62: a ring index of 17 bits", one(SET_VRING_BASE, struct.pack("=II", 0, 65536)))
lie("case 62: a kick without its file descriptor", one(SET_VRING_KICK, struct.pack("=Q", 0)))
lie("case 62: a kick with a file descriptor that was denied",
    one(SET_VRING_KICK, struct.pack("=Q", 0x100), [NULL]))
lie("case 62: a call for a queue that is not there",
    one(SET_VRING_CALL, struct.pack("=Q", 0xff), [NULL]))
for kind in ("KICK", "CALL", "ERR"):
    for what, number in (("a device", NULL), ("a memfd", MEM.fd), ("a socket", SOCKET.fileno())):
        lie("case 62: %s as %s" % (what, kind.lower()),
            one(globals()["SET_VRING_" + kind], struct.pack("=Q", 0), [number]))
lie("case 61: a second request channel", one(SET_BACKEND_REQ_FD, b"", [SOCKET.fileno()]),
    one(SET_BACKEND_REQ_FD, b"", [SOCKET.fileno()]))
lie("case 62: enabling with 2", one(SET_VRING_ENABLE, struct.pack("=II", 0, 2)))
lie("case 61: a request channel without its file descriptor", one(SET_BACKEND_REQ_FD))
lie("case 61: configuration beyond its space",
    one(GET_CONFIG, struct.pack("=III", 250, 7, 0) + bytes(7)))
lie("case 61: configuration whose length overflows",
    one(GET_CONFIG, struct.pack("=III", 0xffffffff, 8, 0) + bytes(8)))
lie("case 63: a table of no regions", one(SET_MEM_TABLE, table(region(size=4096), count=0), [MEM.fd]))
lie("case 63: a table of nine regions", one(SET_MEM_TABLE, table(region(size=4096), count=9), [MEM.fd]))
lie("case 63: a region without its file", one(SET_MEM_TABLE, table(region(size=4096))))
lie("case 63: a region of size 0", one(SET_MEM_TABLE, table(region(size=0)), [MEM.fd]))
lie("case 63: a region larger than its file", one(SET_MEM_TABLE, table(region(size=2 << 20)), [MEM.fd]))
lie("case 63: a region beyond the end of its file",
    one(SET_MEM_TABLE, table(region(size=1 << 20, offset=4096)), [MEM.fd]))
lie("case 63: a region whose offset overflows",
    one(SET_MEM_TABLE, table(region(size=4096, offset=(1 << 64) - 4096)), [MEM.fd]))
lie("case 63: a region whose end overflows",
    one(SET_MEM_TABLE, table(region(guest=(1 << 64) - 4096, size=8192)), [MEM.fd]))
lie("case 63: regions that overlap in guest memory",
    one(SET_MEM_TABLE, table(region(size=8192),
                             region(guest=GUEST + 4096, size=4096, user=USER + 65536)),
        [MEM.fd, MEM.fd]))
lie("case 63: regions that overlap in the front-end",
    one(SET_MEM_TABLE, table(region(size=8192), region(guest=GUEST + 65536, size=4096)),
        [MEM.fd, MEM.fd]))
lie("case 63: a region in a file that cannot be mapped",
    one(SET_MEM_TABLE, table(region(size=4096)), [NULL]))

with tempfile.NamedTemporaryFile() as f:
    f.truncate(1 << 20)
    READONLY = os.open(f.name, os.O_RDONLY)
lie("case 63: a region in a file that may only be read",
    one(SET_MEM_TABLE, table(region(size=4096)), [READONLY]))


FLUSH = 1 << 9  # VIRTIO_BLK_F_FLUSH
LOG = struct.pack("=QQHH", 4096, 0, 1, 64)
lie("case 64: a log of no queues", one(GET_INFLIGHT_FD, inflight(0, queues=0)))
lie("case 64: a log of more queues than there are", one(GET_INFLIGHT_FD, inflight(0, queues=17)))
lie("case 64: a log of queues of size 0", one(GET_INFLIGHT_FD, inflight(0, descs=0)))
lie("case 64: a log of queues of size 65535", one(GET_INFLIGHT_FD, inflight(0, descs=65535)))
lie("case 64: a log without its file", one(SET_INFLIGHT_FD, LOG))
lie("case 64: a log of size 0", one(SET_INFLIGHT_FD, inflight(0), [MEM.fd]))
lie("case 64: a log that is larger than its file", one(SET_INFLIGHT_FD, inflight(2 << 20), [MEM.fd]))
lie("case 64: a log beyond the end of its file",
    one(SET_INFLIGHT_FD, inflight(1 << 20, offset=4096), [MEM.fd]))
lie("case 64: a log whose offset overflows",
    one(SET_INFLIGHT_FD, inflight(4096, offset=(1 << 64) - 4096), [MEM.fd]))
lie("case 64: a log in a file that cannot be mapped", one(SET_INFLIGHT_FD, LOG, [NULL]))


lie("case 61: a status of nine bits", one(SET_STATUS, struct.pack("=Q", 256)))
lie("case 61: an MTU for a disk", one(NET_SET_MTU, struct.pack("=Q", 1500)))
lie("case 61: an announcement by a disk", one(SEND_RARP, bytes(8)))
lie("case 63: a region that is added without its file", one(ADD_MEM_REG, slot(size=4096)))
lie("case 63: a region that is added with another size", one(ADD_MEM_REG, slot(size=4096), [MEM.fd]),
    one(ADD_MEM_REG, slot(size=8192), [MEM.fd]))
lie("case 63: a region that is added twice and removed thrice",
    *[one(ADD_MEM_REG, slot(size=4096), [MEM.fd])] * 2, *[one(REM_MEM_REG, slot(size=4096))] * 3)
lie("case 63: a region that is removed and was not there", one(REM_MEM_REG, slot(size=4096)))
lie("case 63: a region that is removed with another size", one(ADD_MEM_REG, slot(size=8192), [MEM.fd]),
    one(REM_MEM_REG, slot(size=4096)))
lie("case 63: more regions than there are slots",
    *[one(ADD_MEM_REG, slot(guest=GUEST + 4096 * i, user=USER + 4096 * i, size=4096), [MEM.fd])
      for i in range(33)])
lie("case 61: a request channel that is no Unix socket", one(SET_BACKEND_REQ_FD, b"", [NULL]))


def logged(name, write, lives=False):
    """A log in which @write(memory) wrote: the queue is off, or @lives; the session goes on."""
    @check(name)
    def _():
        log = Memory(65536)
        write(log)
        with Session(PATH, VERSION_1 | PROTOCOL | FLUSH, protocol=REPLY_ACK | INFLIGHT_SHMFD) as s:
            assert s.fe.acked(SET_INFLIGHT_FD, inflight(65536), [log.fd]) == 0
            q = s.queue()
            q.chain((0x20000, 16, False), (0x21000, 1, True))
            s.mem.write(0x20000, struct.pack("<IIQ", 4, 0, 0))
            q.publish(0)
            if lives:
                assert q.wait() == (0, 1)
            # Both have happened when it has stopped.
            q.stop()
            assert (q.poll() is None) and s.fe.ask64(GET_FEATURES) & VERSION_1
            assert bool(q.next_used) == lives
        log.close()


def head(version, size):
    return lambda log: log.write(8, struct.pack("<HH", version, size))


def flag(value, at=0):
    def write(log):
        log.write(8, struct.pack("<HHHH", 1, 64, 0, 0))
        log.write(16 + 16 * at, bytes([value]))
    return write


logged("a log that begins", lambda log: None, lives=True)
logged("a log that goes on with nothing in flight", head(1, 64), lives=True)
logged("case 64: a log of another version", head(2, 64))
logged("case 64: a log of a queue of another size", head(1, 32))
logged("case 64: a log that says 2 for yes", flag(2, 63))
logged("case 64: a log whose last batch is no batch",
       lambda log: log.write(8, struct.pack("<HHHH", 1, 64, 0, 0x8000)))


@check("case 64: a ring that is larger than its part of the log")
def _():
    log = Memory(65536)
    with Session(PATH, protocol=REPLY_ACK | INFLIGHT_SHMFD) as s:
        assert s.fe.acked(SET_INFLIGHT_FD, inflight(65536, descs=32), [log.fd]) == 0
        q = s.queue()
        q.publish()
        assert s.fe.ask64(GET_FEATURES) & VERSION_1
        assert q.stop() == 0
    log.close()


@check("case 64: a log that is truncated costs the session")
def _():
    log = Memory(4096)
    with Session(PATH, protocol=REPLY_ACK | INFLIGHT_SHMFD) as s:
        assert s.fe.acked(SET_INFLIGHT_FD, inflight(4096), [log.fd]) == 0
        q = s.queue()
        os.ftruncate(log.fd, 0)
        q.chain((0x20000, 16, False), (0x21000, 1, True))
        q.publish(0)
        assert s.fe.is_closed()
    os.close(log.fd)
    served()


@check("a log that was asked for cannot be truncated, and has room for all queues")
def _():
    with Session(PATH, protocol=REPLY_ACK | INFLIGHT_SHMFD) as s:
        s.fe.send(GET_INFLIGHT_FD, inflight(0, queues=2, descs=128))
        data, fd, _, _ = socket.recv_fds(s.fe.sock, 12 + 24, 1)
        size, offset, queues, descs = struct.unpack("=QQHH", data[12:32])
        assert (offset, queues, descs) == (0, 2, 128) and size >= 2 * (16 + 128 * 16)
        assert os.fstat(fd[0]).st_size == size
        try:
            os.ftruncate(fd[0], 0)
        except PermissionError:
            pass
        else:
            raise AssertionError("it was truncated")
        os.close(fd[0])


HUGE = os.memfd_create("huge")
os.ftruncate(HUGE, 5 << 40)
lie("case 63: a region of 5 TiB", one(SET_MEM_TABLE, table(region(size=5 << 40)), [HUGE]))
lie("case 63: regions of 5 TiB together",
    one(SET_MEM_TABLE, table(region(size=3 << 40),
                             region(guest=GUEST + (3 << 40), user=USER + (3 << 40), size=2 << 40)),
        [HUGE, HUGE]))


@check("case 63: a region of 4 TiB is taken, again and again")
def _():
    with Session(PATH) as s:
        for _ in range(40):
            assert s.fe.acked(SET_MEM_TABLE, table(region(size=4 << 40)), [HUGE]) == 0


def slow(name, message):
    """@message(fe, fd) sends an fd that is slow to close; only this device waits for it."""
    @check(name)
    def _():
        # It is read when the one before has gone: then the daemon has the only reference.
        before = Frontend(PATH)
        assert before.ask64(GET_FEATURES) & VERSION_1
        fe = Frontend(PATH)
        fd, peer = slow_fd()
        message(fe, fd.fileno())
        fd.close()
        before.close()
        assert fe.is_closed()
        beside()
        fe.close()
        after = Frontend(PATH)
        after.send(GET_FEATURES)
        beside()
        assert not select.select([after.sock], [], [], 0)[0]
        peer.close()
        assert struct.unpack("=Q", after.reply(GET_FEATURES))[0] & VERSION_1
        after.close()


def unread(fe, fd):
    """The first message ends the session; the second is not read."""
    fe.send(99)
    fe.send(SET_OWNER, b"", [fd])


slow("case 62: a call that is slow to close",
     lambda fe, fd: fe.send(SET_VRING_CALL, struct.pack("=Q", 0), [fd]))
slow("case 61: a stray file descriptor that is slow to close",
     lambda fe, fd: fe.send(SET_OWNER, b"", [fd]))
slow("case 61: many file descriptors that are slow to close",
     lambda fe, fd: fe.send(SET_MEM_TABLE, table(region(size=4096)), [fd] * 200))
slow("case 63: a region that is slow to close",
     lambda fe, fd: fe.send(SET_MEM_TABLE, table(region(size=4096)), [fd]))
slow("case 61: a message that is not read and slow to close", unread)


@check("case 61: a request channel that is slow to close")
def _():
    fd, peer = slow_fd()
    channel, other = socket.socketpair()
    socket.send_fds(other, [b"x"], [fd.fileno()])
    fd.close()
    fe = Frontend(PATH)
    fe.send(SET_BACKEND_REQ_FD, b"", [channel.fileno()])
    assert fe.ask64(GET_FEATURES)
    channel.close()
    other.close()
    fe.close()
    beside()
    peer.close()
    served()


@check("case 68: without file descriptors left a connection waits, and the daemon sleeps")
def _():
    served()
    wait_until(lambda: fds() == FDS)
    soft, hard = resource.prlimit(PID, resource.RLIMIT_NOFILE)
    resource.prlimit(PID, resource.RLIMIT_NOFILE, (0, hard))
    try:
        fe = Frontend(PATH)
        fe.send(GET_FEATURES)
        before = sleeps()
        wait_until(lambda: sleeps() > before + 2)
        assert not select.select([fe.sock], [], [], 0)[0]
    finally:
        resource.prlimit(PID, resource.RLIMIT_NOFILE, (soft, hard))
    assert struct.unpack("=Q", fe.reply(GET_FEATURES))[0] & VERSION_1
    fe.close()


@check("case 61: a message that ends in the middle")
def _():
    fe = Frontend(PATH)
    fe.raw(struct.pack("=III", SET_FEATURES, 1, 8) + b"1234")
    fe.close()
    served()


@check("case 61: a message that comes byte by byte is understood")
def _():
    fe = Frontend(PATH)
    data = struct.pack("=IIIQ", SET_FEATURES, 1, 8, VERSION_1 | PROTOCOL)
    for byte in data:
        fe.raw(bytes([byte]))
    assert fe.ask64(GET_QUEUE_NUM) >= 1
    fe.close()


@check("case 61: two messages in one piece are both answered")
def _():
    fe = Frontend(PATH)
    data = struct.pack("=III", GET_FEATURES, 1, 0)
    fe.raw(data + data)
    fe.reply(GET_FEATURES)
    fe.reply(GET_FEATURES)
    fe.close()


@check("case 61: a front-end that does not read its answers is let go")
def _():
    fe = Frontend(PATH)
    data = struct.pack("=III", GET_FEATURES, 1, 0) * 1000
    try:
        for _ in range(1000):
            fe.raw(data)
    except Closed:
        pass
    else:
        raise AssertionError("a million answers were kept")
    fe.close()
    served()


@check("case 62: a ring in no region costs the queue only")
def _():
    with Session(PATH) as s:
        q = Queue(s.fe, s.mem, 0)
        q.start()
        q.address(base=0x1234000)
        os.eventfd_write(q.kick, 1)
        assert s.fe.ask64(GET_FEATURES) & VERSION_1
        assert q.stop() == 0
        q.close()


@check("case 62: kick before address, messages in odd orders: the session lives")
def _():
    with Session(PATH) as s:
        q = Queue(s.fe, s.mem, 0)
        s.fe.send(SET_VRING_KICK, struct.pack("=Q", 0), [q.kick])
        s.fe.send(SET_VRING_ENABLE, struct.pack("=II", 0, 1))
        os.eventfd_write(q.kick, 1)
        for _ in range(50):
            q.address()
            s.fe.send(SET_VRING_NUM, STATE)
            s.fe.send(RESET_OWNER)
        assert q.stop() == 0
        q.close()


@check("case 65: a table that is sent again and again while a queue runs")
def _():
    with Session(PATH) as s:
        s.queue()
        for _ in range(50):
            assert s.fe.acked(SET_MEM_TABLE, table(region(size=s.mem.size)), [s.mem.fd]) == 0


@check("case 62: a kick that is no event, and a call that nobody can be called by")
def _():
    full = os.eventfd(0xfffffffe)
    with Session(PATH) as s:
        ends = os.pipe()
        for kick in (full, *ends):
            q = Queue(s.fe, s.mem, 0)
            q.start()
            s.fe.send(SET_VRING_CALL, struct.pack("=Q", 0), [full])
            s.fe.send(SET_VRING_KICK, struct.pack("=Q", 0), [kick])
            q.stop()
            q.close()
        for fd in ends:
            os.close(fd)
    os.close(full)
    served()


@check("case 68: a thousand connections leave nothing behind")
def _():
    for i in range(1000):
        fe = Frontend(PATH)
        if i % 2:
            fe.raw(b"\x01\x00")
        fe.close()
    served()


@check("case 68: who connects and says nothing, or half a word, keeps nobody waiting")
def _():
    silent = Frontend(PATH)
    for part in (b"", b"\x01", b"\x00\x00"):
        silent.raw(part)
        beside()
    silent.close()
    served()


def anything(rng, fe, q):
    """One message that may be sent at any time: its answer, if there is one, is read."""
    state = struct.pack("=II", 0, rng.choice((0, 1, 64)))
    quiet = [
        lambda: fe.send(SET_FEATURES, struct.pack("=Q", VERSION_1 | PROTOCOL)),
        lambda: fe.send(SET_OWNER),
        lambda: fe.send(RESET_OWNER),
        lambda: fe.send(SET_VRING_NUM, STATE),
        lambda: fe.send(SET_VRING_BASE, struct.pack("=II", 0, rng.choice((0, 7)))),
        q.address,
        lambda: fe.send(SET_VRING_CALL, struct.pack("=Q", 0), [q.call]),
        lambda: fe.send(SET_VRING_ERR, struct.pack("=Q", 0), [q.call]),
        lambda: fe.send(SET_VRING_KICK, struct.pack("=Q", 0), [q.kick]),
        lambda: fe.send(SET_VRING_KICK, struct.pack("=Q", 0x100)),
        lambda: fe.send(SET_VRING_ENABLE, struct.pack("=II", 0, rng.randrange(2))),
        lambda: fe.send(SET_MEM_TABLE, table(region(size=1 << 20)), [MEM.fd]),
        lambda: fe.send(SET_INFLIGHT_FD, inflight(1 << 20), [MEM.fd]),
        lambda: fe.send(SET_STATUS, struct.pack("=Q", rng.choice((0, 1, 15)))),
        lambda: fe.send(RESET_DEVICE),
        lambda: os.eventfd_write(q.kick, 1),
    ]
    asking = [
        lambda: fe.ask64(GET_FEATURES),
        lambda: fe.ask64(GET_STATUS),
        lambda: fe.ask64(GET_MAX_MEM_SLOTS),
        lambda: fe.ask(GET_VRING_BASE, state),
        lambda: fe.ask(GET_CONFIG, struct.pack("=III", 0, 60, 0) + bytes(60)),
    ]
    rng.choice(quiet + asking)()


@check("case 65: ten thousand messages in any order leave nothing behind")
def _():
    rng = random.Random(1)
    for _ in range(10):
        with Session(PATH, size=1 << 20) as s:
            q = Queue(s.fe, s.mem, 0)
            for _ in range(1000):
                anything(rng, s.fe, q)
            assert s.fe.ask64(GET_FEATURES) & VERSION_1
            q.close()
    served()
    wait_until(lambda: fds() == FDS and threads() == 1)


@check("no file descriptor and no thread is left behind")
def _():
    served()
    wait_until(lambda: fds() == FDS and threads() == 1)


finish()
