# SPDX-License-Identifier: Apache-2.0
"""The result table: one row for each figure, as Markdown and as JSON."""
import json
import os
import platform

from measure import OTHERS_MAX


FIGURES = ("rate", "p50", "p99", "processor")


class Table:
    """Rows in the order in which they were measured. Rows of one part and name that differ in
    their figure stand in one line of the Markdown."""

    def __init__(self):
        self.rows = []
        self.failed = False

    def add(self, part, what, clients, value, figure="", unit="x", target=None, note=""):
        """value: a spread (measure.py); target: (">=" or "<=", number)."""
        met = None
        if target:
            met = value["median"] >= target[1] if target[0] == ">=" else \
                value["median"] <= target[1]
        self.rows.append({"part": part, "what": what, "clients": clients, "figure": figure,
                          "unit": unit, **value, "target": list(target) if target else None,
                          "met": met, "note": note})

    def skip(self, part, what, why):
        """A row that cannot be had here, through no fault."""
        self.rows.append({"part": part, "what": what, "clients": None, "figure": "",
                          "unit": "", "median": None, "min": None, "max": None, "target": None,
                          "met": None, "note": f"not measured: {why}"})

    def fail(self, part, why):
        self.failed = True
        self.skip(part, "failed", why)

    @staticmethod
    def number(value, unit):
        if unit == "x":
            return f"{value:.2f}" if value < 100 else f"{value:.0f}"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"

    @classmethod
    def cell(cls, row):
        """Median, least and most; what was wanted; and how far that is missed."""
        if row is None:
            return ""
        if row["median"] is None:
            return row["note"]
        unit = row["unit"]
        text = cls.number(row["median"], unit)
        if row["min"] != row["max"]:
            text += " ({}-{})".format(*(cls.number(row[k], unit) for k in ("min", "max")))
        text += "" if unit in ("x", "") else " " + unit
        if row["target"] is None:
            return text
        sign, wanted = row["target"]
        text += f"; {sign} {cls.number(wanted, unit)}: "
        if row["met"]:
            return text + "met"
        if not wanted:
            return text + "**missed**"
        return text + f"**missed by {abs(row['median'] / wanted - 1) * 100:.1f} %**"

    def lines(self, part):
        """One part: as a table with a column for each figure, or a plain one."""
        rows = [r for r in self.rows if r["part"] == part]
        columns = [f for f in FIGURES if any(r["figure"] == f for r in rows)] or [""]
        heads = ["broker's processor time" if c == "processor" else c or "result"
                 for c in columns]
        yield f"| {part} | N | " + " | ".join(heads) + " |"
        yield "|---|---|" + "---|" * len(heads)
        done = set()
        for row in rows:
            key = (row["what"], row["clients"])
            if key in done:
                continue
            done.add(key)
            same = {r["figure"]: r for r in rows if (r["what"], r["clients"]) == key}
            cells = [self.cell(same.get(c, same.get("") if c == columns[0] else None))
                     for c in columns]
            note = f" ({row['note']})" if row["note"] and row["median"] is not None else ""
            yield f"| {row['what']}{note} | {row['clients'] or ''} | " + " | ".join(cells) + " |"

    def markdown(self, setting):
        out = [f"Linux {platform.release()}, one processor; {setting.repetitions} repetitions "
               f"of {setting.slice} s a side; ratios within a repetition, their median, the "
               "least and the most."]
        for part in dict.fromkeys(row["part"] for row in self.rows):
            out += ["", *self.lines(part)]
        if setting.others:
            disturbed = sum(o > OTHERS_MAX for o in setting.others)
            out += ["", f"Other programs took more than {OTHERS_MAX:.0%} of the processor in "
                    f"{disturbed} of {len(setting.others)} slices; their rates are per second "
                    "of what was left, their latencies are as they were."]
        targets = [row for row in self.rows if row["target"]]
        out += ["", f"{sum(row['met'] for row in targets)} of {len(targets)} targets met."]
        return "\n".join(out) + "\n"

    def save(self, path, setting):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "w", encoding="ascii") as f:
            json.dump({"kernel": platform.release(), "repetitions": setting.repetitions,
                       "slice_seconds": setting.slice, "others": setting.others, "rows": self.rows}, f, indent=1)
            f.write("\n")
