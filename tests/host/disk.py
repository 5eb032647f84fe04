# SPDX-License-Identifier: GPL-2.0
"""disk.py SOCKET PID IMAGE: a disk does what virtio says, and survives drivers that lie."""

import os
import select
import signal
import socket
import struct
import sys
import time

from frontend import *  # pylint: disable=wildcard-import,unused-wildcard-import

PATH, PID, IMAGE = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with open(IMAGE, "rb") as f:
    SECTORS = f.seek(0, os.SEEK_END) // 512
IN, OUT, FLUSH, GET_ID, DISCARD = 0, 1, 4, 8, 11
OK, IOERR, UNSUPP = 0, 1, 2
FEATURES = VERSION_1 | PROTOCOL | EVENT_IDX | INDIRECT | (1 << 9)  # FLUSH
RANGES = FEATURES | 1 << 13 | 1 << 14  # DISCARD, WRITE_ZEROES
ZEROES = 13
HDR, STATUS, DATA = 0x100000, 0x101000, 0x200000


def request(q, kind, sector=0, size=0, data=DATA, head=0, write=None):
    """Submit one request; returns (status, length)."""
    q.mem.write(HDR, struct.pack("<IIQ", kind, 0, sector))
    q.mem.write(STATUS, b"\xff")
    segs = [(HDR, 16, False)]
    if size:
        segs.append((data, size, kind in (IN, GET_ID) if write is None else write))
    segs.append((STATUS, 1, True))
    q.publish(q.chain(*segs, first=head))
    ident, length = q.wait()
    assert ident == head, ident
    return q.mem.read(STATUS, 1)[0], length


def many_reads(s, q):
    """Submit 80 requests of 1 MiB at once; the queue has room for 240 descriptors."""
    heads = []
    for i in range(80):
        s.mem.write(HDR + 32 * i, struct.pack("<IIQ", IN, 0, 0))
        heads.append(q.chain((HDR + 32 * i, 16, False), (DATA, 1 << 20, True),
                             (HDR + 32 * i + 16, 1, True), first=3 * i))
    q.publish(*heads)


def image(at, size):
    with open(IMAGE, "rb") as f:
        f.seek(at)
        return f.read(size)


@check("features and configuration are what a disk has")
def _():
    with Session(PATH, FEATURES) as s:
        for bit in (2, 6, 9, 11, 12, 13, 14, 28, 29, 30, 32, 33):
            assert s.offered >> bit & 1, bit
        for bit in (0, 3, 5, 9, 10, 12, 13, 15, 16, 21):
            assert s.protocol >> bit & 1, bit
        got = s.fe.ask(GET_CONFIG, struct.pack("=III", 0, 60, 0) + bytes(60))
        capacity, _, seg_max = struct.unpack("<QII", got[12:28])
        assert capacity == SECTORS and seg_max == 126
        assert struct.unpack("<I", got[12 + 20:12 + 24])[0] == 512
        # Nothing may be written but the cache's mode, and that with what it can be.
        for at, value in ((0, 0), (33, 0), (32, 2)):
            assert s.fe.acked(SET_CONFIG, struct.pack("=III", at, 1, 0) + bytes([value])) != 0
        assert s.fe.acked(SET_CONFIG, struct.pack("=III", 32, 2, 0) + bytes(2)) != 0


@check("what is written is in the image and is read back")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue()
        data = os.urandom(65536)
        s.mem.write(DATA, data)
        assert request(q, OUT, 8, 65536) == (OK, 1)
        assert request(q, FLUSH) == (OK, 1)
        assert image(4096, 65536) == data
        s.mem.write(DATA, bytes(65536))
        assert request(q, IN, 8, 65536) == (OK, 65537)
        assert s.mem.read(DATA, 65536) == data


def ranges(q, kind, *segs):
    """A request of ranges (sector, sectors, flags): its status."""
    q.mem.write(DATA, b"".join(struct.pack("<QII", *s) for s in segs))
    return request(q, kind, size=16 * len(segs), write=False)[0]


def blocks(at):
    """Does the image have blocks in the 64 KiB from there on?"""
    with open(IMAGE, "rb") as f:
        try:
            return os.lseek(f.fileno(), at, os.SEEK_DATA) < at + 65536
        except OSError:
            return False


@check("ranges are discarded, and zeroed with and without holes")
def _():
    with Session(PATH, RANGES) as s:
        q = s.queue()
        for kind, flags, gone in ((DISCARD, 0, True), (ZEROES, 1, True), (ZEROES, 0, None)):
            s.mem.write(DATA, b"\xaa" * 262144)
            assert request(q, OUT, 1024, 262144) == (OK, 1)
            assert ranges(q, kind, (1024, 128, flags), (1280, 128, flags)) == OK
            assert request(q, FLUSH) == (OK, 1)
            assert image(1024 * 512, 65536) == bytes(65536) == image(1280 * 512, 65536)
            assert image(1152 * 512, 65536) == b"\xaa" * 65536
            assert gone is None or blocks(1024 * 512) != gone


@check("case 60: ranges that cannot be leave all as it is")
def _():
    with Session(PATH, RANGES) as s:
        q = s.queue()
        s.mem.write(DATA, b"\xbb" * 65536)
        assert request(q, OUT, 1024, 65536) == (OK, 1)
        good = (1024, 128, 0)
        for bad in ((SECTORS, 1, 0), (SECTORS - 1, 2, 0), ((1 << 64) - 1, 2, 0), (0, 0, 0),
                    (0, 0xffffffff, 0)):
            for kind in (DISCARD, ZEROES):
                assert ranges(q, kind, good, bad) == IOERR, bad
        assert ranges(q, DISCARD, good, (0, 8, 1)) == UNSUPP
        assert ranges(q, ZEROES, good, (0, 8, 2)) == UNSUPP
        assert ranges(q, DISCARD, *[good] * 17) == IOERR
        s.mem.write(DATA, struct.pack("<QII", *good))
        assert request(q, DISCARD, size=15, write=False)[0] == IOERR
        assert image(1024 * 512, 65536) == b"\xbb" * 65536
    with Session(PATH, FEATURES) as s:
        assert ranges(s.queue(), DISCARD, good) == UNSUPP


def wce(s):
    return s.fe.ask(GET_CONFIG, struct.pack("=III", 32, 1, 0) + bytes(1))[12]


@check("a write cache that is switched off stays so while the log is there, and no longer")
def _():
    log = None
    for want in (1, 0, 0):
        with Session(PATH, FEATURES, protocol=REPLY_ACK | CONFIG | INFLIGHT_SHMFD) as s:
            if not log:
                s.fe.send(GET_INFLIGHT_FD, inflight(0))
                data, log, _, _ = socket.recv_fds(s.fe.sock, 12 + 24, 1)
            assert wce(s) == 1
            assert s.fe.acked(SET_INFLIGHT_FD, data[12:], log) == 0
            assert wce(s) == want
            assert s.fe.acked(SET_CONFIG, struct.pack("=III", 32, 1, 0) + bytes(1)) == 0
            assert wce(s) == 0
            if want:
                s.mem.write(DATA, b"\xcc" * 4096)
                assert request(s.queue(), OUT, 0, 4096) == (OK, 1)
                assert image(0, 4096) == b"\xcc" * 4096
    os.close(log[0])


@check("memory that is not aligned is read and written as well")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue()
        data = os.urandom(1024)
        s.mem.write(DATA + 3, data)
        assert request(q, OUT, 3, 1024, data=DATA + 3) == (OK, 1)
        assert image(3 * 512, 1024) == data
        # From the file itself, not from the page cache.
        fd = os.open(IMAGE, os.O_RDWR)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
        assert request(q, IN, 3, 1024, data=DATA + 8193) == (OK, 1025)
        assert s.mem.read(DATA + 8193, 1024) == data


@check("many requests whose memory is not aligned, some of them large, all complete")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue(size=256)
        data = os.urandom(1 << 20)
        s.mem.write(DATA + 5, data)
        assert request(q, OUT, 1, 1 << 20, data=DATA + 5) == (OK, 1)
        assert image(512, 1 << 20) == data
        heads = []
        s.mem.write(DATA, bytes(1 << 20))
        for i in range(64):
            at = HDR + 32 * i
            s.mem.write(at, struct.pack("<IIQ", IN, 0, 1 + 32 * i))
            s.mem.write(at + 16, b"\xff")
            heads.append(q.chain((at, 16, False), (DATA + 7 + 16384 * i, 1000, True),
                                 (DATA + 7 + 16384 * i + 1000, 15384, True),
                                 (at + 16, 1, True), first=4 * i))
        q.publish(*heads)
        assert sorted(q.wait()[0] for _ in heads) == heads
        assert all(s.mem.read(HDR + 32 * i + 16, 1)[0] == OK for i in range(64))
        assert s.mem.read(DATA + 7, 1 << 20) == data


@check("writes to one page at once, aligned in memory and not, are all kept")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue(size=64)
        for n in range(200):
            data = os.urandom(4096)
            s.mem.write(DATA, data)
            s.mem.write(DATA + 8192 + 1, data)
            heads = []
            for i in range(8):
                at = HDR + 32 * i
                s.mem.write(at, struct.pack("<IIQ", OUT, 0, 8 * n + i))
                heads.append(q.chain((at, 16, False),
                                     (DATA + 512 * i + (8193 if i % 2 else 0), 512, False),
                                     (at + 16, 1, True), first=3 * i))
            q.publish(*heads)
            assert sorted(q.wait()[0] for _ in heads) == heads
            assert image(4096 * n, 4096) == data, n


@check("without FLUSH negotiated a write is durable by itself, and FLUSH unknown")
def _():
    with Session(PATH, VERSION_1 | PROTOCOL) as s:
        q = s.queue()
        s.mem.write(DATA, b"durable." * 64)
        assert request(q, OUT, 1, 512) == (OK, 1)
        assert image(512, 512) == b"durable." * 64
        assert request(q, FLUSH)[0] == UNSUPP


@check("the serial number is told, and cut to what there is room for")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue()
        assert request(q, GET_ID, 0, 20) == (OK, 21)
        assert s.mem.read(DATA, 20) == b"airlock-test".ljust(20, b"\0")
        s.mem.write(DATA, b"x" * 20)
        assert request(q, GET_ID, 0, 5)[0] == OK
        assert s.mem.read(DATA, 6) == b"airloc"[:5] + b"x"


@check("many requests at once all complete, each once")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue(size=256)
        heads = []
        for i in range(85):
            at = HDR + 32 * i
            s.mem.write(at, struct.pack("<IIQ", IN, 0, 8 * i))
            s.mem.write(at + 16, b"\xff")
            heads.append(q.chain((at, 16, False), (DATA + 4096 * i, 4096, True),
                                 (at + 16, 1, True), first=3 * i))
        q.publish(*heads)
        seen = sorted(q.wait()[0] for _ in heads)
        assert seen == heads, seen
        assert q.poll() is None
        for i in range(85):
            assert s.mem.read(HDR + 32 * i + 16, 1)[0] == OK
            assert s.mem.read(DATA + 4096 * i, 4096) == image(4096 * i, 4096)


@check("an indirect table is followed")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue()
        s.mem.write(HDR, struct.pack("<IIQ", IN, 0, 8))
        q.put(0, HDR, 16, NEXT, 1, at=q.table)
        q.put(1, DATA, 512, NEXT | WRITE, 2, at=q.table)
        q.put(2, STATUS, 1, WRITE, 0, at=q.table)
        q.put(5, q.table, 48, TABLE)
        q.publish(5)
        assert q.wait() == (5, 513)
        assert s.mem.read(DATA, 512) == image(4096, 512)


@check("case 57: a header and a status split over descriptors are understood")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue()
        s.mem.write(HDR, struct.pack("<IIQ", IN, 0, 8))
        s.mem.write(DATA, bytes(1024))
        q.publish(q.chain((HDR, 4, False), (HDR + 4, 1, False), (HDR + 5, 11, False),
                          (DATA, 100, True), (DATA + 100, 413, True)))
        assert q.wait() == (0, 513)
        assert s.mem.read(DATA, 512) == image(4096, 512)
        assert s.mem.read(DATA + 512, 1)[0] == OK


@check("case 60: beyond the end, odd sizes and unknown types get an error and do nothing")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue()
        before = image(0, SECTORS * 512)
        s.mem.write(DATA, b"z" * 8192)
        assert request(q, OUT, SECTORS, 512)[0] == IOERR
        assert request(q, OUT, SECTORS - 1, 1024)[0] == IOERR
        assert request(q, OUT, (1 << 64) - 1, 512)[0] == IOERR
        assert request(q, OUT, 1 << 55, 512)[0] == IOERR
        assert request(q, IN, SECTORS - 1, 1024)[0] == IOERR
        assert request(q, OUT, 0, 511)[0] == IOERR
        assert request(q, OUT, 0, 0)[0] == IOERR
        q.publish(q.chain((HDR, 16, False), (DATA, 0, False), (STATUS, 1, True)))
        q.wait()
        assert s.mem.read(STATUS, 1)[0] == IOERR
        assert request(q, OUT, 0, 512, write=True)[0] == IOERR
        assert request(q, DISCARD, 0, 16, write=False)[0] == UNSUPP
        assert request(q, 0xffffffff)[0] == UNSUPP
        assert image(0, SECTORS * 512) == before


@check("case 69: an image that becomes shorter gives an I/O error, not old data")
def _():
    try:
        os.truncate(IMAGE, 4096)
        with Session(PATH, FEATURES) as s:
            q = s.queue()
            assert request(q, IN, 64, 4096)[0] == IOERR
            assert request(q, IN, 0, 4096)[0] == OK
    finally:
        os.truncate(IMAGE, SECTORS * 512)


def capacity(s):
    return struct.unpack("<Q", s.fe.ask(GET_CONFIG, struct.pack("=III", 0, 8, 0) + bytes(8))[12:20])[0]


@check("case 69: an image that has another size is told of, and used")
def _():
    ours, theirs = socket.socketpair()
    ours.settimeout(DEADLINE)
    try:
        with Session(PATH, FEATURES, protocol=REPLY_ACK | CONFIG | (1 << 5)) as s:
            s.fe.send(SET_BACKEND_REQ_FD, b"", [theirs.fileno()])
            q = s.queue()
            assert capacity(s) == SECTORS and request(q, IN, SECTORS, 4096)[0] == IOERR
            os.truncate(IMAGE, SECTORS * 512 + 65536)
            os.kill(PID, signal.SIGHUP)
            assert ours.recv(64) == struct.pack("=III", BACKEND_CONFIG_CHANGE_MSG, 1, 0)
            assert capacity(s) == SECTORS + 128 and request(q, IN, SECTORS, 4096)[0] == OK
            # Without a change nothing is told; what cannot be is not taken.
            os.kill(PID, signal.SIGHUP)
            os.truncate(IMAGE, 100)
            os.kill(PID, signal.SIGHUP)
            os.truncate(IMAGE, SECTORS * 512)
            os.kill(PID, signal.SIGHUP)
            assert ours.recv(64) == struct.pack("=III", BACKEND_CONFIG_CHANGE_MSG, 1, 0)
            assert capacity(s) == SECTORS and request(q, IN, SECTORS, 4096)[0] == IOERR
    finally:
        os.truncate(IMAGE, SECTORS * 512)
        ours.close()
        theirs.close()


@check("regions are added, used and removed")
def _():
    more = Memory(1 << 20)
    at = GUEST + (1 << 30), USER + (1 << 30)
    with Session(PATH, FEATURES, protocol=REPLY_ACK | SLOTS) as s:
        assert s.fe.ask64(GET_MAX_MEM_SLOTS) == 32
        q = s.queue()
        for _ in range(3):
            assert s.fe.acked(ADD_MEM_REG, slot(*at[:1], size=1 << 20, user=at[1]), [more.fd]) == 0
            more.write(0, os.urandom(4096))
            assert request(q, OUT, 0, 4096, data=1 << 30) == (OK, 1)
            assert image(0, 4096) == more.read(0, 4096)
            assert s.fe.acked(REM_MEM_REG, slot(at[0], size=1 << 20, user=at[1]), [more.fd]) == 0
        # What was removed is not there.
        broke = os.eventfd(0)
        s.fe.send(SET_VRING_ERR, struct.pack("=Q", 0), [broke])
        q.publish(q.chain((HDR, 16, False), (1 << 30, 4096, True), (STATUS, 1, True)))
        assert select.select([broke], [], [], DEADLINE)[0]
        os.close(broke)
        q.stop()
        assert not q.poll()
    more.close()


@check("a region that is removed and added anew, with a ring in it that runs")
def _():
    with Session(PATH, FEATURES, protocol=REPLY_ACK | SLOTS) as s:
        q = s.queue()
        for n in range(20):
            # In one piece, or with a while between; a kick in the middle is not lost. Once more and
            # once less, as QEMU 7.2 does it, changes nothing.
            assert s.fe.acked(ADD_MEM_REG, slot(size=s.mem.size), [s.mem.fd]) == 0
            assert s.fe.acked(REM_MEM_REG, slot(size=s.mem.size)) == 0
            assert request(q, FLUSH) == (OK, 1)
            assert s.fe.acked(REM_MEM_REG, slot(size=s.mem.size)) == 0
            if n % 2:
                os.eventfd_write(q.kick, 1)
                time.sleep(0.05)
            assert s.fe.acked(ADD_MEM_REG, slot(size=s.mem.size), [s.mem.fd]) == 0
            assert request(q, FLUSH) == (OK, 1)


@check("case 67: memory that is removed while requests use it")
def _():
    with Session(PATH, FEATURES, protocol=REPLY_ACK | SLOTS) as s:
        q = s.queue(size=256)
        many_reads(s, q)
        assert s.fe.acked(REM_MEM_REG, slot(size=s.mem.size)) == 0
        # Whatever was taken from the ring was completed before.
        used = struct.unpack("<H", s.mem.read(q.used + 2, 2))[0]
        statuses = [s.mem.read(HDR + 32 * i + 16, 1)[0] for i in range(80)]
        assert statuses.count(OK) >= used


def anew(name, protocol, reset):
    @check(name)
    def _():
        log = Memory(65536)
        with Session(PATH, FEATURES, protocol=REPLY_ACK | INFLIGHT_SHMFD | protocol) as s:
            assert s.fe.acked(SET_INFLIGHT_FD, inflight(65536), [log.fd]) == 0
            q = s.queue()
            for _ in range(3):
                assert request(q, FLUSH) == (OK, 1)
            reset(s)
            # It does not run, and knows nothing of what was; a log that there was is no more.
            q.publish(q.chain((HDR, 16, False), (STATUS, 1, True)))
            assert s.fe.ask64(GET_FEATURES) & VERSION_1
            assert not q.poll()
            q = s.queue()
            assert request(q, FLUSH) == (OK, 1)
            assert q.stop() == 1
        log.close()


def status(s):
    s.fe.send(SET_STATUS, struct.pack("=Q", 15))
    assert s.fe.ask64(GET_STATUS) == 15
    assert s.fe.acked(SET_STATUS, bytes(8)) == 0
    assert s.fe.ask64(GET_STATUS) == 0


anew("a device that is reset begins anew", RESET, lambda s: s.fe.acked(RESET_DEVICE))
anew("a device whose status becomes 0 begins anew", STATUSES, status)


@check("who resets a device and then asks where its rings were is told, once")
def _():
    with Session(PATH, FEATURES, protocol=REPLY_ACK | STATUSES) as s:
        q = s.queue()
        for _ in range(3):
            assert request(q, FLUSH) == (OK, 1)
        status(s)
        assert q.stop() == 3 and q.stop() == 0
        q.start(base=3)
        assert request(q, FLUSH) == (OK, 1)
        status(s)
        q.start(base=4)
        assert q.stop() == 4


@check("rings are told by guest addresses")
def _():
    with Session(PATH, FEATURES, protocol=REPLY_ACK | GPA) as s:
        q = Queue(s.fe, s.mem, 0)
        q.address_base = GUEST
        q.start()
        assert request(q, FLUSH) == (OK, 1)
        q.close()


@check("a queue stops with everything drained and goes on where it was")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue()
        for n in range(3):
            for _ in range(5):
                assert request(q, IN, 0, 4096)[0] == OK
            base = q.stop()
            assert base == 5 * (n + 1), base
            q.start(base=base)


@check("case 66: a stop while requests are in flight completes them all")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue(size=256)
        many_reads(s, q)
        base = q.stop()
        done = 0
        while q.poll():
            done += 1
        assert done == base, (done, base)


@check("case 67: memory that is replaced under a running queue: it goes on")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue()
        for _ in range(20):
            assert request(q, IN, 0, 4096)[0] == OK
            assert s.fe.acked(SET_MEM_TABLE, table(region(size=s.mem.size)), [s.mem.fd]) == 0


@check("accepting features again does not disable a running queue")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue()
        assert request(q, IN, 0, 512)[0] == OK
        s.fe.send(SET_FEATURES, struct.pack("=Q", FEATURES))
        assert request(q, IN, 0, 512)[0] == OK


@check("a queue that is disabled waits, and goes on when it is enabled")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue(enable=False)
        s.mem.write(HDR, struct.pack("<IIQ", FLUSH, 0, 0))
        q.publish(q.chain((HDR, 16, False), (STATUS, 1, True)))
        assert s.fe.ask64(GET_FEATURES)
        assert q.poll() is None
        s.fe.send(SET_VRING_ENABLE, struct.pack("=II", 0, 1))
        q.wait()


@check("without protocol features a queue starts enabled")
def _():
    with Session(PATH, VERSION_1 | (1 << 9)) as s:
        q = s.queue(enable=False)
        assert request(q, FLUSH)[0] == OK


@check("a queue without a kick is polled")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue()
        q.stop()
        s.fe.send(SET_VRING_KICK, struct.pack("=Q", 0x100))
        assert request(q, FLUSH)[0] == OK


@check("work that is in the ring before its start is found without a kick")
def _():
    with Session(PATH, FEATURES) as s:
        q = Queue(s.fe, s.mem, 0)
        s.mem.write(HDR, struct.pack("<IIQ", FLUSH, 0, 0))
        q.publish(q.chain((HDR, 16, False), (STATUS, 1, True)))
        os.eventfd_read(q.kick)
        q.start()
        q.wait()
        q.close()


def called(q):
    """Wait for a call that nothing but the start or a new fd can be the reason of."""
    assert select.select([q.call], [], [], DEADLINE)[0], "not called"
    os.eventfd_read(q.call)


@check("a request that was completed before there was a call is called for later")
def _():
    with Session(PATH, VERSION_1 | PROTOCOL) as s:
        q = Queue(s.fe, s.mem, 0)
        s.mem.write(HDR, struct.pack("<IIQ", IN, 0, 0))
        q.publish(q.chain((HDR, 16, False), (DATA, 512, True), (STATUS, 1, True)))
        q.start(call=False)
        wait_until(q.poll)
        s.fe.send(SET_VRING_CALL, struct.pack("=Q", 0), [q.call])
        called(q)
        q.close()


@check("a completion that an earlier back-end did not call for is called for")
def _():
    with Session(PATH, VERSION_1 | PROTOCOL) as s:
        q = Queue(s.fe, s.mem, 0)
        q.mem.write(q.avail + 2, struct.pack("<H", 1))
        q.mem.write(q.used + 2, struct.pack("<H", 1))
        q.start(base=1)
        called(q)
        q.close()


@check("a call that replaces one that is stuck is called")
def _():
    with Session(PATH, FEATURES) as s:
        q = Queue(s.fe, s.mem, 0)
        full = os.eventfd(0xfffffffe)
        q.start(call=False)
        for _ in range(3):
            s.fe.send(SET_VRING_CALL, struct.pack("=Q", 0), [full])
            s.fe.send(SET_VRING_CALL, struct.pack("=Q", 0), [q.call])
            called(q)
        os.close(full)
        q.close()


@check("a kick and a call can be pipes")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue()
        q.stop()
        kick, call = os.pipe(), os.pipe()
        s.fe.send(SET_VRING_CALL, struct.pack("=Q", 0), [call[1]])
        s.fe.send(SET_VRING_KICK, struct.pack("=Q", 0), [kick[0]])
        s.mem.write(HDR, struct.pack("<IIQ", FLUSH, 0, 0))
        q.publish(q.chain((HDR, 16, False), (STATUS, 1, True)))
        os.write(kick[1], struct.pack("=Q", 1))
        while q.poll() is None:
            assert select.select([call[0]], [], [], DEADLINE)[0], "not called"
            assert struct.unpack("=Q", os.read(call[0], 8))[0] == 1
        for fd in kick + call:
            os.close(fd)


def broken(name, prepare, features=FEATURES):
    """@prepare(s, q) makes a lie; the queue breaks, says so, and the device goes on."""
    @check(name)
    def _():
        with Session(PATH, features) as s:
            q = s.queue()
            err = os.eventfd(0)
            s.fe.send(SET_VRING_ERR, struct.pack("=Q", 0), [err])
            assert s.fe.ask64(GET_FEATURES)
            s.mem.write(HDR, struct.pack("<IIQ", IN, 0, 0))
            prepare(s, q)
            assert select.select([err], [], [], DEADLINE)[0], "not broken"
            os.close(err)
            assert s.fe.ask64(GET_FEATURES)
        with Session(PATH, features) as s:
            assert request(s.queue(), FLUSH)[0] in (OK, UNSUPP)


def put_chain(*segs):
    return lambda s, q: q.publish(q.chain(*segs))


def loop(s, q):
    q.put(0, HDR, 16, NEXT, 1)
    q.put(1, DATA, 512, NEXT | WRITE, 1)
    q.publish(0)


def beyond(s, q):
    q.put(0, HDR, 16, NEXT, 64)
    q.publish(0)


def nested(s, q):
    q.put(0, q.table, 32, TABLE, 0, at=q.table)
    q.put(0, q.table, 32, TABLE)
    q.publish(0)


def table_size(size):
    def fn(s, q):
        q.put(0, q.table, size, TABLE)
        q.publish(0)
    return fn


def twice(s, q):
    head = q.chain((HDR, 16, False), (DATA, 1 << 20, True), (STATUS, 1, True))
    q.publish(*[head] * 40)


broken("case 54: a chain that loops", loop)
broken("case 54: a next beyond the table", beyond)
broken("case 55: a table inside a table", nested)
broken("case 55: a table of no entries", table_size(0))
broken("case 55: a table of an odd size", table_size(17))
broken("case 55: a table that is too large", table_size(16 * 65))
broken("case 55: a table outside of memory", lambda s, q: (q.put(0, 1 << 40, 48, TABLE), q.publish(0)))
broken("case 55: a table that was not negotiated", table_size(48), features=VERSION_1 | PROTOCOL)
broken("case 56: a buffer outside of memory", put_chain((HDR, 16, False), (1 << 40, 512, True)))
broken("case 56: a buffer across the end of memory",
       put_chain((HDR, 16, False), ((4 << 20) - 256, 512, True), (STATUS, 1, True)))
broken("case 56: a buffer whose end overflows",
       put_chain((HDR, 16, False), ((1 << 64) - GUEST - 256, 512, True), (STATUS, 1, True)))
broken("case 57: readable after writable", put_chain((STATUS, 1, True), (HDR, 16, False)))
broken("case 57: a chain without room for the status", put_chain((HDR, 16, False)))
broken("case 57: a chain without a header", put_chain((STATUS, 1, True)))
broken("case 58: an avail index that jumps", lambda s, q: q.publish(jump=100))
broken("case 58: an avail entry beyond the table", lambda s, q: q.publish(64))
broken("case 58: a chain that is made available again while it is in flight", twice)


@check("case 63: memory whose file is truncated costs the session only")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue()
        assert request(q, FLUSH)[0] == OK
        os.ftruncate(s.mem.fd, 0)
        os.eventfd_write(q.kick, 1)
        assert s.fe.is_closed()
    with Session(PATH, FEATURES) as s:
        assert request(s.queue(), FLUSH)[0] == OK


@check("case 66: a front-end that vanishes with I/O in flight: the next is served")
def _():
    for _ in range(20):
        with Session(PATH, FEATURES) as s:
            q = s.queue(size=256)
            many_reads(s, q)
    with Session(PATH, FEATURES) as s:
        assert request(s.queue(), FLUSH)[0] == OK


finish()
