# SPDX-License-Identifier: MIT
"""A tree that an initd watches, and a model of what in it counts."""

import contextlib
import hashlib
import itertools
import json
import os
import re
import time
from fnmatch import fnmatchcase
from typing import NamedTuple

import pytest

from harness import wait_until

BACKENDS = {
    "inotify": {"backend": "inotify"},
    "poll": {"backend": "poll", "poll_interval": "20ms"},
}
NOBODY_ASKS = ["-o", "health.start_interval=0"]
WATCHING = re.compile(r"(?<!not )watching /")

INCLUDE = ("*.py", "*.pyi", "*.so", "*.toml", "*.yaml", "*.yml", "*.json", "*.ini", "*.cfg", "*.conf", "*.env")
IGNORE = (".*", "__pycache__", "*.pyc", "*.pyo", "*~", "#*#", "*.swp", "*.swx", "*.tmp", "*.bak", "4913", "flycheck_*",
          "*.egg-info", "*.dist-info", "node_modules", "CVS")


def matches(name, patterns):
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def counted(listing):
    """What of this {path: digest or `-> target`} counts: a link to a directory has `directory` before its target."""
    venvs = {path.rpartition("/")[0] for path in listing if path.rpartition("/")[2] == "pyvenv.cfg"} - {""}

    def counts(path, value):
        *above, name = path.split("/")
        return (not any(matches(part, IGNORE) for part in (*above, name))
                and not any("/".join(above[:n + 1]) in venvs for n in range(len(above)))
                and (matches(name, INCLUDE) or value.startswith("directory")))
    return {path: value for path, value in listing.items() if counts(path, value)}


def snapshot(tree):
    """{path below the tree: digest or target} of all that counts in it now."""
    listing = {}
    for directory, directories, files in os.walk(tree):
        below = os.path.relpath(directory, tree)
        for name in (*directories, *files):
            path = os.path.join(directory, name)
            short = name if below == "." else f"{below}/{name}"
            if os.path.islink(path):
                listing[short] = f"{'directory' if os.path.isdir(path) else 'link'} -> {os.readlink(path)}"
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    listing[short] = hashlib.md5(file.read()).hexdigest()
    return counted(listing)


def difference(before, after):
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def watch_options(tree=None, **values):
    """-o words: watch.NAME=VALUE for NAME=VALUE (None: not even the default here) that make initd watch this tree."""
    values = {"enabled": "yes", "paths": tree} | values
    return [word for name, value in values.items() if value is not None for word in ("-o", f"watch.{name}={value}")]


def let_age(tree):
    """Wait until nothing in it is so young that initd could take it for a change while the server starts."""
    def old():
        young = time.time() - 0.015
        return all(path.lstat().st_ctime < young for path in [tree, *tree.rglob("*")])
    wait_until(old)


class Start(NamedTuple):
    """What versioned_server.sh said at one start."""
    files: dict
    changed: dict | None


def read_start(text):
    listing, changed = {}, None
    for line in text.splitlines():
        if line.startswith("changed "):
            changed = json.loads(line.removeprefix("changed "))
        elif match := re.fullmatch(r"([0-9a-f]{32})  \./(.*)", line):
            listing[match[2]] = match[1]
        elif match := re.fullmatch(r"(directory|link) \./(.*) -> (.*)", line):
            listing[match[2]] = f"{match[1]} -> {match[3]}"
    return Start(counted(listing), changed)


class Watched:
    """An initd that watches a tree for a versioned_server.sh."""

    def __init__(self, start, lab, tree, *words, backend="inotify", options=(), **how):
        self.tree = tree
        self.texts, self.heard = [], 0
        self.expected = None
        let_age(tree)
        self.run = start(*NOBODY_ASKS, *watch_options(tree, **BACKENDS[backend] | dict(options)), *words,
                         "/bin/sh", str(lab.helpers / "versioned_server.sh"), str(tree), **how)
        self.run.logs(WATCHING)
        wait_until(self.last, what=f"a start: {self.log}")
        self.numbers = itertools.count(1)

    @property
    def log(self):
        """The end of what initd said."""
        return f"\n{self.run.stderr[-3000:]}"

    # What the server said

    @property
    def said(self):
        """All that each start said, complete or not."""
        data = self.run.readers[1].data
        end = data.rfind(b"\n") + 1
        if end > self.heard:
            rest, *more = data[self.heard:end].decode(errors="replace").split("start\n")
            if self.texts:
                self.texts[-1] += rest
            self.texts += more
            self.heard = end
        return self.texts

    @property
    def n_starts(self):
        return len(self.said)

    def last(self):
        """The last start, None while it has not said all."""
        said = self.said
        return read_start(said[-1]) if said and said[-1].endswith("\nup\n") else None

    def wait_for_starts(self, n):
        """Wait for the n-th start; its Start."""
        self.expected = None
        def find():
            said = self.said
            return len(said) >= n and said[n - 1].endswith("\nup\n") and said[n - 1]
        try:
            return read_start(wait_until(find))
        except AssertionError:
            pytest.fail(f"no start {n}: {self.log}")

    def runs_the_tree(self):
        """Wait until the server that runs has found the tree as it is now."""
        want = snapshot(self.tree)

        def find():
            last = self.last()
            return last and last.files == want
        self.expected = None        # however many restarts that takes
        try:
            wait_until(find)
        except AssertionError:
            last = self.last()
            wrong = last and {name: (last.files.get(name), want.get(name))
                              for name in sorted(difference(last.files, want))[:20]}
            pytest.fail(f"the server found, and there is: {wrong}{self.log}")

    # What has to happen

    def none_since(self):
        """Nothing has restarted the server since the last of the checks below (that allowed no more than it saw)."""
        assert self.expected in (None, self.n_starts), f"a restart too many: {self.last()}{self.log}"

    def paths(self, start):
        """The changed paths below the tree that the server was told."""
        prefix = f"{self.tree}/"
        assert all(path.startswith(prefix) for path in start.changed["paths"]), start.changed
        return [path.removeprefix(prefix) for path in start.changed["paths"]]

    @contextlib.contextmanager
    def one_restart(self, exact=True):
        """What is changed in here restarts the server once, and the new one has it all and is told its names.

        exact=False: perhaps also the names of others that were rewritten with the same bytes."""
        self.none_since()
        n, before = self.n_starts, snapshot(self.tree)
        yield
        after = snapshot(self.tree)
        names = difference(before, after)
        assert names, "nothing was changed"
        start = self.wait_for_starts(n + 1)
        assert start.files == after
        n_told, told = start.changed["n"], set(self.paths(start))
        wrong = (start.changed, names, self.log)
        assert n_told == len(names) or not exact and n_told > len(names), wrong
        assert told <= names or not exact, wrong
        assert told >= names or n_told > 12, wrong
        self.expected = n + 1

    @contextlib.contextmanager
    def no_restart(self):
        """What is done in here restarts nothing."""
        self.none_since()
        n, before = self.n_starts, snapshot(self.tree)
        yield
        assert not difference(before, snapshot(self.tree)), "the model expects a restart"
        self.undisturbed(n)

    def undisturbed(self, n):
        """No restart since the n-th start: the next change is the only one that the next start knows of."""
        marker = self.tree / f"marker_{next(self.numbers)}.py"    # one path alone would look like a loop
        marker.write_text(f"# {marker}\n")
        start = self.wait_for_starts(n + 1)
        assert self.n_starts == n + 1, self.log
        assert (start.changed["n"], self.paths(start)) == (1, [marker.name]), self.log
        self.expected = n + 1
