# SPDX-License-Identifier: GPL-2.0
"""move.py HERE THERE IMAGE LOG DAEMON SPEC: an image that two daemons have open, and one uses.

HERE and THERE are their sockets, LOG is what the latter says; a device of SPEC has the image without
migrate=on.
"""

import fcntl
import subprocess
import sys

from frontend import *  # pylint: disable=wildcard-import,unused-wildcard-import

HERE, THERE, IMAGE, LOG, DAEMON, SPEC = sys.argv[1:7]
FEATURES = VERSION_1 | PROTOCOL | (1 << 9)
HDR, DATA, STATUS = 0x100000, 0x200000, 0x101000
USED = ": image .* is in use: "


def locked():
    """Does anybody hold one of the locks of those who write?"""
    with open(IMAGE, "r+b") as f:
        got = fcntl.fcntl(f, fcntl.F_GETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 100, 4, 0))
    return struct.unpack("hhqqi4x", got)[0] != fcntl.F_UNLCK


def said():
    with open(LOG, encoding="utf-8") as f:
        return len(re.findall(USED, f.read()))


def ask(q, kind=0):
    """A read or a write that is to be served."""
    q.mem.write(HDR, struct.pack("<IIQ", kind, 0, 0))
    q.mem.write(STATUS, b"\xff")
    q.publish(q.chain((HDR, 16, False), (DATA, 4096, not kind), (STATUS, 1, True)))


def served(q):
    q.wait()
    assert q.mem.read(STATUS, 1) == b"\0"


@check("an image is locked while a queue runs, and not before or after")
def _():
    assert not locked()
    with Session(HERE, FEATURES) as s:
        assert not locked()
        q, other = s.queue(0), s.queue(1)
        ask(q)
        served(q)
        assert locked()
        q.stop()
        assert locked()
        other.stop()
        assert not locked()
        q.start(base=1)
        ask(q)
        served(q)
        assert locked()
    # It ends when the session does, which nothing tells.
    wait_until(lambda: not locked())


@check("a queue that stops for a moment does not let go of the image")
def _():
    with Session(HERE, FEATURES) as s:
        q = s.queue()
        ask(q)
        served(q)
        # Nobody could see that it let go and took it again; so somebody waits for it.
        with Session(THERE, FEATURES) as t:
            before = said()
            late = t.queue()
            ask(late)
            while said() == before:
                s.fe.send(SET_FEATURES, struct.pack("=Q", FEATURES))
                assert s.fe.ask64(GET_FEATURES)
            assert late.poll() is None
            ask(q)
            served(q)


@check("a queue that finds the image in use begins when that ends in a moment")
def _():
    before = said()
    with Session(HERE, FEATURES) as s, Session(THERE, FEATURES) as t:
        q = s.queue()
        ask(q, 1)
        served(q)
        late = t.queue()
        ask(late)
        assert t.fe.ask64(GET_FEATURES) and late.poll() is None
        q.stop()
        served(late)
        late.stop()
        assert not locked()
    assert said() == before


@check("one that finds it in use for long is off, which is said once, until it is set up again")
def _():
    before = said()
    with Session(HERE, FEATURES) as s, Session(THERE, FEATURES) as t:
        q = s.queue()
        ask(q)
        served(q)
        late = t.queue()
        ask(late)
        wait_until(lambda: said() > before)
        q.stop()
        assert late.poll() is None
        base = late.stop()
        late.start(base=base)
        os.eventfd_write(late.kick, 1)
        served(late)
    assert said() == before + 1


def plain():
    return subprocess.Popen([DAEMON, "--device", SPEC], stdin=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, encoding="utf-8")


@check("who locks it for as long as it is open is kept out while a queue runs, and keeps out")
def _():
    with Session(HERE, FEATURES) as s:
        q = s.queue()
        ask(q)
        served(q)
        with plain() as p:
            assert re.search(USED, p.communicate(timeout=DEADLINE)[1]) and p.returncode == 1
        q.stop()
    before = said()
    with plain() as p:
        try:
            assert "waiting for a front-end" in p.stderr.readline()
            with Session(THERE, FEATURES) as t:
                late = t.queue()
                ask(late)
                wait_until(lambda: said() > before)
                assert late.poll() is None
        finally:
            p.terminate()


finish()
