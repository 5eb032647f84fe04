# SPDX-License-Identifier: GPL-2.0
"""Adds up what gcov says.

	coverage.py DIRECTORY LEAST <gcov --json-format --stdout

Prints, for each source in DIRECTORY, its share of lines that were run, and those that were
not; and last the share of all of them. Exit status 1 when that is below LEAST per cent.
"""
import json
import os
import sys


def read(stream, top):
    """Return {source: {line: was it run}} of all documents in a stream."""
    sources = {}
    decoder = json.JSONDecoder()
    text = stream.read().lstrip()
    while text:
        document, end = decoder.raw_decode(text)
        text = text[end:].lstrip()
        for source in document["files"]:
            path = os.path.normpath(os.path.join(document["current_working_directory"],
                                                 source["file"]))
            if os.path.dirname(path) != top:
                continue
            lines = sources.setdefault(os.path.basename(path), {})
            for line in source["lines"]:
                number = line["line_number"]
                lines[number] = lines.get(number, False) or line["count"] > 0
    return sources


def ranges(numbers):
    """Return [3, 4, 5, 9] as '3-5 9'."""
    out = []
    for n in numbers:
        if out and n == out[-1][1] + 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return " ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in out)


def main():
    top, least = os.path.realpath(sys.argv[1]), float(sys.argv[2])
    sources = read(sys.stdin, top)
    reached = total = 0
    for name, lines in sorted(sources.items()):
        run = sum(lines.values())
        reached, total = reached + run, total + len(lines)
        missed = ranges(sorted(n for n, was in lines.items() if not was))
        print(f"{name:14} {100 * run / len(lines):5.1f} % of {len(lines):3} lines"
              + (f"; not {missed}" if missed else ""))
    # Cut, not rounded: what is too little must not look like enough.
    share = 1000 * reached // total / 10 if total else 0.0
    print(f"{share:.1f} % of {total} lines")
    return 0 if total and share >= least else 1


sys.exit(main())
