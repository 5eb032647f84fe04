#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Sets of pages of guest memory, as the tests of the emulated SEV machine see them.

    pages.py touched PID           pages of the shared backing that anybody used since forget
    pages.py forget PID            empty the shared backing: all of it is unused again
    pages.py flips LOG [FROM]      pages that the guest opened since byte FROM of the log, and
                                   did not close again
    pages.py dirty LOG [FROM]      pages that held something private when they were opened
    pages.py find PID TOKEN        pages of the shared backing that hold the token, a file
    pages.py held PID ADDRESS SET TOKEN
                                   pages of the set whose private backing, which begins at
                                   ADDRESS in the emulator's memory, holds the token
    pages.py used PID SET          pages of the set that are not clear
    pages.py stray PID ADDRESS     an index there of 16 bits goes on by more than any ring has, as
                                   a hostile host would have it
    pages.py stray PID ADDRESS LOG TEXT [BEHIND]
                                   over and over, until the text appears in that file once more;
                                   so many bytes behind the index are all ones then
    pages.py minus A B             pages in A that are not in B
    pages.py same A B              fails and says how they differ, unless they are the same

Theory
  PID is the emulator; its guest's RAM is the one memory file that it has open. Nobody has
  used a page that is a hole there: no processor, no device, no back-end, since each of them
  would have filled it. Looking for holes fills none. Forgetting makes holes everywhere; the
  guest must not have anything there that it still wants, which holds after booting. The
  area from 0xA0000 to 0xFFFFF has one view only, with the firmware in it: it is left alone.

  A set is text: a line for each run of pages, "ADDRESS BYTES", whatever follows.
"""
import ctypes
import os
import sys
import time

PAGE = 4096
STRAY_SECONDS = 60
ONE_VIEW = range(0xA0000 // PAGE, 0x100000 // PAGE)
PUNCH_HOLE_KEEP_SIZE = 3


def memory(pid):
    """Open the emulator's memory file."""
    found = []
    for name in os.listdir(f'/proc/{pid}/fd'):
        path = f'/proc/{pid}/fd/{name}'
        if os.readlink(path).startswith('/memfd:memory-backend-memfd'):
            found.append(path)
    if len({os.stat(path).st_ino for path in found}) != 1:
        sys.exit(f'pages.py: process {pid} has {len(found)} memory files open, not one')
    return os.open(found[0], os.O_RDWR)


def touched(pid):
    fd, pages, at = memory(pid), set(), 0
    end = os.fstat(fd).st_size
    while at < end:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            break
        at = os.lseek(fd, start, os.SEEK_HOLE)
        pages.update(range(start // PAGE, at // PAGE))
    return pages.difference(ONE_VIEW)


def forget(pid):
    fd = memory(pid)
    low, high, end = ONE_VIEW.start * PAGE, ONE_VIEW.stop * PAGE, os.fstat(fd).st_size
    libc = ctypes.CDLL(None, use_errno=True)
    for start, size in ((0, low), (high, end - high)):
        if libc.fallocate(fd, PUNCH_HOLE_KEEP_SIZE, ctypes.c_long(start), ctypes.c_long(size)):
            sys.exit(f'pages.py: no holes can be made: {os.strerror(ctypes.get_errno())}')
    return set()


def token_pages(fd, path, where):
    """Of the pages that where yields as (page, offset in fd), those that hold the token."""
    with open(path, 'rb') as token:
        token = token.read()
    return {page for page, offset in where if token in os.pread(fd, PAGE, offset)}


def find(pid, token):
    return token_pages(memory(pid), token, ((page, page * PAGE) for page in touched(pid)))


def held(pid, address, path, token):
    fd = os.open(f'/proc/{pid}/mem', os.O_RDONLY)
    start = int(address, 0)
    return token_pages(fd, token, ((page, start + page * PAGE) for page in load(path)))


def used(pid, path):
    fd = memory(pid)
    return {page for page in load(path) if any(os.pread(fd, PAGE, page * PAGE))}


def log_since(path, where):
    with open(path, encoding='ascii') as log:
        log.seek(int(where))
        return [line.split() for line in log]


def flips(path, where=0):
    pages = set()
    for word in log_since(path, where):
        if word[0] == 'open':
            pages.add(int(word[1], 0) // PAGE)
        elif word[0] == 'close':
            pages.discard(int(word[1], 0) // PAGE)
    return pages


def dirty(path, where=0):
    return {int(word[1], 0) // PAGE for word in log_since(path, where)
            if word[0] == 'open' and int(word[2])}


def load(path):
    pages = set()
    with open(path, encoding='ascii') as runs:
        for line in runs:
            address, size = (int(word, 0) for word in line.split()[:2])
            pages.update(range(address // PAGE, (address + size) // PAGE))
    return pages


def runs_of(pages):
    first = None
    for page in sorted(pages):
        if first is None:
            first = page
        if page + 1 not in pages:
            yield f'0x{first * PAGE:x} {(page + 1 - first) * PAGE}'
            first = None


def stray(pid, address, log=None, text='', behind='0'):
    fd, address, wrong = memory(pid), int(address, 0), None

    def write(times):
        nonlocal wrong
        for _ in range(times):
            index = int.from_bytes(os.pread(fd, 2, address), 'little')
            # Whose index it is stores the next one soon, and goes on from its own.
            if index != wrong:
                wrong = (index + 0x5555) & 0xffff
                os.pwrite(fd, b'\xff' * int(behind), address + 2)
                os.pwrite(fd, wrong.to_bytes(2, 'little'), address)

    def seen():
        with open(log, 'rb') as lines:
            return lines.read().count(text.encode())

    if not log:
        write(1)
        return set()
    before, end = seen(), time.monotonic() + STRAY_SECONDS
    while seen() == before:
        if time.monotonic() > end:
            sys.exit(f'pages.py: nobody noticed in {STRAY_SECONDS} seconds')
        write(1000)
    return set()


def same(path_a, path_b):
    a, b = load(path_a), load(path_b)
    for name, only in ((path_a, a - b), (path_b, b - a)):
        for run in runs_of(only):
            print(f'only in {os.path.basename(name)}: {run}')
    if a != b:
        sys.exit(1)
    return set()


def main():
    verbs = {'touched': touched, 'forget': forget, 'flips': flips, 'dirty': dirty,
             'find': find, 'held': held, 'used': used, 'stray': stray,
             'minus': lambda a, b: load(a) - load(b), 'same': same}
    if len(sys.argv) < 3 or sys.argv[1] not in verbs:
        sys.exit('usage: pages.py ' + '|'.join(verbs) + ' ...')
    for run in runs_of(verbs[sys.argv[1]](*sys.argv[2:])):
        print(run)


main()
