#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The figures of `initd healthcheck` and of the probe in PID 1 beside their peers, in one interleaved run."""

import argparse
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from figures import (BUILDS, ENVIRONMENT, GATED, HERE, OUT, become_root, cell, kilobytes_of, machine, output_of,
                     snapshot, status_of)

URL = "http://127.0.0.1:8000/health"
PYTHON_CODE = f"import urllib.request as r; r.urlopen('{URL}', timeout=2)"
PORT = "8000"
USER = 65534
IDLE_S = 10
INTERVAL_MS = 10
PROBES = 400  # in each of BLOCKS lives, and as many of the floor's between two lives
BLOCKS = 5

FLOOR = "floor"
INITD = "initd"
INITD_ROOT = "initd (root)"
INITD_ALONE = "initd (no PID 1)"


@dataclass(frozen=True)
class Check:
    """One way to ask; `world` is the PID namespace, where initd is PID 1 (init) or not (bare)."""

    name: str
    words: tuple
    world: str = "init"
    uid: int = 0

    def command(self):
        return [self.world, str(self.uid), *self.words]


# ---- what there is ----


def compile_programs():
    """With musl where that is installed: the floor is a bare static binary, and a launcher's size is what it forks."""
    OUT.mkdir(parents=True, exist_ok=True)
    compiler = shutil.which("musl-gcc") or "gcc"
    for name in ("health", "floor", "floor_loop", "responder"):
        flags = ["-static", "-O2", "-Wall", "-Wextra", "-Wconversion"]
        subprocess.run([compiler, *flags, "-o", OUT / name, HERE / f"{name}.c"], check=True)


def can_be(uid):
    """In a user namespace there may be no other user to become."""
    ranges = (map(int, line.split()) for line in Path("/proc/self/uid_map").read_text().splitlines())
    return any(first <= uid < first + count for first, _, count in ranges)


def find_checks(initd):
    """The checks that can be run, and for each other one the reason why not."""
    skipped = {}
    ask = (initd, "healthcheck")
    checks = [Check(FLOOR, (str(OUT / "floor"), PORT))]
    if can_be(USER):
        checks += [
            Check(INITD, ask, uid=USER),
            Check(INITD_ROOT, ask),
            Check(INITD_ALONE, ask, world="bare", uid=USER),
        ]
    else:
        checks += [Check(INITD, ask), Check(INITD_ALONE, ask, world="bare")]
        skipped[INITD_ROOT] = f"uid {USER} is not mapped here"
    peers = {
        "httpcheck": ("-t", "2", URL),
        "busybox": ("wget", "-q", "--spider", URL),  # Debian 12's crashes with -T
        "wget": ("-q", "--spider", "-T", "2", URL),
        "curl": ("-f", "-s", "-o", "/dev/null", "-m", "2", URL),
    }
    for name, words in peers.items():
        path = shutil.which(name)
        if path:
            checks.append(Check(name, (os.path.realpath(path) if name != "busybox" else path, *words)))
        else:
            skipped[name] = "not in PATH"
    # Not a launcher script that looks for the python to run.
    checks.append(Check("python urllib", (os.path.realpath(sys.executable), "-c", PYTHON_CODE)))
    return checks, skipped


NGINX_CONF = f"""\
daemon off;
worker_processes 1;
pid nginx.pid;
error_log /dev/null;
events {{}}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{PORT};
        location = /health {{ default_type text/plain; return 200 "ok\\n"; }}
    }}
}}
"""


@contextlib.contextmanager
def server(name):
    """The words that serve, for anybody to run."""
    nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin") if name != "responder" else None
    if not nginx:
        yield "responder", (str(OUT / "responder"), PORT)
        return
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        Path(folder, "nginx.conf").write_text(NGINX_CONF)
        yield "nginx", (nginx, "-p", folder, "-e", "/dev/null", "-c", f"{folder}/nginx.conf")


def init_words(initd, serve, *options):
    user = str(USER) if can_be(USER) else "root"
    return [initd, "-o", f"user.name={user}", "-o", "log.level=error", *options, "--", *serve]


# ---- the measures: each gives {check: {figure: value}} ----


def health(measure, rounds, init, checks, n_figures):
    """Each check's samples: for each figure a list."""
    words = [str(OUT / "health"), measure, str(rounds), *init]
    for check in checks:
        words += [",", *check.command()]
    samples = {}
    for check, line in zip(checks, output_of(words).splitlines(), strict=True):
        numbers = list(map(int, line.split()))
        samples[check.name] = [numbers[figure::n_figures] for figure in range(n_figures)]
    return samples


def time_checks(measure, rounds, init, checks):
    """Medians, and the medians of each round's ratio to the floor: what slows a round slows all of it."""
    samples, figures = health(measure, rounds, init, checks, 4), {}
    floor_wall, floor_cpu, *_ = samples[FLOOR]
    for name, (wall, cpu, faults, rss) in samples.items():
        figures[name] = {
            "wall_us": statistics.median(wall) / 1000,
            "wall_ratio": statistics.median(own / floor for own, floor in zip(wall, floor_wall)),
            "cpu_us": float(statistics.median(cpu)),
            "cpu_ratio": statistics.median(own / max(floor, 1) for own, floor in zip(cpu, floor_cpu)),
            "faults": statistics.median(faults),
            "rss_kb": statistics.median(rss),
        }
    return figures


def drop_failing(init, checks, skipped):
    """Each is tried once: one that cannot ask here is no reason to measure nothing."""
    working = []
    for check in checks:
        try:
            health("time", 1, init, [check], 4)
            working.append(check)
        except RuntimeError as error:
            skipped[check.name] = str(error)
    return working


def measure_counts(options, init, checks):
    """The least of some runs: in others a reply was not there yet, and was waited for."""
    figures = {}
    for name, (steps, calls) in health("count", options.counts, init, checks, 2).items():
        figures[name] = {"instructions": min(steps) or None, "calls": min(calls)}
    return figures


def measure_pinned(options, init, checks):
    return time_checks("time", options.rounds, init, checks)


def measure_anywhere(options, init, checks):
    return {
        name: {f"any_{key}": own[key] for key in ("wall_us", "wall_ratio", "cpu_us", "cpu_ratio")}
        for name, own in time_checks("time-anywhere", options.rounds, init, checks).items()
    }


# ---- PID 1 ----


@contextlib.contextmanager
def held(init):
    """The pid of a PID 1 whose server answers."""
    pipe = subprocess.PIPE
    words = [str(OUT / "health"), "hold", "0", *init]
    with subprocess.Popen(words, env=ENVIRONMENT, stdin=pipe, stdout=pipe, text=True) as process:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("hold: no server")
        yield int(line)


def cpu_ns(pid):
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def connections(pid):
    """Opened in its network namespace: nobody but PID 1 opens any there."""
    rows = re.findall(r"^Tcp: (.*)$", Path(f"/proc/{pid}/net/snmp").read_text(), re.MULTILINE)
    return int(dict(zip(rows[0].split(), rows[1].split()))["ActiveOpens"])


def probe_us(initd, serve):
    """Processor time of PID 1 per probe: all of it."""
    with held(init_words(initd, serve, "-o", f"health.interval={INTERVAL_MS}ms")) as pid:
        before_ns, before = cpu_ns(pid), connections(pid)
        time.sleep(PROBES * INTERVAL_MS / 1000)
        spent_ns, probes = cpu_ns(pid) - before_ns, connections(pid) - before
    if probes < PROBES / 4:
        raise RuntimeError(f"probe: only {probes}")
    return spent_ns / probes / 1000


def loop_us(initd, serve):
    """The same of a bare C loop."""
    loop = Check("loop", (str(OUT / "floor_loop"), PORT, str(PROBES), str(INTERVAL_MS)))
    (spent_us,) = health("time-anywhere", 1, init_words(initd, serve), [loop], 4)["loop"][1]
    return spent_us / PROBES


def measure_probe(initd, serve):
    samples = [(probe_us(initd, serve), loop_us(initd, serve)) for _ in range(BLOCKS)]
    return {
        "probe_us": statistics.median(own for own, _ in samples),
        "probe_floor_us": statistics.median(floor for _, floor in samples),
        "probe_ratio": statistics.median(own / floor for own, floor in samples),
    }


def measure_idle(initd, serve):
    """After the first answer; a second of quiet first."""
    with held(init_words(initd, serve)) as pid:
        time.sleep(1)
        before = int(status_of(pid)["voluntary_ctxt_switches"])
        time.sleep(IDLE_S)
        memory = kilobytes_of(pid)
        wakeups = int(status_of(pid)["voluntary_ctxt_switches"]) - before
    return {"idle_rss_kb": memory["Rss"], "idle_dirty_kb": memory["Private_Dirty"], "wakeups": wakeups}


# ---- the table ----

COLUMNS = (
    ("wall_us", "wall us"),
    ("wall_ratio", "x floor"),
    ("cpu_us", "cpu us"),
    ("cpu_ratio", "x floor"),
    ("any_wall_us", "2cpu wall"),
    ("any_wall_ratio", "x floor"),
    ("any_cpu_us", "2cpu cpu"),
    ("any_cpu_ratio", "x floor"),
    ("instructions", "instr"),
    ("calls", "calls"),
    ("faults", "faults"),
    ("rss_kb", "RSS kB"),
)

LEGEND = """\
wall: vfork to wait; cpu: user and system time of that process; all pinned to one CPU, the server too
2cpu: the same where the scheduler puts them; x floor: median of each round's ratio
floor: static musl C, socket, connect, write, read, exit
initd: not root; (root): becomes PID 1's user; both ask initd, which is PID 1; (no PID 1): there is none
probe: processor time of PID 1 for each, one every 10 ms; probe_floor: of a bare C loop that does the same
instr, calls: user-space instructions and system calls from its exec to its end; -: above 200000"""


def text_of(key, value):
    return f"{value:.2f}" if value is not None and key.endswith("ratio") else cell(value)


def print_table(table):
    shown = [(key, head) for key, head in COLUMNS if any(own.get(key) is not None for own in table.values())]
    lines = [["check", *(head for _, head in shown)]]
    lines += [[name, *(text_of(key, own.get(key)) for key, _ in shown)] for name, own in table.items()]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for first, *rest in lines:
        print(first.ljust(widths[0]), *(word.rjust(width) for word, width in zip(rest, widths[1:])), sep="  ")
    print()


def print_pid1(pid1):
    for name, own in pid1.items():
        print(f"{name}:", ", ".join(f"{key} {text_of(key, value)}" for key, value in own.items()))
    print()


# ---- the gate ----


@dataclass(frozen=True)
class Limit:
    """Of a figure; `over` divides it by the same figure of that check, or that check's by it if it is a least."""

    check: str
    figure: str
    most: float = float("inf")
    least: float = 0
    than: str = ""

    def hold(self, table):
        value, unit = table.get(self.check, {}).get(self.figure), 1
        what = f"{self.check} {self.figure}"
        if self.than:
            unit = table.get(self.than, {}).get(self.figure)
            what += f", {self.than}'s in it" if self.least else f" of {self.than}'s"
        if value is None or unit is None:
            return False, f"{what}: not measured"
        if self.than:
            value = unit / value if self.least else value / unit
        bound = f">= {self.least:g}" if self.least else f"<= {self.most:g}"
        return self.least <= value <= self.most, f"{what}: {value:.2f}, {bound}"


# What is deterministic, with room for a reply that is not there yet.
COUNT_LIMITS = (
    Limit(INITD, "instructions", most=46_000),
    Limit(INITD, "calls", most=26),
    Limit(INITD_ROOT, "instructions", most=48_000),
    Limit(INITD_ROOT, "calls", most=37),
    Limit(INITD_ALONE, "instructions", most=36_000),
    Limit(INITD_ALONE, "calls", most=24),
)
# Wider than what is measured on a quiet machine, which is in the README.
LIMITS = (
    *COUNT_LIMITS,
    Limit(INITD, "wall_ratio", most=2.2),
    Limit(INITD, "cpu_ratio", most=2.2),
    Limit(INITD_ALONE, "wall_ratio", most=2),
    Limit(INITD_ALONE, "cpu_ratio", most=2),
    Limit(INITD, "wall_us", least=10, than="curl"),
    Limit(INITD, "wall_us", least=50, than="python urllib"),
    Limit("PID 1", "probe_ratio", most=2),
    Limit("PID 1", "idle_rss_kb", most=212),
    Limit("PID 1", "wakeups", most=0),
)


def print_gate(limits, table):
    passed = True
    for limit in limits:
        if limit.check not in table and limit.check == INITD_ROOT:
            continue  # it is said above why there is none
        holds, line = limit.hold(table)
        print("ok  " if holds else "FAIL", line)
        passed = passed and holds
    return passed


# ---- the command line ----


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there too")
    parser.add_argument("--rounds", type=int, default=200, help="of each check (default: 200)")
    parser.add_argument("--counts", type=int, default=3, help="runs of each check to count (default: 3)")
    parser.add_argument("--initd", type=Path, default=BUILDS[GATED], help="another binary")
    parser.add_argument("--base", type=Path, help="an older binary, whose idle memory is measured too")
    parser.add_argument("--server", choices=("nginx", "responder"), help="default: nginx, where it is installed")
    parser.add_argument("--only-initd", action="store_true", help="without the peers")
    parser.add_argument("--gate", nargs="?", const="all", choices=("all", "counts"), help="exit 1 beyond the limits")
    options = parser.parse_args()
    if options.rounds < 1 or options.counts < 1:
        parser.error("expected 1 or more")
    return options


def measure_all(options, initd, serve, checks):
    """What one measure cannot do here becomes a note, and the others go on."""
    table, pid1, notes = {check.name: {} for check in checks}, {}, []
    init, counts = init_words(initd, serve), options.gate == "counts"
    for measure in (measure_counts,) if counts else (measure_counts, measure_pinned, measure_anywhere):
        try:
            for name, own in measure(options, init, checks).items():
                table[name] |= own
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            notes.append(f"{measure.__name__}: {error}")
    if not counts:
        try:
            pid1["PID 1"] = measure_probe(initd, serve) | measure_idle(initd, serve)
            if options.base:
                pid1["PID 1 before"] = measure_idle(snapshot(options.base, "initd-base"), serve)
        except (RuntimeError, OSError) as error:
            notes.append(f"PID 1: {error}")
    return table, pid1, notes


def main():
    options = parse_options()
    become_root()
    compile_programs()
    initd = snapshot(options.initd, "initd-health")
    checks, skipped = find_checks(initd)
    if options.only_initd:
        checks = [check for check in checks if check.name == FLOOR or check.name.startswith(INITD)]
    with server(options.server) as (server_name, serve):
        checks = drop_failing(init_words(initd, serve), checks, skipped)
        table, pid1, notes = measure_all(options, initd, serve, checks)
    print_table(table)
    print_pid1(pid1)
    print(LEGEND, f"server: {server_name}", sep="\n", end="\n\n")
    for line in [*(f"skipped {name}: {reason}" for name, reason in skipped.items()), *notes]:
        print(line)
    if options.json:
        figures = {"machine": machine(), "server": server_name, "checks": table, "pid1": pid1, "skipped": skipped}
        options.json.write_text(json.dumps(figures | {"notes": notes}, indent=2) + "\n")
    if options.gate:
        return 0 if print_gate(COUNT_LIMITS if options.gate == "counts" else LIMITS, table | pid1) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
