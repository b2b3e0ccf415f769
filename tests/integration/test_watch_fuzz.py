# SPDX-License-Identifier: MIT
"""Random edits of a watched tree: after the last one the server that runs has the last contents.

A failure names its seed; INITD_FUZZ_SEED=N repeats that one (the moments of the edits differ)."""

import os
import random
import shutil
import threading
import time

import pytest

from helpers.watched import BACKENDS, Watched
from helpers.writers import append, docker, emacs, in_place, jetbrains, map_and_write, package, rename_over, write
from pidns import Run

SCRIPTS = 200
LANES = 8       # so many initds at once, each with a tree of its own
SEED = os.environ.get("INITD_FUZZ_SEED")

DIRECTORIES = ("", "api", "api/v1", "web", "web/static")
NAMES = ("a.py", "b.py", "__init__.py", "c.json", "d.html", ".e.py")


class Edits:
    """One script of random edits of a tree; said: what they were.

    Some edits take away for a moment what is there and bring the same bytes back: that is no change, but a server that
    starts in this moment misses them. So a script without them is judged by itself; after a wild one only the probe
    that follows tells whether initd still sees everything."""

    def __init__(self, tree, seed):
        self.tree = tree
        self.random = random.Random(seed)
        self.wild = self.random.random() < 0.6
        self.said = []
        self.serial = 0

    def probe(self, name):
        """A new file in any of the directories."""
        found = [path for path in self.tree.rglob("*") if path.is_dir() and not path.is_symlink()]
        path = self.random.choice([self.tree, *sorted(found)]) / name
        path.write_text(f"{path}\n")
        self.said.append(f"probe {str(path).removeprefix(f'{self.tree}/')}")

    def text(self):
        self.serial += 1
        return f"{self.random.randrange(10**9):09} {self.serial:06}\n"      # always the same size

    def file(self):
        """A path for a file, whose directory is there; no link, since nobody writes through one here."""
        path = self.tree / self.random.choice(DIRECTORIES) / self.random.choice(NAMES)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()
        elif path.is_dir():     # that another one was renamed to
            shutil.rmtree(path)
        return path

    def directory(self):
        return self.tree / self.random.choice(DIRECTORIES[1:])

    def some(self, wanted):
        """An existing file or directory, None if there is none."""
        found = sorted(path for path in self.tree.rglob("*") if wanted(path))
        return self.random.choice(found) if found else None

    def some_file(self):
        return self.some(lambda path: path.is_file() and not path.is_symlink())

    # One edit each; None: there was nothing to do it to

    def write_a_file(self):
        writer = self.random.choice((in_place, docker, rename_over, append))
        path = self.file()
        writer(path, self.text())
        return writer.__name__, path

    def edit_a_file(self):
        writer = self.random.choice((in_place, docker, rename_over, append, emacs, jetbrains))
        path = self.some_file()
        if path:
            writer(path, self.text())
            return writer.__name__, path

    def map_a_file(self):
        path = self.some_file()
        if path and path.stat().st_size:
            map_and_write(path, self.text().encode()[:path.stat().st_size])
            return "map_and_write", path

    def write_the_same(self):
        path = self.some_file()
        if path:
            self.random.choice((in_place, docker, rename_over))(path, path.read_text())
            return "the same", path

    def edit_twice(self):
        path = self.file()
        write(path, self.text())
        in_place(path, self.text())
        return "twice", path

    def touch(self):
        path = self.some_file()
        if path:
            os.utime(path)
            path.chmod(0o644)
            return "touch", path

    def remove_a_file(self):
        path = self.some_file()
        if path:
            path.unlink()
            return "remove", path

    def remove_and_make(self):
        path = self.some_file()
        if path:
            text = self.random.choice((path.read_text(), self.text()))
            path.unlink()
            write(path, text)
            return "remove and make", path

    def rename_a_file(self):
        path, to = self.some_file(), self.file()
        if path:
            path.rename(to)
            return "rename", path, to

    def copy_a_file(self):
        path, to = self.some_file(), self.file()
        if path and path != to:
            shutil.copyfile(path, to)
            return "copy", path, to

    def make_a_link(self):
        to = self.file()
        to.unlink(missing_ok=True)
        target = self.random.choice(("/nonexistent", "elsewhere.py", "."))
        to.symlink_to(target)
        return "symlink", to, target

    def make_a_tree(self):
        path = self.directory()
        package(path)
        (path / "v1/routes.py").write_text(self.text())
        return "package", path

    def remove_a_tree(self):
        path = self.directory()
        if path.is_dir():
            shutil.rmtree(path)
            return "rmtree", path

    def rename_a_tree(self):
        path, to = self.directory(), self.directory()
        if path.is_dir() and path not in to.parents and to not in path.parents and path != to:
            if to.is_dir():
                shutil.rmtree(to)
            to.parent.mkdir(parents=True, exist_ok=True)
            path.rename(to)
            return "rename", path, to

    def replace_a_tree(self):
        path = self.directory()
        if path.is_dir():
            new = self.tree / ".new"
            shutil.copytree(path, new, symlinks=True)
            rename_over(new / "b.py", self.text())
            shutil.rmtree(path)
            new.rename(path)
            return "replace", path

    def hide_a_tree(self):
        path = self.directory()
        if path.is_dir():
            path.rename(self.tree / ".hidden")
            package(path)
            shutil.rmtree(path)
            (self.tree / ".hidden").rename(path)
            return "hide and show", path

    PLAIN = (write_a_file, edit_a_file, edit_a_file, map_a_file, edit_twice, touch, remove_a_file)
    WILD = (write_the_same, remove_and_make, rename_a_file, copy_a_file, make_a_link, make_a_tree, remove_a_tree,
            rename_a_tree, replace_a_tree, hide_a_tree)

    def script(self):
        """One to eight edits, at once or with pauses in which initd is somewhere in a restart."""
        for _ in range(self.random.choice((1, 1, 2, 3, 5, 8))):
            done = self.random.choice(self.PLAIN + self.WILD if self.wild else self.PLAIN)(self)
            pause = self.random.choice((0, 0, 0, 0.001, 0.005, 0.02, 0.06))
            if done:
                what, *paths = done
                self.said.append(f"{what} {' '.join(str(path).removeprefix(f'{self.tree}/') for path in paths)}"
                                 f"{f', {pause} s' if pause else ''}")
                time.sleep(pause)


class Lane:
    """One initd through some of the scripts, in a thread of its own."""

    def __init__(self, lab, backend, seeds):
        self.lab, self.backend, self.seeds = lab, backend, seeds
        self.tree = lab.room()
        self.run = self.failure = None
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        def start(*words, **how):
            self.run = Run(self.lab, words, **how)
            return self.run

        tree = self.tree
        for directory in DIRECTORIES:
            write(tree / directory / "a.py")
        seed, said = None, []
        try:
            # Short times: more of them meet in one script.
            watch = Watched(start, self.lab, tree, backend=self.backend,
                            options={"settle": "5ms", "settle_removed": "15ms"})
            for n, seed in enumerate(self.seeds):
                edits = Edits(tree, seed)
                said.append(edits.said)
                edits.script()
                if not edits.wild:
                    watch.runs_the_tree()
                # Another path each time: no file looks like one that the server writes.
                edits.probe(f"probe{n}.py")
                watch.runs_the_tree()
        except BaseException as error:
            last = "\n".join("; ".join(script) for script in said[-8:])
            self.failure = f"INITD_FUZZ_SEED={seed} ({self.backend}), the last scripts:\n{last}\n\n{error}"
        if self.run:
            self.run.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_after_any_edits_the_last_contents_are_served(lab, backend):
    seeds = [int(SEED)] * 20 if SEED else random.SystemRandom().sample(range(10**6), SCRIPTS)
    lanes = [Lane(lab, backend, seeds[lane::LANES]) for lane in range(LANES)]
    for lane in lanes:
        lane.thread.join()
    failures = [lane.failure for lane in lanes if lane.failure]
    assert not failures, f"{len(failures)} of {LANES} lanes failed, the first:\n{failures[0]}"
