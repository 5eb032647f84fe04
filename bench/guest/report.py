# SPDX-License-Identifier: GPL-2.0
"""What the bench says: the form of bench/report.c, a row for people and an object for machines.

A ratio is taken round by round, between runs that followed one another, and then the median of
the ratios is reported with the least and the greatest.
"""

import json
import statistics

MISSED = "MISSED"


def number(value):
    """As many digits as say something."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


class Row:
    """A case beside a peer.

    ours and peer are figures of the same rounds. want is the ratio to reach, None when there is
    none: at least, or at most if less is better; strictly if it may not be met exactly.
    """

    def __init__(self, case, unit, ours, peer, peer_name, want=None, less=False, strict=False):
        self.case, self.unit, self.peer_name = case, unit, peer_name
        self.want, self.less, self.strict = want, less, strict
        self.rounds = len(ours)
        self.ours, self.peer = statistics.median(ours), statistics.median(peer)
        # Nothing beside nothing is as much; something beside nothing has no ratio.
        ratios = [1.0 if a == b else a / b if b else float("inf") for a, b in zip(ours, peer)]
        self.ratio, self.least, self.most = statistics.median(ratios), min(ratios), max(ratios)

    def verdict(self):
        """Whether it is what it is to be; nothing if it need not be anything."""
        if self.want is None:
            return ""
        sign = "<=" if self.less else ">" if self.strict else ">="
        # What is printed, so that 1.00 is not said to be below 1.00.
        ratio = round(self.ratio, 2)
        met = (ratio <= self.want if self.less else
               ratio > self.want if self.strict else ratio >= self.want)
        return f"{'met' if met else MISSED} {sign} {self.want:.2f}"

    def text(self):
        """The row for people."""
        return (f"{self.case:<57} {self.unit:<7} {number(self.ours):>9} {number(self.peer):>9}  "
                f"{self.peer_name:<12} {self.ratio:6.2f} {self.least:6.2f} to {self.most:5.2f}  "
                f"{self.verdict()}").rstrip()

    def json(self):
        """The object for machines."""
        def finite(ratio):
            return None if ratio == float("inf") else round(ratio, 3)
        return json.dumps({
            "bench": "guest", "case": self.case, "unit": self.unit,
            "ours": float(f"{self.ours:.4g}"), "peer": float(f"{self.peer:.4g}"),
            "peer_name": self.peer_name, "ratio": finite(self.ratio),
            "min_ratio": finite(self.least), "max_ratio": finite(self.most),
            "rounds": self.rounds})


class Report:
    """All rows, as they come; the targets that were missed once more at the end."""

    def __init__(self, path):
        self.file = open(path, "w")
        self.rows = []
        self.failures = []

    def head(self, title):
        """A new table."""
        print(f"\n{title}\n{'case':<57} {'unit':<7} {'ours':>9} {'peer':>9}  {'peer':<12} "
              f"{'ratio':>6} {'least to most':>15}", flush=True)

    def add(self, row):
        """One row."""
        self.rows.append(row)
        print(row.text(), flush=True)
        print(row.json(), file=self.file, flush=True)

    def failed(self, what, why):
        """Something did not work: the bench ends with an error, when it has done the rest."""
        line = f"FAILED {what}: {why}"
        self.failures.append(line)
        print(line, flush=True)

    def end(self):
        """The summary; the exit status."""
        wanted = [row for row in self.rows if row.want is not None]
        missed = [row for row in wanted if row.verdict().startswith(MISSED)]
        print(f"\n{len(wanted) - len(missed)} of {len(wanted)} targets met"
              + ("; missed:" if missed else ""))
        for row in missed:
            print(row.text())
        for line in self.failures:
            print(line)
        return 1 if self.failures else 0
