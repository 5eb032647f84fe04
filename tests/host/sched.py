# SPDX-License-Identifier: GPL-2.0
"""sched.py SOCKET PID CPUS: a disk with four queues, two threads and a long look."""

import random
import sys
import time

from frontend import *  # pylint: disable=wildcard-import,unused-wildcard-import

PATH, PID, CPUS = sys.argv[1], int(sys.argv[2]), sys.argv[3].split(":")
FEATURES = VERSION_1 | PROTOCOL | (1 << 9) | (1 << 12)
HDR, STATUS, DATA = 0x100000, 0x101000, 0x200000


def name(thread):
    try:
        with open("/proc/%d/task/%s/comm" % (PID, thread), encoding="ascii") as f:
            return f.read()
    except FileNotFoundError:
        return "iou-gone"


def threads():
    """Its own, and not those that the kernel has for its io_uring."""
    return {t for t in os.listdir("/proc/%d/task" % PID) if not name(t).startswith("iou-")}


def allowed(thread):
    with open("/proc/%d/task/%s/status" % (PID, thread), encoding="ascii") as f:
        return next(line.split()[1] for line in f if line.startswith("Cpus_allowed_list:"))


def put(q):
    """A read of 512 bytes, in the ring and not kicked for."""
    at = 0x40 * q.index
    q.mem.write(HDR + at, struct.pack("<IIQ", 0, 0, 0))
    q.mem.write(STATUS + at, b"\xff")
    head = q.chain((HDR + at, 16, False), (DATA + 0x1000 * q.index, 512, True),
                   (STATUS + at, 1, True))
    q.mem.write(q.avail + 4 + 2 * (q.next_avail % q.size), struct.pack("<H", head))
    q.next_avail += 1
    q.mem.write(q.avail + 2, struct.pack("<H", q.next_avail & 0xffff))


def works(q):
    put(q)
    os.eventfd_write(q.kick, 1)
    assert q.wait() == (0, 513)
    assert q.mem.read(STATUS + 0x40 * q.index, 1) == b"\0"


@check("four queues have two threads, each where it is to run")
def _():
    before = threads()
    with Session(PATH, FEATURES) as s:
        queues = [s.queue(i) for i in range(4)]
        for q in queues:
            works(q)
        # One more may still be closing what was left of something.
        wait_until(lambda: len(threads() - before) == 2)
        more = threads() - before
        assert {allowed(t) for t in more} == set(CPUS), [allowed(t) for t in more]


@check("one of a thread's queues stops and begins again, and the other goes on")
def _():
    with Session(PATH, FEATURES) as s:
        queues = [s.queue(i) for i in range(4)]
        for _ in range(20):
            base = queues[0].stop()
            assert base == queues[0].next_avail & 0xffff
            works(queues[2])
            queues[0].start(base=base)
            works(queues[0])


@check("queues come and go in any order, and threads with the last of theirs")
def _():
    dice = random.Random(1)
    before = threads()
    with Session(PATH, FEATURES) as s:
        queues = [s.queue(i) for i in range(4)]
        bases = {}
        for _ in range(200):
            i = dice.randrange(4)
            if i in bases:
                queues[i].start(base=bases.pop(i))
                works(queues[i])
            else:
                bases[i] = queues[i].stop()
            # Of queues 0 and 2, and of 1 and 3.
            live = len({j & 1 for j in range(4) if j not in bases})
            wait_until(lambda n=live: len(threads() - before) == n)


@check("a queue that breaks leaves the other of its thread alone")
def _():
    with Session(PATH, FEATURES) as s:
        queues = [s.queue(i) for i in range(4)]
        works(queues[3])
        queues[1].publish(0, jump=1000)
        for _ in range(20):
            works(queues[3])
        queues[1].stop()
        works(queues[3])


def unkicked(q):
    """Is a request served that nobody kicked for?"""
    put(q)
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        if q.poll():
            return True
    os.eventfd_write(q.kick, 1)
    q.wait()
    return False


@check("a thread that has much to do needs no kicks, for either of its queues")
def _():
    with Session(PATH, FEATURES) as s:
        queues = [s.queue(i) for i in (0, 2)]
        for q in queues:
            # It looks longer each time, and a busy machine may be away for longer than that.
            for _ in range(2000):
                works(q)
                if unkicked(q):
                    break
            else:
                raise AssertionError("never served without a kick")


@check("and one that had not for a while wants them again")
def _():
    with Session(PATH, FEATURES) as s:
        q = s.queue()
        works(q)
        # used.flags: VRING_USED_F_NO_NOTIFY
        wait_until(lambda: q.mem.read(q.used, 2) == b"\0\0")
        works(q)


finish()
