# SPDX-License-Identifier: GPL-2.0
"""The machines of bench/guest, each a process (machine.sh) that is asked and answers."""

import base64
import os
import queue
import subprocess
import sys
import threading

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "machine.sh")
# How much longer than the machine itself gives the guest anybody waits for the machine.
GRACE = 60
# The answer of a machine whose guest will not answer any more.
DEAD = ". 125"


class Failed(Exception):
    """What was asked for was not done, and why."""


class Machine:
    """One machine. It boots while others do; ready() waits until it has."""

    def __init__(self, name, log_dir, initramfs, *options):
        self.name = name
        self.dead = None
        self.log_path = os.path.join(log_dir, name + ".log")
        self.log = open(self.log_path, "w")
        self.process = subprocess.Popen(
            [PROGRAM, name, *options], env=dict(os.environ, M_INITRAMFS=initramfs), text=True,
            errors="replace", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        self.lines = queue.Queue()
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def _die(self, why):
        self.dead = why
        tail = open(self.log_path, errors="replace").read().splitlines()[-40:]
        print(f"---- {self.name}: {why}", *tail, sep="\n    ", file=sys.stderr)
        raise Failed(why)

    def _answer(self, seconds):
        said = []
        while True:
            try:
                line = self.lines.get(timeout=seconds + GRACE)
            except queue.Empty:
                self._die(f"no answer in {seconds + GRACE} seconds")
            if line is None:
                self._die("the machine ended")
            if line.startswith(". "):
                break
            said.append(line[1:])
        text = "\n".join(said)
        if line == DEAD:
            self._die(" / ".join(said[-1:]))
        if line != ". 0":
            raise Failed(f"status {line[2:]}: " + " / ".join(said[-3:]))
        return text

    def ask(self, request, seconds):
        """One request; returns the answer's text."""
        if self.dead:
            raise Failed(self.dead)
        try:
            self.process.stdin.write(request + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self._die("the machine ended")
        return self._answer(seconds)

    def ready(self, seconds):
        """Wait until it has booted."""
        if self.dead:
            raise Failed(self.dead)
        self._answer(seconds)

    def guest(self, script, seconds=60):
        """What a script printed in the guest."""
        text = base64.b64encode(script.encode()).decode()
        return self.ask(f"guest {seconds} {text}", seconds)

    def end(self):
        """It ends when nobody will ask any more."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait()
        self.log.close()


def make_initramfs(path):
    """What all machines boot."""
    subprocess.run([PROGRAM, "initramfs", path], check=True)


def values(text):
    """"name value" lines as a dict of numbers."""
    return {name: float(value) for name, value in
            (line.split() for line in text.splitlines() if len(line.split()) == 2)}
