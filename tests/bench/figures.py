#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The figures of initd beside its peers, all taken in one interleaved run."""

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OUT = ROOT / "build" / "bench"
CHILD = str(OUT / "child")

PEERS = ("tini-static", "tini", "dumb-init", "catatonit")
REFERENCE = "tini-static"
GATED = "initd musl"
BUILDS = {GATED: ROOT / "build" / "musl" / "initd", "initd glibc": ROOT / "build" / "initd"}

DELAYS_US = (100, 200, 300, 500)
EARLY_TRIES = 80
FORWARD_LIVES = 10
ORPHANS = 500
SETTLE_S = 1.0
TIMEOUT_S = 600

# What `docker run` sets; nothing of the caller's environment may change what an init has to do.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOSTNAME": "bench",
    "HOME": "/root",
}


@dataclass(frozen=True)
class Init:
    name: str
    words: tuple = ()
    can_drop: bool = False

    def command(self, *child, user="root"):
        """The words that run the bench's child under this init, as `user` where the init can change it."""
        options = ("-o", f"user.name={user}", "-o", "log.level=error") if self.can_drop else ()
        return [*self.words, *options, *(("--",) if self.words else ()), CHILD, *map(str, child)]


# The child alone as PID 1: what is left when an init costs nothing.
NO_INIT = Init("(no init)")


def snapshot(binary, name):
    """A copy that a rebuild during the run cannot change, on disk: page cache not yet written counts as dirty memory."""
    copy = OUT / name.replace(" ", "-")
    shutil.copy2(binary, copy)
    with copy.open("rb") as file:
        os.fsync(file)
    return str(copy)


def find_inits():
    """The inits that can be run, and for each other one the reason why not."""
    inits, skipped = [], {}
    for name in PEERS:
        path = shutil.which(name)
        if path:
            inits.append(Init(name, (path,)))
        else:
            skipped[name] = "not in PATH"
    for name, path in BUILDS.items():
        if path.exists():
            inits.append(Init(name, (snapshot(path, name),), can_drop=True))
        else:
            skipped[name] = f"no {path.relative_to(ROOT)}"
    return inits, skipped


# ---- the programs of this directory ----


def compile_programs():
    """The child is linked with musl where that is installed: its own start is part of every start latency."""
    OUT.mkdir(parents=True, exist_ok=True)
    flags = ["-O2", "-Wall", "-Wextra", "-Wconversion"]
    child_cc = shutil.which("musl-gcc") or "gcc"
    for name, compiler in (("bench", ["gcc"]), ("icount", ["gcc"]), ("child", [child_cc, "-static"])):
        subprocess.run([*compiler, *flags, "-o", OUT / name, HERE / f"{name}.c"], check=True)


def output_of(words):
    done = subprocess.run(
        words, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    if done.returncode != 0:
        raise RuntimeError(f"{Path(words[0]).name} {words[1]}: {done.stderr.strip()}")
    return done.stdout


def bench_words(measure, rounds, delay_us, inits, child):
    words = [str(OUT / "bench"), measure, str(rounds), str(delay_us)]
    for number, init in enumerate(inits):
        words += [","] * (number > 0) + init.command(*child)
    return words


def bench(measure, rounds, inits, child, delay_us=0):
    """Each init's samples, in nanoseconds or as the measure says."""
    lines = output_of(bench_words(measure, rounds, delay_us, inits, child)).splitlines()
    return {init.name: list(map(int, line.split())) for init, line in zip(inits, lines, strict=True)}


def icount(what, capabilities, command):
    """Numbers per phase: init up to its fork, child from there to its exec, the rest of init's life."""
    lines = output_of([str(OUT / "icount"), what, capabilities, *command]).splitlines()
    return {phase: list(map(int, numbers)) for phase, *numbers in map(str.split, lines)}


# ---- the measures: each gives {init: {figure: value}} ----


def measure_size(inits, _options):
    return {init.name: {"size": os.stat(init.words[0]).st_size} for init in inits}


def measure_instructions(inits, _options):
    figures = {}
    for init in inits:
        count = icount("steps", "all", init.command())
        figures[init.name] = {
            "instructions": count["init"][0] + count["child"][0],
            "instructions_after": count["rest"][0],
        }
    return figures


def syscall_names():
    macros = output_of(["gcc", "-E", "-dM", "-include", "sys/syscall.h", "-xc", "/dev/null"])
    pairs = re.findall(r"^#define __NR_(\w+) (\d+)$", macros, re.MULTILINE)
    return {int(number): name for name, number in pairs}


def count_syscalls(figure, inits, capabilities, user):
    names, figures = syscall_names(), {}
    for init in inits:
        count = icount("calls", capabilities, init.command(user=user))
        path = [names.get(number, str(number)) for number in count["init"] + count["child"]]
        figures[init.name] = {figure: len(path), f"{figure}_list": path}
    return figures


def measure_syscalls(inits, _options):
    return count_syscalls("syscalls", inits, "all", "root")


def measure_drop(inits, _options):
    """What an init in a container does: root changes to another user with the capabilities that Docker leaves it."""
    return count_syscalls("syscalls_drop", [init for init in inits if init.can_drop], "docker", "65534")


def measure_drop_all(inits, _options):
    return count_syscalls("syscalls_drop_all", [init for init in inits if init.can_drop], "all", "65534")


def measure_start(inits, options):
    samples = bench("start", options.rounds, [NO_INIT, *inits], ("wait", 15))
    medians = {name: statistics.median(own) / 1000 for name, own in samples.items()}
    alone = medians[NO_INIT.name]
    return {name: {"start_us": median, "added_us": median - alone} for name, median in medians.items()}


def measure_forward(inits, options):
    """Over several lives, for where a process lands in memory is worth some per cent."""
    inits = [NO_INIT, *inits]
    samples = {init.name: [] for init in inits}
    for _ in range(FORWARD_LIVES):
        for name, own in bench("signal", max(1, options.rounds * 5 // FORWARD_LIVES), inits, ("wait", 15)).items():
            samples[name] += own
    return {
        name: {
            "forward_us": statistics.median(own) / 1000,
            "forward_p99_us": sorted(own)[len(own) * 99 // 100] / 1000,
        }
        for name, own in samples.items()
    }


def measure_orphans(inits, options):
    samples = bench("orphans", max(1, options.rounds // 5), inits, ("orphans", ORPHANS))
    return {name: {"orphans_per_s": ORPHANS / (statistics.median(own) / 1e9)} for name, own in samples.items()}


def measure_early(inits, _options):
    figures = {init.name: {} for init in inits}
    for delay_us in DELAYS_US:
        for name, own in bench("early", EARLY_TRIES, inits, ("wait", 28), delay_us).items():
            figures[name][f"lost_{delay_us}us"] = sum(own)
    return figures


def status_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def kilobytes_of(pid):
    rows = re.findall(r"^(\w+): +(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return {name: int(number) for name, number in rows}


@contextlib.contextmanager
def held(inits):
    """All inits at the same time, each with an idle child that answers when it is asked for its health: their pids."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    words = bench_words("hold", 0, 0, inits, ("serve", port))
    pipe = subprocess.PIPE
    environment = ENVIRONMENT | {"PORT": str(port)}
    with subprocess.Popen(words, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        yield [int(process.stdout.readline() or 0) for _ in inits]


def measure_idle(inits, options):
    figures = {}
    with held(inits) as pids:
        time.sleep(SETTLE_S)
        before = [int(status_of(pid)["voluntary_ctxt_switches"]) for pid in pids]
        time.sleep(60 if options.long else 10)
        for init, pid, wakeups in zip(inits, pids, before):
            status, memory = status_of(pid), kilobytes_of(pid)
            figures[init.name] = {
                "rss_kb": memory["Rss"],
                "private_dirty_kb": memory["Private_Dirty"],
                "threads": int(status["Threads"]),
                "fds": len(os.listdir(f"/proc/{pid}/fd")),
                "wakeups": int(status["voluntary_ctxt_switches"]) - wakeups,
            }
    return figures


COUNTS = (measure_size, measure_instructions, measure_syscalls, measure_drop, measure_drop_all)
MEASURES = (*COUNTS, measure_start, measure_forward, measure_orphans, measure_early, measure_idle)


def measure_all(measures, inits, options):
    """What one measure cannot do here becomes a note, and the others go on."""
    table, notes = {init.name: {} for init in [*inits, NO_INIT]}, []
    for measure in measures:
        try:
            figures = measure(inits, options)
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            notes.append(f"{measure.__name__}: {error}")
            continue
        for name, own in figures.items():
            table[name] |= own
    return table, notes


# ---- the table ----

COLUMNS = (
    ("size", "bytes"),
    ("rss_kb", "RSS kB"),
    ("private_dirty_kb", "dirty kB"),
    ("threads", "threads"),
    ("fds", "fds"),
    ("instructions", "instr"),
    ("instructions_after", "after"),
    ("syscalls", "calls"),
    ("syscalls_drop", "drop"),
    ("syscalls_drop_all", "drop all"),
    ("start_us", "start us"),
    ("forward_us", "fwd us"),
    ("forward_p99_us", "fwd p99"),
    ("orphans_per_s", "orphans/s"),
    *((f"lost_{delay_us}us", f"lost {delay_us}") for delay_us in DELAYS_US),
    ("wakeups", "wakeups"),
)

LEGEND = f"""\
instr, calls: user-space instructions, system calls from exec of init to exec of its child
drop, drop all: calls with a change from root to uid 65534, with Docker's capabilities, with all
after: instructions of init from its fork to its end
start: exec of init to main of its child; fwd: SIGTERM to init to the child's handler (medians)
lost D: of {EARLY_TRIES} SIGTERMs sent D us after exec of init
wakeups: of an idle init, in 10 s (60 s with --long)"""


def cell(value):
    if value is None or isinstance(value, str):
        return value or "-"
    return f"{value:.1f}" if isinstance(value, float) and value < 1000 else f"{value:.0f}"


def print_rows(title, rows):
    shown = [(key, head) for key, head in COLUMNS if any(own.get(key) is not None for own in rows.values())]
    lines = [[title, *(head for _, head in shown)]]
    lines += [[name, *(cell(own.get(key)) for key, _ in shown)] for name, own in rows.items() if own]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for first, *rest in lines:
        print(first.ljust(widths[0]), *(word.rjust(width) for word, width in zip(rest, widths[1:])), sep="  ")
    print()


def ratios(table):
    """Each figure as a multiple of the reference's; text, for two places are needed here."""
    reference = table.get(REFERENCE, {})
    return {
        name: {key: f"{own[key] / reference[key]:.2f}" for key, _ in COLUMNS if key in own and reference.get(key)}
        for name, own in table.items()
    }


# ---- the gate ----


@dataclass(frozen=True)
class Limit:
    figure: str
    most: float = float("inf")
    least: float = 0
    relative: bool = False  # a multiple of the reference's figure

    def check(self, table):
        """Whether the limit holds, and one line that says so; what was not measured does not hold."""
        value = table.get(GATED, {}).get(self.figure)
        unit = table.get(REFERENCE, {}).get(self.figure) if self.relative else 1
        if value is None or unit is None:
            return False, f"{self.figure}: not measured"
        bound = f">= {cell(self.least * unit)}" if self.least else f"<= {cell(self.most * unit)}"
        of = f" ({self.least or self.most:.2f} of {REFERENCE}'s)" if self.relative else ""
        return self.least * unit <= value <= self.most * unit, f"{self.figure}: {cell(value)}, {bound}{of}"


# A tenth is allowed for the noise of two equal medians.
COUNT_LIMITS = (
    Limit("size", most=220 * 1024),
    # Half of tini-static's on Intel; what glibc spends on its start depends on the CPU.
    Limit("instructions", most=18_000),
    Limit("syscalls_drop", most=60),
)
LIMITS = (
    *COUNT_LIMITS,
    # Entrypoint alone: 200 and 48; with health check and watcher: 240. The kernel maps 16 pages around each fault.
    Limit("rss_kb", most=268),
    Limit("private_dirty_kb", most=60),
    # Without the child's own exec, which no init can shorten and which is a third of tini-static's start in some VMs.
    Limit("added_us", most=1 / 3, relative=True),
    # One system call more than sigtimedwait(2) needs: the signal comes through epoll, with everything else.
    Limit("forward_us", most=1.15, relative=True),
    Limit("orphans_per_s", least=0.9, relative=True),
    # In a VM whose exec takes 100 us a bare musl init loses up to 5, every glibc one all 80.
    Limit("lost_300us", most=8),
    Limit("wakeups", most=0),
)


def print_gate(limits, table):
    passed = True
    for limit in limits:
        holds, line = limit.check(table)
        print("ok  " if holds else "FAIL", line)
        calls = table.get(GATED, {}).get(f"{limit.figure}_list")
        if not holds and calls:
            print("    ", " ".join(calls))
        passed = passed and holds
    return passed


# ---- the command line ----


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there too")
    parser.add_argument("--rounds", type=int, default=200, help="starts of each init; the rest scales (default: 200)")
    parser.add_argument("--long", action="store_true", help="count idle wake-ups over 60 s, not 10 s")
    parser.add_argument(
        "--gate",
        nargs="?",
        const="all",
        choices=("all", "counts"),
        help=f"exit 1 unless {GATED} keeps its limits; counts: only what is deterministic",
    )
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: expected 1 or more")
    return options


def become_root():
    """A PID namespace needs root, be it that of a user namespace."""
    if os.geteuid() != 0:
        os.execvp("unshare", ["unshare", "--user", "--map-root-user", sys.executable, *sys.argv])


def machine():
    """Where it was measured."""
    return {"machine": platform.machine(), "kernel": platform.release(), "cpus": os.cpu_count()}


def main():
    options = parse_options()
    become_root()
    compile_programs()
    inits, skipped = find_inits()
    counts = options.gate == "counts"
    table, notes = measure_all(COUNTS if counts else MEASURES, inits, options)

    print_rows("init", table)
    print_rows(f"of {REFERENCE}", ratios(table))
    print(LEGEND, end="\n\n")
    for line in [*(f"skipped {name}: {reason}" for name, reason in skipped.items()), *notes]:
        print(line)
    if options.json:
        text = json.dumps({"machine": machine(), "inits": table, "skipped": skipped, "notes": notes}, indent=2)
        options.json.write_text(text + "\n")
    if options.gate:
        return 0 if print_gate(COUNT_LIMITS if counts else LIMITS, table) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
