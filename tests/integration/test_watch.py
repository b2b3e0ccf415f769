# SPDX-License-Identifier: MIT
"""Which changes of a watched tree restart the server, once, and which do not; with both backends."""

import os
import py_compile
import shutil
import socket
import threading
import time
from concurrent.futures import Future

import pytest

from harness import wait_until
from helpers.watched import BACKENDS, NOBODY_ASKS, WATCHING, Watched, let_age, snapshot, watch_options
from helpers.writers import (append, call, docker, docker_directory, docker_remove, emacs, git, in_place, jetbrains,
                             map_and_write, package, rename_over, rsync, tar, tool, vim, write)
from pidns import Run, needs_real_root, needs_strace

# A row is a generator: what is there when initd starts, then (after `yield`) what happens to it. All rows share one
# initd, each has a directory of its own. The longest writers here pause for 41 ms where Compose does.

CHANGES, NOTHING = [], []


def change(row):
    """Each step of this row has to restart the server exactly once."""
    CHANGES.append(row)
    return row


def nothing(row):
    """No step of this row may restart the server."""
    NOTHING.append(row)
    return row


def touches_more(row):
    """Besides, this row rewrites files with the same bytes; one that is away for a moment may be named too."""
    row.touches_more = True
    return row


LANES = 2       # so many initds with each backend


class Lane:
    """One initd for many rows, in a thread that goes through them; after a failure the next row gets a new one.

    A restart too many is found by the row that follows; the changed paths begin with the name of the row to blame."""

    def __init__(self, lab, backend, rows):
        self.lab, self.backend = lab, backend
        self.room = lab.room()
        self.watched = None
        self.outcomes = {row: Future() for row in rows}
        self.end = Future()
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def start(self):
        tree = self.room / f"tree{len(os.listdir(self.room))}"
        tree.mkdir()
        self.steps = {}
        for row in self.outcomes:
            directory = tree / row.__name__
            directory.mkdir()
            self.steps[row] = row(directory)
            try:
                next(self.steps[row])
            except pytest.skip.Exception as missing:
                if not self.outcomes[row].done():
                    self.outcomes[row].set_exception(missing)
        self.watched = Watched(lambda *words: Run(self.lab, words), self.lab, tree, backend=self.backend)

    def work(self):
        try:
            for row, outcome in self.outcomes.items():
                if self.watched is None:
                    self.start()
                if not outcome.done():
                    self.try_one(row, outcome)
            if self.watched:
                self.watched.undisturbed(self.watched.n_starts)
            self.end.set_result(None)
        except BaseException as error:
            for outcome in (*self.outcomes.values(), self.end):
                if not outcome.done():
                    outcome.set_exception(error)
        self.close()

    def try_one(self, row, outcome):
        try:
            self.go_through(row)
            outcome.set_result(None)
        except BaseException as error:      # pytest's own, too
            outcome.set_exception(error)
            self.close()

    def go_through(self, row):
        steps = self.steps[row]
        if row in NOTHING:
            with self.watched.no_restart():
                next(steps, None)
            return
        ended = False
        while not ended:
            with self.watched.one_restart(exact=not hasattr(row, "touches_more")):
                ended = next(steps, "the end") == "the end"

    def close(self):
        if self.watched:
            self.watched.run.close()
        self.watched = None


@pytest.fixture(scope="module")
def outcomes(request, lab):
    """{(backend, row): the Future of what comes out} of all that are wanted."""
    wanted = [item.callspec.params for item in request.session.items
              if "outcomes" in getattr(item, "fixturenames", ())]
    lanes = []
    for backend in BACKENDS:
        rows = [params["row"] for params in wanted if params["backend"] == backend]
        lanes += [Lane(lab, backend, rows[lane::LANES]) for lane in range(LANES)]
    yield {(lane.backend, row): outcome for lane in lanes for row, outcome in lane.outcomes.items()}
    for lane in lanes:
        lane.thread.join()
        lane.end.result()


@pytest.fixture(params=BACKENDS)
def watched(request, initd, lab):
    """watched(tree, *words, **how): an initd of its own."""
    started = []

    def start(tree, *words, **how):
        started.append(Watched(initd, lab, tree, *words, backend=request.param, **how))
        return started[-1]

    yield start
    for one in started:
        one.none_since()


# One file

@change
def edit_in_place(d):
    file = write(d / "x.py")
    yield
    in_place(file, "new\n")


@change
def append_to_a_file(d):
    file = write(d / "x.py")
    yield
    append(file, "more\n")


@change
def truncate_to_nothing(d):
    file = write(d / "x.py")
    yield
    file.open("r+").truncate(0)


@change
def edit_with_the_same_size_and_times(d):
    file = write(d / "x.py", "V = 1\n")
    then = file.stat()
    yield
    in_place(file, "V = 2\n")
    os.utime(file, ns=(then.st_atime_ns, then.st_mtime_ns))


@change
def tmp_and_rename(d):
    file = write(d / "x.py")
    yield
    rename_over(file, "new\n")


@change
def replaced_by_an_older_file(d):
    file = write(d / "x.py")
    yield
    rename_over(file, "new\n", mtime=1_000_000_000)


@change
def a_new_file_and_an_edit_of_it(d):
    yield
    write(d / "x.py")
    yield
    in_place(d / "x.py", "new\n")


@change
def an_empty_new_file(d):
    yield
    write(d / "x.py", "")


@change
def remove_a_file(d):
    file = write(d / "x.py")
    yield
    file.unlink()


@change
def remove_a_file_and_make_it_again(d):
    file = write(d / "x.py")
    yield
    file.unlink()
    yield
    write(file)


@change
def three_files_one_after_the_other(d):
    files = [write(d / name) for name in ("x.py", "y.py", "z.py")]
    yield
    for file in files:
        in_place(file, "new\n")
        time.sleep(0.01)        # an editor's "save all"


@change
@touches_more
def one_of_many_files_has_other_bytes(d):
    files = [write(d / f"x{n}.py", f"{n}\n") for n in range(10)]
    yield
    for n, file in enumerate(files):
        docker(file, f"{n}\n" if n != 7 else "new\n")


@change
def a_kind_of_file_for_each_pattern(d):
    yield
    for suffix in ("py", "pyi", "so", "toml", "yaml", "yml", "json", "ini", "cfg", "conf"):
        write(d / f"x.{suffix}")


@change
def an_environment_file(d):
    yield
    write(d / "local.env")


# As the Engine and Compose write

@change
def docker_new_file(d):
    yield
    docker(d / "x.py", "new\n")


@change
def docker_changed_file(d):
    file = write(d / "x.py")
    yield
    docker(file, "new\n")


@change
def docker_changed_file_with_the_same_size_and_second(d):
    file = d / "x.py"
    docker(file, "V = 1\n", mtime=1_700_000_000)
    yield
    docker(file, "V = 2\n", mtime=1_700_000_000)


@change
def docker_empty_file(d):
    yield
    docker(d / "x.py", "")


@change
def docker_removed_file(d):
    file = write(d / "x.py")
    yield
    docker_remove(file)


@change
def docker_renamed_file(d):
    file = write(d / "x.py")
    yield
    docker_remove(file)
    time.sleep(0.041)       # what lies between Compose's exec and its PUT
    docker(d / "y.py", "old\n")


@change
def docker_new_tree(d):
    yield
    docker_directory(d / "api")
    docker_directory(d / "api/v1")
    for name in ("api/__init__.py", "api/v1/r.py"):
        docker(d / name, f"# {name}\n")
    docker_directory(d / "api")
    docker_directory(d / "api/v1")


@change
def docker_renamed_directory(d):
    package(d / "api")
    yield
    docker_remove(d / "api")
    time.sleep(0.041)
    docker_directory(d / "web")
    docker_directory(d / "web/v1")
    for name in ("__init__.py", "main.py", "v1/__init__.py", "v1/routes.py"):
        docker(d / "web" / name, f"# api/{name}\n")
    yield
    docker(d / "web/v1/routes.py", "new\n")


@change
def docker_batch(d):
    """Half of them new, and a directory's header among them."""
    for n in range(50):
        write(d / f"x{n}.py", f"{n}\n")
    yield
    docker_directory(d)
    for n in range(101):
        docker(d / f"x{n}.py", f"new {n}\n")


# Editors and tools

@change
def vim_that_renames(d):
    file = write(d / "x.py")
    tool("vim")
    yield
    vim(file, "new\n", backupcopy="no")


@change
def vim_that_chooses(d):
    file = write(d / "x.py")
    tool("vim")
    yield
    vim(file, "new\n", backupcopy="auto")


@change
def vim_in_place(d):
    file = write(d / "x.py")
    tool("vim")
    yield
    vim(file, "new\n", backupcopy="yes")


@change
def an_emacs(d):
    file = write(d / "x.py")
    yield
    emacs(file, "new\n")


@change
def a_jetbrains(d):
    file = write(d / "x.py")
    yield
    jetbrains(file, "new\n")


@change
def sed_in_place(d):
    file = write(d / "x.py")
    yield
    call("sed", "-i", "s/old/new/", file)


@change
def rsync_a_tree(d):
    source = package(d / ".source/api")
    package(d / "api")
    write(source / "main.py", "new\n")
    write(source / "more.py", "new\n")
    write(source / "v2/x.py", "new\n")
    tool("rsync")
    yield
    rsync("-a", "--delete", f"{source}/", d / "api")
    (source / "v1/routes.py").write_text("in place\n")
    yield
    rsync("-a", "--inplace", f"{source}/", d / "api")
    shutil.rmtree(source / "v1")
    yield
    rsync("-a", "--delete", f"{source}/", d / "api")


@change
def git_checkout(d):
    package(d / "api")
    git("init", "-q", cwd=d)
    git("add", ".", cwd=d)
    git("commit", "-q", "-m", "one", cwd=d)
    git("checkout", "-q", "-b", "two", cwd=d)
    write(d / "api/main.py", "new\n")
    (d / "api/v1/routes.py").unlink()
    package(d / "web")
    git("add", "-A", ".", cwd=d)
    git("commit", "-q", "-m", "two", cwd=d)
    yield
    git("checkout", "-q", "main", cwd=d)
    yield
    git("checkout", "-q", "two", cwd=d)


def archive(d):
    """A tar of a tree `api` in d."""
    package(d / ".source/api")
    tar("-C", d / ".source", "-cf", d / "api.tar", "api")
    return d / "api.tar"


@change
def tar_a_new_tree(d):
    file = archive(d)
    yield
    tar("-C", d, "-xf", file)


@change
@touches_more
def tar_over_a_tree(d):
    file = archive(d)
    write(package(d / "api") / "main.py", "old\n")
    yield
    tar("-C", d, "-xf", file)


@change
def tar_over_a_tree_in_place(d):
    file = archive(d)
    write(package(d / "api") / "main.py", "old\n")
    yield
    tar("-C", d, "--overwrite", "-xf", file)


@change
def cp_over_a_file(d):
    file, other = write(d / "x.py"), write(d / ".other", "new\n")
    yield
    call("cp", other, file)


@change
def install_over_a_file(d):
    file, other = write(d / "x.py"), write(d / ".other", "new\n")
    yield
    call("install", "-m", "644", other, file)


@change
def dd_into_a_file(d):
    file, other = write(d / "x.py"), write(d / ".other", "new\n")
    yield
    call("dd", f"if={other}", f"of={file}", "conv=notrunc", "status=none")


@change
def a_write_through_a_mapping(d):
    file = write(d / "x.py")
    yield
    map_and_write(file, b"new")


# Names

@change
def rename_a_file(d):
    file = write(d / "x.py")
    yield
    file.rename(d / "y.py")
    yield
    in_place(d / "y.py", "new\n")


@change
def rename_a_file_over_another(d):
    one, two = write(d / "x.py", "1\n"), write(d / "y.py", "2\n")
    yield
    one.rename(two)


@change
def two_files_change_places(d):
    one, two = write(d / "x.py", "1\n"), write(d / "y.py", "2\n")
    yield
    one.rename(d / ".free")
    two.rename(one)
    (d / ".free").rename(two)


@change
def rename_to_a_name_that_does_not_count_and_back(d):
    file = write(d / "x.py")
    yield
    file.rename(d / "x.py.orig")
    yield
    (d / "x.py.orig").rename(file)


@change
def move_a_file_into_an_ignored_directory_and_back(d):
    (d / ".hidden").mkdir()
    file = write(d / "x.py")
    yield
    file.rename(d / ".hidden/x.py")
    yield
    (d / ".hidden/x.py").rename(file)


@change
def rename_a_directory(d):
    package(d / "api")
    yield
    (d / "api").rename(d / "web")
    yield
    in_place(d / "web/v1/routes.py", "new\n")
    yield
    write(d / "web/v1/more.py")
    yield
    write(d / "api/x.py")       # the old name is another directory now


@change
def swap_two_directories(d):
    for name in ("one", "two"):
        write(d / name / "x.py", f"{name}\n")
    yield
    (d / "one").rename(d / "free")
    (d / "two").rename(d / "one")
    (d / "free").rename(d / "two")
    yield
    in_place(d / "one/x.py", "new\n")
    yield
    in_place(d / "two/x.py", "new\n")


@change
def move_a_directory_out_and_in(d):
    outside = d.parent.parent / f"outside-{d.parent.name}"
    package(d / "api")
    yield
    (d / "api").rename(outside)
    yield
    outside.rename(d / "web")
    yield
    in_place(d / "web/v1/routes.py", "new\n")


@change
def hide_and_show_a_directory(d):
    package(d / "api")
    yield
    (d / "api").rename(d / ".api")
    yield
    (d / ".api").rename(d / "api")
    yield
    in_place(d / "api/v1/routes.py", "new\n")


@change
def a_new_tree_and_edits_in_it(d):
    yield
    package(d / "api")
    yield
    in_place(d / "api/v1/routes.py", "new\n")
    yield
    write(d / "api/v1/v2/v3/x.py")
    yield
    in_place(d / "api/v1/v2/v3/x.py", "new\n")


@change
def an_empty_directory_and_later_a_file(d):
    (d / "empty").mkdir()
    yield
    write(d / "empty/x.py")


@change
def a_deep_tree_at_once(d):
    yield
    for _ in range(20):
        d = d / "d"
        write(d / "x.py")


@change
def remove_a_directory(d):
    package(d / "api")
    yield
    shutil.rmtree(d / "api")
    yield
    package(d / "api")
    yield
    in_place(d / "api/v1/routes.py", "new\n")


@change
@touches_more
def remove_a_directory_and_make_it_again_at_once(d):
    package(d / "api")
    yield
    shutil.rmtree(d / "api")
    package(d / "api", names=("__init__.py", "other.py"))
    yield
    in_place(d / "api/other.py", "new\n")


# Links and kinds

@change
def a_hard_link(d):
    file = write(d / "x.py")
    yield
    os.link(file, d / "y.py")


@change
def a_hard_link_from_elsewhere(d):
    other = write(d / ".other/x.py")
    yield
    os.link(other, d / "x.py")


@change
def a_hard_link_over_a_file(d):
    file, other = write(d / "x.py"), write(d / ".other/x.py", "new\n")
    yield
    call("ln", "-f", other, file)


@change
def a_symbolic_link(d):
    yield
    (d / "x.py").symlink_to(".other/x.py")
    yield
    call("ln", "-sfn", ".more/x.py", d / "x.py")
    yield
    (d / "x.py").unlink()


@change
def a_symbolic_link_to_a_directory(d):
    package(d / ".one/api")
    package(d / ".two/api")
    (d / "current").symlink_to(".one")
    yield
    (d / ".current.new").symlink_to(".two")
    (d / ".current.new").rename(d / "current")
    yield
    (d / "current").unlink()


@change
def a_file_becomes_a_directory_and_a_file_again(d):
    write(d / "x.py")
    yield
    (d / "x.py").unlink()
    write(d / "x.py/y.py")
    yield
    in_place(d / "x.py/y.py", "new\n")
    yield
    shutil.rmtree(d / "x.py")
    write(d / "x.py")
    yield
    in_place(d / "x.py", "new\n")


@change
def a_file_becomes_a_link_and_a_file_again(d):
    file = write(d / "x.py")
    yield
    file.unlink()
    file.symlink_to(".other")
    yield
    file.unlink()
    write(file)


@change
def a_fifo_gives_way_to_a_file(d):
    os.mkfifo(d / "x.py")
    yield
    (d / "x.py").unlink()
    write(d / "x.py")


# Nothing: attributes and bytes that are the same

@nothing
def touch(d):
    file = write(d / "x.py")
    yield
    call("touch", file)


@nothing
def utime(d):
    file = write(d / "x.py")
    yield
    os.utime(file, (1_000_000_000, 1_000_000_000))


@nothing
def chmod(d):
    file = write(d / "x.py")
    yield
    file.chmod(0o755)


@nothing
def read_a_file(d):
    file = write(d / "x.py")
    yield
    file.read_text()
    call("cat", file)


@nothing
def open_for_writing_and_write_nothing(d):
    file = write(d / "x.py")
    yield
    with file.open("a"):
        pass


@nothing
def the_same_bytes_in_place(d):
    file = write(d / "x.py", "same\n" * 1000)
    yield
    in_place(file, "same\n" * 1000)


@nothing
def the_same_bytes_by_docker(d):
    """Compose's initial sync."""
    names = [d / f"x{n}.py" for n in range(20)]
    for file in names:
        write(file, f"{file.name}\n")
    yield
    docker_directory(d)
    for file in names:
        docker(file, f"{file.name}\n")


@nothing
def the_same_bytes_by_rename(d):
    file = write(d / "x.py")
    yield
    rename_over(file, "old\n")


@nothing
def the_same_bytes_by_vim(d):
    file = write(d / "x.py", "same\n")
    tool("vim")
    yield
    vim(file, "same\n", backupcopy="no")
    vim(file, "same\n", backupcopy="yes")


@nothing
def the_same_tree_by_tar(d):
    file = archive(d)
    package(d / "api")
    yield
    tar("-C", d, "-xf", file)


@nothing
def the_same_tree_by_rm_and_docker(d):
    """Compose's rename of a directory and back, faster than settle_removed."""
    package(d / "api")
    yield
    shutil.rmtree(d / "api")
    time.sleep(0.041)
    package(d / "api")


@nothing
def away_and_back(d):
    file = write(d / "x.py")
    yield
    file.rename(d / "x.py.orig")
    time.sleep(0.041)
    (d / "x.py.orig").rename(file)


@nothing
def a_directory_away_and_back(d):
    package(d / "api")
    yield
    (d / "api").rename(d / ".api")
    (d / ".api").rename(d / "api")


@nothing
def the_headers_of_directories(d):
    package(d / "api")
    yield
    docker_directory(d / "api", mtime=1_000_000_000)
    docker_directory(d / "api/v1")


# Nothing: names

@nothing
def bytecode(d):
    file = write(d / "x.py", "V = 1\n")
    yield
    py_compile.compile(str(file), doraise=True)
    assert (d / "__pycache__").is_dir()
    write(d / "__pycache__/x.py")
    write(d / "x.pyc")
    write(d / "x.pyo")
    shutil.rmtree(d / "__pycache__")


@nothing
def vim_that_only_looks(d):
    file = write(d / "x.py")
    vim = tool("vim")
    yield
    call(vim, "-N", "-u", "NONE", "-i", "NONE", "-es", "--cmd", "set directory=.", "+q", file)


@nothing
def temporaries_of_vim(d):
    write(d / "x.py")
    yield
    for name in (".x.py.swp", ".x.py.swx", "x.py.swp", "4913", "x.py~"):
        write(d / name)
        (d / name).unlink()


@nothing
def temporaries_of_emacs(d):
    write(d / "x.py")
    yield
    (d / ".#x.py").symlink_to("user@host.1234:1700000000")
    write(d / "#x.py#")
    write(d / "flycheck_x.py")
    write(d / "x.py~")
    for name in (".#x.py", "#x.py#", "flycheck_x.py"):
        (d / name).unlink()


@nothing
def temporaries_of_jetbrains(d):
    write(d / "x.py")
    yield
    for name in ("x.py___jb_tmp___", "x.py___jb_old___", ".idea/workspace.json"):
        write(d / name)
    (d / "x.py___jb_tmp___").unlink()


@nothing
def temporaries_of_vs_code(d):
    write(d / "x.py")
    yield
    write(d / "x.py.vsctmp")
    write(d / ".vscode/settings.json")
    (d / "x.py.vsctmp").unlink()


@nothing
def other_temporaries(d):
    yield
    for name in ("x.tmp", "x.bak", "x.py.bak", "x.py.tmp", "x.json.tmp"):
        write(d / name)
        in_place(d / name, "new\n")
    (d / "x.py.tmp").rename(d / "x.py.bak")


@nothing
def a_repository(d):
    write(d / "x.py")
    tool("git")
    yield
    git("init", "-q", cwd=d)
    git("add", ".", cwd=d)
    git("commit", "-q", "-m", "one", cwd=d)
    write(d / ".git/x.py")
    write(d / ".git/hooks/x.py")


@nothing
def a_venv_by_its_name(d):
    yield
    package(d / ".venv/lib/python3/site-packages/x")
    in_place(d / ".venv/lib/python3/site-packages/x/main.py", "new\n")


@nothing
def a_venv_that_was_there(d):
    write(d / "env/pyvenv.cfg", "home = /usr\n")
    package(d / "env/lib/python3/site-packages/x")
    yield
    in_place(d / "env/lib/python3/site-packages/x/main.py", "new\n")
    package(d / "env/lib/python3/site-packages/y")
    shutil.rmtree(d / "env/lib")


@nothing
def a_venv_that_is_moved_in(d):
    write(d / ".env/pyvenv.cfg", "home = /usr\n")
    package(d / ".env/lib/python3/site-packages/x")
    yield
    (d / ".env").rename(d / "env")
    in_place(d / "env/lib/python3/site-packages/x/main.py", "new\n")
    shutil.rmtree(d / "env")


@nothing
def names_that_do_not_count(d):
    write(d / "x.py")
    yield
    for name in ("x.html", "x.css", "x.md", "x.txt", "x.log", "x", "py", "x.py.orig", "x.pyx", ".hidden.py", ".env",
                 ".hidden/x.py"):
        write(d / name)
        in_place(d / name, "new\n")
        (d / name).unlink()


@nothing
def directories_that_do_not_count(d):
    yield
    for name in ("x.egg-info", "x.dist-info", "node_modules", "CVS", "__pycache__"):
        package(d / name)
        package(d / "deeper" / name)
    shutil.rmtree(d / "deeper")


@nothing
def directories_without_files(d):
    yield
    (d / "one/two").mkdir(parents=True)
    (d / "x.py").mkdir()
    (d / "one").rename(d / "three")
    shutil.rmtree(d / "three")


@nothing
def no_regular_files(d):
    yield
    os.mkfifo(d / "x.py")
    with socket.socket(socket.AF_UNIX) as sock:
        # The path of a socket is short.
        here = os.open(d, os.O_PATH)
        sock.bind(f"/proc/self/fd/{here}/y.py")
        os.close(here)
    (d / "x.py").unlink()


@nothing
def the_target_of_a_link(d):
    file = write(d / ".other/x.py")
    package(d / ".other/api")
    (d / "x.py").symlink_to(file)
    (d / "api").symlink_to(".other/api")
    yield
    in_place(file, "new\n")
    in_place(d / "api/main.py", "new\n")
    write(d / "api/more.py")


@nothing
def a_link_that_does_not_count(d):
    yield
    (d / "x.html").symlink_to("y.html")
    (d / ".x.py").symlink_to("y.py")


@pytest.mark.parametrize("row", CHANGES, ids=lambda row: row.__name__)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_change_restarts_the_server_once(outcomes, backend, row):
    outcomes[backend, row].result()


@pytest.mark.parametrize("row", NOTHING, ids=lambda row: row.__name__)
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_no_change_restarts_nothing(outcomes, backend, row):
    outcomes[backend, row].result()


def test_a_hard_link_that_is_written_to_restarts_once(watched, room):
    os.link(write(room / "x.py"), room / "y.py")
    watch = watched(room)
    n = watch.n_starts
    in_place(room / "y.py", "new\n")
    start = watch.wait_for_starts(n + 1)
    assert start.files == snapshot(room)
    # Events tell of the name that was written to only; who reads the tree finds both.
    assert "y.py" in watch.paths(start)
    watch.undisturbed(n + 1)


def test_a_directory_that_was_moved_out_is_watched_no_more(watched, room):
    package(room / "tree/api")
    watch = watched(room / "tree")
    with watch.one_restart():
        (room / "tree/api").rename(room / "api")
    with watch.no_restart():
        in_place(room / "api/main.py", "new\n")
        write(room / "api/v1/more.py")
        shutil.rmtree(room / "api")


def test_a_venv_that_is_made_is_left_alone(watched, room):
    watch = watched(room)
    n = watch.n_starts
    call("python3", "-m", "venv", "--without-pip", room / "env")
    write(room / "x.py")
    wait_until(lambda: (last := watch.last()) and "x.py" in last.files, what=f"a restart: {watch.log}")
    # Its link lib64 comes before its pyvenv.cfg, and may be taken for one of ours.
    assert watch.n_starts <= n + 2
    with watch.no_restart():
        package(room / "env/lib/python3/site-packages/x")
        in_place(room / "env/lib/python3/site-packages/x/main.py", "new\n")
        in_place(room / "env/pyvenv.cfg", "home = /usr/local\n")


# Batches: a longer settle than the default, since here the test is about their size and this machine may be busy

BATCH = {"settle": "150ms"}


@pytest.mark.parametrize("new", [True, False], ids=["new", "replaced"])
def test_a_thousand_files_restart_the_server_once(watched, room, new):
    files = [room / f"d{n % 20}" / f"x{n}.py" for n in range(1000)]
    for file in files:
        write(file) if not new else file.parent.mkdir(exist_ok=True)
    watch = watched(room, options=BATCH)
    with watch.one_restart():
        for n, file in enumerate(files):
            docker(file, f"new {n}\n")
    watch.undisturbed(2)


def test_a_thousand_files_with_the_same_bytes_restart_nothing(watched, room):
    """Compose's initial sync."""
    files = [write(room / f"d{n % 20}" / f"x{n}.py", f"{n}\n") for n in range(1000)]
    watch = watched(room, options=BATCH)
    watch.undisturbed(1)        # that takes longer than reading them all for the first time
    with watch.no_restart():
        for n, file in enumerate(files):
            docker(file, f"{n}\n")


def test_a_thousand_files_in_new_directories_restart_the_server_once(watched, room):
    watch = watched(room, options=BATCH)
    with watch.one_restart():
        for n in range(1000):
            write(room / f"d{n % 100}" / f"e{n % 10}" / f"x{n}.py", f"{n}\n")
    with watch.one_restart():
        shutil.rmtree(room / "d7")
        for n in range(10):
            (room / f"d{n + 20}").rename(room / f"f{n}")
    with watch.one_restart():
        for path in room.iterdir():
            if path.is_dir():
                shutil.rmtree(path)


# No stale bytecode

IMPORTER = "import sys; sys.path.insert(0, sys.argv[1]); import mod; print('V', mod.V, flush=True); import time; "\
    "time.sleep(1000)"


@pytest.mark.parametrize("writer", [docker, rename_over], ids=lambda writer: writer.__name__)
@pytest.mark.parametrize("deep", [False, True], ids=["module", "package"])
def test_two_edits_within_a_second_leave_no_stale_bytecode(request, initd, lab, room, writer, deep):
    """The same size and the same whole-second mtime: all that Python looks at."""
    file = room / ("mod/__init__.py" if deep else "mod.py")
    file.parent.mkdir(exist_ok=True)
    file.parent.chmod(0o777)
    mtime = 1_700_000_000
    writer(file, "V = 1\n", mtime=mtime)
    let_age(room)
    run = initd(*NOBODY_ASKS, *watch_options(room), lab.python, "-S", "-c", IMPORTER, room)
    run.logs(WATCHING)
    for version in range(1, 4):
        run.says(f"V {version}\n")
        wait_until(lambda: list(file.parent.glob("__pycache__/*.pyc")))
        writer(file, f"V = {version + 1}\n", mtime=mtime)
    run.says("V 4\n")
    assert [line for line in run.stdout.splitlines() if line.startswith("V ")] == ["V 1", "V 2", "V 3", "V 4"]


def test_only_the_bytecode_of_changed_modules_is_removed(initd, lab, room):
    cache = room / "__pycache__"
    cache.mkdir()
    cache.chmod(0o777)
    ours = [cache / f"mod.cpython-{version}.pyc" for version in ("39", "311", "311.opt-1", "313")]
    others = [cache / name for name in ("mod2.cpython-311.pyc", "model.cpython-311.pyc", "a.mod.cpython-311.pyc",
                                        "mod.cpython-311.pyc.1234", "mod.txt")]
    for path in (*ours, *others, write(room / "mod.pyc")):
        path.write_text("")
    write(room / "mod.py")
    write(room / "mod2.py")
    watch = Watched(initd, lab, room)
    with watch.one_restart():
        in_place(room / "mod.py", "new\n")
    assert [path for path in ours if path.exists()] == []
    assert [path for path in others if not path.exists()] == []


# Which files: patterns

def test_include_can_extend_the_default(watched, room):
    for name in ("x.py", "x.html", "x.css"):
        write(room / name)
    watch = watched(room, options={"include": "default, *.html, static/*.js"})
    for name in ("x.html", "x.py", "static/x.js", "static/deeper/x.js"):
        n = watch.n_starts
        write(room / name, "new\n")
        assert watch.paths(watch.wait_for_starts(n + 1)) == [name]
    n = watch.n_starts
    for name in ("x.css", "x.js", "other/static/x.js"):
        write(room / name, "new\n")
    watch.undisturbed(n)


def test_include_can_replace_the_default(watched, room):
    write(room / "x.py")
    watch = watched(room, options={"include": "*.html, marker_[0-9].py, Makefile, ?.t?t"})
    for name in ("x.html", "Makefile", "deep/Makefile", "a.txt"):
        n = watch.n_starts
        write(room / name, "new\n")
        assert watch.paths(watch.wait_for_starts(n + 1)) == [name]
    n = watch.n_starts
    for name in ("x.py", "x.json", "makefile", "ab.txt", "marker_a.py"):
        write(room / name, "new\n")
    watch.undisturbed(n)


def test_ignore_beats_include(watched, room):
    watch = watched(room, options={"ignore": "default, build, *_gen.py, api/v1/*, deep/x.py"})
    n = watch.n_starts
    for name in ("build/x.py", "lib/build/x.py", "x_gen.py", "lib/x_gen.py", "api/v1/x.py", "api/v1/deep/x.py",
                 "deep/x.py", ".x.py"):
        write(room / name, "new\n")
    watch.undisturbed(n)
    for name in ("builder/x.py", "api/x.py", "lib/api/v1/x.py", "lib/deep/x.py", "deep/y.py"):
        n = watch.n_starts
        write(room / name, "new\n")
        assert watch.paths(watch.wait_for_starts(n + 1)) == [name]


def test_ignore_can_replace_the_default(watched, room):
    watch = watched(room, options={"ignore": "*.json"})
    for name in (".hidden.py", ".hidden/x.py", "x.dist-info/x.py", "flycheck_x.py"):
        n = watch.n_starts
        write(room / name, "new\n")
        assert watch.paths(watch.wait_for_starts(n + 1)) == [name]
    n = watch.n_starts
    write(room / "x.json", "new\n")
    # Whatever the patterns say.
    write(room / "env/pyvenv.cfg", "home = /usr\n")
    write(room / "env/lib/x.py", "new\n")
    watch.undisturbed(n)


def test_a_venv_that_is_the_root_is_watched(watched, room):
    write(room / "pyvenv.cfg", "home = /usr\n")
    watch = watched(room)
    n = watch.n_starts
    write(room / "lib/x.py")
    assert watch.paths(watch.wait_for_starts(n + 1)) == ["lib/x.py"]


# Which directories

def test_without_paths_agent_dir_is_watched(watched, room, lab):
    write(room / "x.py")
    watch = watched(room, "-o", f"server.agent_dir={room}", options={"paths": None})
    with watch.one_restart():
        in_place(room / "x.py", "new\n")
    assert f"watching {room} (" in watch.run.stderr


@pytest.mark.parametrize("backend", BACKENDS)
def test_several_directories_are_watched(initd, lab, room, backend):
    trees = [room / name for name in ("one", "two", "three")]
    for tree in trees:
        write(tree / "x.py")
    let_age(room)
    run = initd(*NOBODY_ASKS, *watch_options(f"{trees[0]}, {trees[1]},three", **BACKENDS[backend]), "sh", "-c",
                'echo "up $INITD_CHANGED"; exec sleep 1000', cwd=room)
    run.logs(WATCHING)
    for n, tree in enumerate(trees):
        in_place(tree / "x.py", f"new {n}\n")
        run.says(f'up {{"n": 1, "paths": ["{tree}/x.py"]}}\n')
    assert run.stdout.count("up") == 4


def test_a_directory_within_another_is_watched_once(watched, room):
    write(room / "api/x.py")
    watch = watched(room, options={"paths": f"{room},{room}/api,{room}"})
    with watch.one_restart():
        in_place(room / "api/x.py", "new\n")


def test_a_root_that_is_a_link_is_followed(watched, room):
    write(room / "real/x.py")
    (room / "link").symlink_to("real")
    watch = watched(room / "link")
    with watch.one_restart():
        in_place(room / "real/x.py", "new\n")


def test_a_root_with_a_name_that_is_ignored_is_watched(watched, room):
    write(room / ".config/node_modules/x.py")
    watch = watched(room / ".config/node_modules")
    with watch.one_restart():
        in_place(watch.tree / "x.py", "new\n")


@needs_real_root
def test_an_initd_that_was_not_started_as_root_watches(watched, room):
    write(room / "x.py")
    watch = watched(room, inherit={"uid": 1234})
    with watch.one_restart():
        docker(room / "x.py", "new\n")
    with watch.one_restart():
        package(room / "api")


def test_what_changes_while_initd_starts_is_not_lost(watched, room):
    """Before the watches are set, while the tree is read, right after the server has looked."""
    for n in range(200):
        write(room / f"d{n % 20}" / f"x{n}.py")
    for n in range(0, 10, 2):
        edit = f'(sleep 0.0{n}; echo {n} > {room}/d{n}/x{n}.py; echo edited >&2) & exec "$@"'
        watch = watched(room, prefix=["sh", "-c", edit, "sh"])
        watch.run.logs("edited")
        watch.runs_the_tree()
        watch.run.close()


@needs_strace()
def test_what_the_server_writes_before_initd_hears_that_it_runs_is_not_lost(traced, room):
    forks = "fork,vfork,clone,clone3"
    run = traced(["-e", f"trace={forks}", "-e", f"inject={forks}:delay_exit=300000"], *NOBODY_ASKS,
                 *watch_options(room), "sh", "-c", f"echo new > {room}/x.py; exec sleep 1000").run
    run.logs("restarting: x.py ")


@needs_strace()
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_changes_between_a_look_at_it_and_its_reading_is_not_lost(traced, room, backend):
    write(room / "x.py")
    let_age(room)
    run = traced(["-P", "x.py", "-e", "trace=openat", "-e", "inject=openat:delay_enter=300000"], *NOBODY_ASKS,
                 *watch_options(room, **BACKENDS[backend]), "sleep", "1000").run
    run.logs(WATCHING)
    in_place(room / "x.py", "new\n")
    run.logs("restarting: x.py changed")
