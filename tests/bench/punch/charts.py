# SPDX-License-Identifier: Apache-2.0
"""Charts of success against time, drawn by gnuplot: for each pair the share of all trials that
had succeeded by then, lines of the simulator's and dots of the kernel lab's."""
import os
import subprocess

POINTS_MAX = 120
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555", "#8b0000",
           "#6a3d9a", "#1b7837")


def curve(times, trials):
    """(ms, percent), thinned to a few points that keep its shape; times are sorted."""
    if not times:
        return [(0.1, 0)]
    n = len(times)
    picked = sorted({i * (n - 1) // POINTS_MAX for i in range(POINTS_MAX + 1)})
    points = [(max(times[0], 0.1), 0)]
    points += [(max(times[i], 0.1), 100 * (i + 1) / trials) for i in picked]
    return points


def draw(path, title, rows):
    """rows: (name, sim, lab), where each of both has times and trials, or is None."""
    plots, data = [], []
    for i, (name, sim, lab) in enumerate(rows):
        colour = COLOURS[i % len(COLOURS)]
        for result, style in ((sim, f'with steps lw 2 lc rgb "{colour}" title "{name}"'),
                              (lab, f'with points pt 7 ps 0.35 lc rgb "{colour}" notitle')):
            if result is None:
                continue
            plots.append(f'"-" {style}')
            data += [f"{x:.3f} {y:.2f}" for x, y in curve(result["times"], result["trials"])]
            data.append("e")
    if not plots:
        return
    commands = [
        'set terminal svg size 900,480 background rgb "white" font "sans,12"',
        f'set output "{path}"', f'set title "{title}: success against time"',
        "set logscale x", 'set xlabel "ms since both know the other\'s candidates '
        '(lines: simulator, dots: kernel)"', 'set ylabel "% of all trials"', "set yrange [0:102]",
        "set key outside right noenhanced", "set grid", "plot " + ", ".join(plots), *data]
    subprocess.run(["gnuplot"], input="\n".join(commands) + "\n", text=True, check=True)


def draw_all(here, pairs, charts, bench):
    names = []
    for chart, title in charts.items():
        rows = [(p.name, bench.kept_one("sim", p.name), bench.kept_one("lab", p.name))
                for p in pairs if p.chart == chart]
        name = f"success-{chart}.svg"
        draw(os.path.join(here, name), title, rows)
        names.append((name, title))
    return names
