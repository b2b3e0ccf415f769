# SPDX-License-Identifier: MIT
"""What the watcher does where the system sets limits, where the tree goes away, and with names that nobody expects."""

import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from harness import wait_until
from helpers.watched import BACKENDS, NOBODY_ASKS, WATCHING, Watched, let_age, watch_options
from helpers.writers import call, docker, in_place, package, write
from pidns import finish, needs_real_root, read_status

SLEEP = ["sh", "-c", "echo up; exec sleep 1000"]


@pytest.fixture
def tree(room):
    path = room / "tree"
    path.mkdir()
    path.chmod(0o777)
    write(path / "x.py")
    return path


@pytest.fixture(params=BACKENDS)
def watched(request, initd, lab):
    """watched(tree, *words, **how): an initd and its versioned_server.sh."""
    return lambda tree, *words, **how: Watched(initd, lab, tree, *words, backend=request.param, **how)


@pytest.fixture
def notified(initd, lab):
    """The same with inotify only, since that is where the limit is."""
    return lambda tree, *words, **how: Watched(initd, lab, tree, *words, **how)


def logged(run, level):
    return [line for line in run.stderr.splitlines() if line.startswith(f"initd: {level}: ")]


def answers(watch):
    """It can still be asked, and all that it says can be read."""
    process = watch.run.ask("status")
    assert process.returncode == 0 and process.stdout.replace("\n", "").isprintable(), process
    return watch.run.status()


# The queue of events

class Paused:
    """initd is stopped: with what happens in here it can only catch up."""

    def __init__(self, run):
        self.run = run

    def __enter__(self):
        self.run.kill(signal.SIGSTOP)
        wait_until(lambda: read_status(self.run.pid)["State"].startswith("T"))

    def __exit__(self, *_):
        self.run.kill(signal.SIGCONT)


def flood(directory):
    """More events than the queue holds, of files that do not count."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 100_000:
        pytest.skip(f"needs fs.inotify.max_queued_events below 100000, not {limit}")
    names = [directory / "one.tmp", directory / "two.tmp"]
    names[0].touch()
    for _ in range(limit // 4 + 100):
        os.rename(*names)               # MOVED_FROM, MOVED_TO
        os.rename(*reversed(names))


def test_an_overflow_restarts_nothing_by_itself(notified, tree):
    package(tree / "api")
    watch = notified(tree)
    watch.undisturbed(1)        # the files have been read
    with watch.no_restart(), Paused(watch.run):
        flood(tree)
    assert [line for line in logged(watch.run, "info") if "too many changes at once" in line]


def test_what_an_overflow_hides_is_found(notified, tree):
    for name in ("api", "old", "away"):
        package(tree / name)
    watch = notified(tree)
    with watch.one_restart(), Paused(watch.run):
        flood(tree)
        in_place(tree / "x.py", "new\n")
        write(tree / "api/more.py")
        package(tree / "web")
        shutil.rmtree(tree / "old")
        (tree / "away").rename(tree / "here")
    assert len(logged(watch.run, "warn")) <= 1
    # The new directories are watched, the old ones no more.
    with watch.one_restart():
        in_place(tree / "web/v1/routes.py", "new\n")
    with watch.one_restart():
        in_place(tree / "here/v1/routes.py", "new\n")


def test_a_removal_that_an_overflow_hides_is_found(notified, tree):
    package(tree / "api")
    watch = notified(tree)
    with watch.one_restart(), Paused(watch.run):
        flood(tree)
        (tree / "x.py").unlink()


def test_changes_while_initd_is_suspended_are_found(watched, tree):
    """As in a container that is paused."""
    watch = watched(tree)
    with watch.one_restart(), Paused(watch.run):
        for n in range(100):
            docker(tree / f"m{n}.py", "new\n")
        package(tree / "api")
        shutil.rmtree(tree / "api")
        package(tree / "web")


def test_a_file_that_is_half_written_again_when_its_removal_is_heard_of_is_left_to_its_writer(watched, tree):
    """Docker's unlink and create, with the same bytes: that is no change, however late initd looks."""
    write(tree / "x.py", "same\n" * 100)
    watch = watched(tree, options={"poll_interval": "500ms"})
    watch.undisturbed(1)        # the files have been read
    with watch.no_restart():
        with Paused(watch.run):
            (tree / "x.py").unlink()
            file = (tree / "x.py").open("w")
            file.write("same\n" * 50)
            file.flush()
        answers(watch)      # it has gone on
        file.write("same\n" * 50)
        file.close()


# No watches, no instance

def limited(**limits):
    """A prefix: in a user namespace with these limits."""
    script = "".join(f"echo {value} > /proc/sys/user/{name} || exit 96; " for name, value in limits.items())
    return {"prefix": ["unshare", "--user", "--map-root-user", "sh", "-c", f'{script} exec "$@"', "sh"],
            "env": {"INITD_USER_NAME": "0"}}


@pytest.fixture
def large_tree(tree):
    for n in range(30):
        package(tree / f"api{n}")       # 60 directories
    return tree


POLL = {"poll_interval": "20ms"}


@pytest.mark.parametrize("watches, backend", [(0, "auto"), (1, "inotify"), (40, "auto")])
def test_a_full_watch_table_leads_to_polling_beside_inotify(notified, large_tree, backend, watches):
    watch = notified(large_tree, options=POLL | {"backend": backend}, **limited(max_inotify_watches=watches))
    assert len(logged(watch.run, "warn")) == 1
    assert "no inotify watch is left" in logged(watch.run, "warn")[0]
    assert answers(watch)["watch_backend"] == "inotify+poll"
    for name in ("x.py", "api0/main.py", "api29/v1/routes.py", "api15/v1/routes.py", "api7/new/deep/x.py"):
        with watch.one_restart():
            write(large_tree / name, "new\n")
    with watch.one_restart():
        shutil.rmtree(large_tree / "api3")
    with watch.no_restart():
        docker(large_tree / "x.py", "new\n")
    assert len(logged(watch.run, "warn")) == 1


def test_a_watch_table_that_fills_up_later_leads_to_polling(notified, tree):
    watch = notified(tree, options=POLL, **limited(max_inotify_watches=10))
    assert logged(watch.run, "warn") == []
    assert answers(watch)["watch_backend"] == "inotify"
    with watch.one_restart():
        for n in range(20):
            write(tree / f"d{n}/x.py")
    assert answers(watch)["watch_backend"] == "inotify+poll"
    for n in (0, 10, 19):
        with watch.one_restart():
            in_place(tree / f"d{n}/x.py", "new\n")
    assert len(logged(watch.run, "warn")) == 1


@pytest.mark.parametrize("backend", ["auto", "inotify"])
def test_without_an_instance_it_polls(notified, large_tree, backend):
    watch = notified(large_tree, options=POLL | {"backend": backend}, **limited(max_inotify_instances=0))
    assert len(logged(watch.run, "warn")) == 1
    assert "no inotify instance is left" in logged(watch.run, "warn")[0]
    assert answers(watch)["watch_backend"] == "poll"
    with watch.one_restart():
        docker(large_tree / "x.py", "new\n")
    with watch.one_restart():
        write(large_tree / "web/v1/x.py", "new\n")
    assert len(logged(watch.run, "warn")) == 1


def test_polling_needs_no_watches(notified, large_tree):
    watch = notified(large_tree, options=POLL | {"backend": "poll"},
                     **limited(max_inotify_watches=0, max_inotify_instances=0))
    assert logged(watch.run, "warn") == []
    with watch.one_restart():
        docker(large_tree / "x.py", "new\n")


def test_watches_of_removed_directories_are_given_back(notified, tree):
    watch = notified(tree, options=POLL, **limited(max_inotify_watches=20))
    for n in range(2):
        with watch.one_restart():
            for number in range(15):
                write(tree / f"d{n}_{number}/x.py")
        with watch.one_restart():
            for number in range(15):
                shutil.rmtree(tree / f"d{n}_{number}")
    assert answers(watch)["watch_backend"] == "inotify"
    assert logged(watch.run, "warn") == []


# The root

def moved(tree):
    tree.rename(tree.with_name("elsewhere"))


@pytest.mark.parametrize("leaves", [shutil.rmtree, moved], ids=["removed", "moved"])
def test_a_root_that_comes_back_is_watched_again(watched, tree, room, leaves):
    package(tree / "api")
    watch = watched(tree, options={"poll_interval": "20ms"})
    leaves(tree)
    watch.run.logs(re.compile(r"initd: warn: "))
    package(tree / "web")
    write(tree / "x.py", "new\n")
    watch.runs_the_tree()
    assert len(logged(watch.run, "warn")) == 1
    for name in ("x.py", "web/v1/routes.py", "web/deep/x.py"):
        n = watch.n_starts
        write(tree / name, "newer\n")
        watch.wait_for_starts(n + 1)
        watch.runs_the_tree()
    if leaves is moved:
        with watch.no_restart():
            in_place(room / "elsewhere/x.py", "not ours\n")
            write(room / "elsewhere/api/more.py")
    assert len(logged(watch.run, "warn")) == 1


def test_a_root_that_comes_back_as_it_was_restarts_nothing(watched, tree):
    """`mv app old; cp -a old app`, or an editor of directories."""
    watch = watched(tree, options={"poll_interval": "20ms", "settle_removed": "2s"})
    watch.undisturbed(1)        # the files have been read
    with watch.no_restart():
        other = tree.with_name("other")
        shutil.copytree(tree, other)
        tree.rename(tree.with_name("elsewhere"))
        other.rename(tree)
    with watch.one_restart():
        in_place(tree / "x.py", "newer\n")


def test_a_root_that_is_replaced_is_read_again(watched, tree):
    package(tree / "api")
    watch = watched(tree, options={"poll_interval": "20ms"})
    other = tree.with_name("other")
    package(other / "web")
    write(other / "x.py", "new\n")
    tree.rename(tree.with_name("elsewhere"))
    other.rename(tree)
    watch.runs_the_tree()
    with watch.one_restart():
        in_place(tree / "web/main.py", "newer\n")


def test_a_root_that_is_a_link_can_be_swapped(watched, room):
    """A release directory: `ln -sfn v2 current`."""
    for name in ("v1", "v2"):
        package(room / name / "api")
        write(room / name / "x.py", f"{name}\n")
    link = room / "current"
    link.symlink_to("v1")
    watch = watched(link, options={"poll_interval": "20ms"})

    def swap(target):
        (room / "next").symlink_to(target)
        (room / "next").rename(link)
    for target in ("v2", "v1", "v2"):
        swap(target)
        watch.runs_the_tree()
    with watch.one_restart():
        in_place(room / "v2/x.py", "new\n")
    with watch.no_restart():
        in_place(room / "v1/x.py", "not ours\n")


def test_the_parent_of_the_root_can_move(watched, room):
    tree = room / "a/b/tree"
    package(tree / "api")
    watch = watched(tree, options={"poll_interval": "20ms"})
    (room / "a").rename(room / "gone")
    package(tree / "web")
    watch.runs_the_tree()
    with watch.one_restart():
        in_place(tree / "web/main.py", "new\n")


def test_a_stop_while_the_root_is_missing(watched, tree):
    watch = watched(tree, options={"poll_interval": "20ms"})
    shutil.rmtree(tree)
    watch.run.logs("initd: warn: ")
    wait_until(lambda: answers(watch)["watch_files"] == 0)
    watch.run.kill(signal.SIGTERM)
    # Whatever phase it is in: versioned_server.sh cannot start without its tree.
    assert watch.run.wait(5) in (143, 3)


@needs_real_root
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_file_system_that_is_unmounted_is_missed(initd, room, backend):
    """Inside the mount namespace of initd. (That another one is mounted there is told by no event.)"""
    tree = room / "tree"
    tree.mkdir()
    write(tree / "below.py")
    mount = f'mount -t tmpfs tmpfs {tree}; echo 1 > {tree}/x.py; sleep 0.05; exec "$@"'
    run = initd(*NOBODY_ASKS, *watch_options(tree, **BACKENDS[backend]), "sh", "-c",
                f"ls {tree}; echo up; exec sleep 1000", prefix=["sh", "-c", mount, "sh"])
    run.logs(WATCHING)
    run.says("x.py\nup\n")
    wait_until(lambda: finish(run.enter("umount", tree)).returncode == 0)       # busy while initd reads it
    run.says("below.py\nup\n")
    in_place(tree / "below.py", "new\n")
    wait_until(lambda: run.stdout.count("up\n") == 3)


# Odd trees

def deep_directory(tree, depth, name="d"):
    """A directory so deep that no path reaches it: a descriptor."""
    here = os.open(tree, os.O_PATH)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_PATH, dir_fd=here)
        os.close(here)
        here = below
    return here


def write_at(directory, name, text):
    fd = os.open(name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644, dir_fd=directory)
    os.write(fd, text.encode())
    os.close(fd)


@pytest.mark.parametrize("depth, name", [(2100, "d"), (40, "d" * 255)])
def test_a_tree_deeper_than_any_path_does_no_harm(initd, tree, depth, name):
    """What is too deep for a path may be left out; the rest is watched all the same."""
    bottom = deep_directory(tree, depth, name)
    try:
        write_at(bottom, "x.py", "old\n")
        run = initd(*NOBODY_ASKS, *watch_options(tree), *SLEEP)
        run.logs(WATCHING)
        for n in range(2):
            write_at(bottom, "x.py", f"new {n}\n")
            write_at(bottom, "y.py", f"new {n}\n")
            in_place(tree / f"z{n}.py", "new\n")
            run.logs(f"z{n}.py")
        assert run.status()["state"] in ("running", "restarting")
    finally:
        os.close(bottom)
        call("rm", "-rf", tree)     # rmtree() is no match for this


def test_a_deep_tree_of_short_names_is_watched(watched, tree):
    deep = tree.joinpath(*["d"] * 100)
    write(deep / "x.py")
    watch = watched(tree)
    with watch.one_restart():
        in_place(deep / "x.py", "new\n")
    with watch.one_restart():
        write(deep.joinpath(*["e"] * 100) / "x.py")


def test_a_directory_that_arrives_full_is_watched_all_the_way_down(watched, tree, room):
    watch = watched(tree)
    for n in range(2):
        new = room / f"new{n}"
        for name in ("a", "a/b", "a/b/c", "a/b/c/d"):
            package(new / name)
        with watch.one_restart():
            new.rename(tree / f"new{n}")
        with watch.one_restart():
            in_place(tree / f"new{n}/a/b/c/d/v1/routes.py", "new\n")


def test_directories_that_come_and_go_lose_nothing(watched, tree):
    """A directory that is gone before anybody could look, and another one of the same name."""
    watch = watched(tree, options={"settle_removed": "20ms"})
    for n in range(5):
        for _ in range(20):
            package(tree / "api")
            (tree / "api").rename(tree / "web")
            shutil.rmtree(tree / "web")
        write(tree / "api/v1/x.py", f"{n}\n")
        watch.runs_the_tree()
        in_place(tree / "api/v1/x.py", f"newer {n}\n")
        watch.runs_the_tree()
        shutil.rmtree(tree / "api")
    watch.runs_the_tree()


@needs_real_root
def test_what_cannot_be_read_counts_by_its_time_and_size(watched, tree):
    secret = write(tree / "secret.json")
    secret.chmod(0o600)
    watch = watched(tree)
    n = watch.n_starts
    in_place(secret, "newer\n")
    start = watch.wait_for_starts(n + 1)
    assert watch.paths(start) == ["secret.json"]
    watch.undisturbed(n + 1)


@needs_real_root
def test_directories_that_cannot_be_read_do_no_harm(watched, tree):
    closed = package(tree / "closed")
    closed.chmod(0)
    watch = watched(tree)
    for n in range(2):
        (tree / f"new{n}").mkdir(0o000)
        write(tree / f"new{n}/x.py")
        watch.undisturbed(watch.n_starts)
    answers(watch)


@needs_real_root
def test_a_directory_that_becomes_readable_is_watched(watched, tree):
    """`mkdir -m 700` by root, as an unpacker does, and the real mode last."""
    watch = watched(tree)
    for n in range(3):
        (tree / f"new{n}").mkdir(0o700)
        write(tree / f"new{n}/x.py")
        (tree / f"new{n}").chmod(0o755)
        watch.runs_the_tree()


ODD_NAMES = ["a b.py", "quote'.py", 'double".py', "back\\slash.py", "tab\t.py", "line\nfeed.py", "\x01\x7f.py", "é.py",
             "日本.py", "\udcff\udcfe.py", "\x1b[31mred.py", "%s%n.py", "$(id).py", "-rf.py", "*.py", "[x].py",
             "x" * 252 + ".py", "é" * 126 + ".py", "\udcff" * 252 + ".py", ", .py", "=.py", "a=b\nstate=ready.py"]


@pytest.mark.parametrize("where, backend", [("file", "inotify"), ("directory", "inotify"), ("file", "poll")])
def test_odd_names_are_told_and_do_no_harm(initd, tree, where, backend):
    let_age(tree)
    run = initd(*NOBODY_ASKS, *watch_options(tree, **BACKENDS[backend] | {"settle": "10ms"}), "sh", "-c",
                'printf "%s\\n" "$INITD_CHANGED"; echo up; exec sleep 1000')
    run.logs(WATCHING)
    for n, name in enumerate(ODD_NAMES, 1):
        path = tree / name if where == "file" else tree / name / "x.py"
        write(path, "new\n")
        wait_until(lambda: run.stdout.count("up\n") == n + 1, what=f"{name!r}: {run.transcript()}")
        # Valid UTF-8 in one line, whatever the name is made of.
        change = json.loads(run.readers[1].data.split(b"\n")[2 * n].decode())
        assert change["n"] == 1
        if name.isprintable():
            assert change["paths"] == [str(path)]
        found = run.status()
        assert found["watch_files"] == n + 1 and found["state"] == "running"
    answer = run.ask("status").stdout
    assert answer.replace("\n", "").isprintable(), answer
    for line in run.stderr.splitlines():
        assert line.startswith("initd: ") and line.isprintable(), line
    assert run.stderr.count("restarting: ") == len(ODD_NAMES)


def test_a_root_with_an_odd_name_is_watched(watched, room):
    for name in ("a é*", '"[x]', "x" * 255):
        write(room / name / "x.py")
        watch = watched(room / name)
        with watch.one_restart():
            in_place(room / name / "x.py", "new\n")
        answers(watch)
        watch.run.close()


# What is left behind

def test_restarts_leave_no_descriptors_and_no_memory_behind(watched, tree, lab):
    watch = watched(tree, options={"settle": "1ms"})

    def used():
        return len(os.listdir(f"/proc/{watch.run.pid}/fd")), int(read_status(watch.run.pid)["VmRSS"].split()[0])

    def work(times):
        for n in range(times):
            package(tree / f"api{n % 2}")
            watch.runs_the_tree()
            shutil.rmtree(tree / f"api{n % 2}")
            docker(tree / f"m{n % 2}.py", f"{n} of {times}\n")
            watch.runs_the_tree()
    work(2)
    before = used()
    work(8)
    after = used()
    assert after[0] == before[0]
    if not lab.sanitized:
        assert after[1] <= before[1] + 128


def test_the_server_gets_none_of_the_descriptors(watched, tree):
    watch = watched(tree)
    in_place(tree / "x.py", "new\n")
    watch.wait_for_starts(2)
    targets = [os.readlink(path) for path in Path(f"/proc/{watch.run.child_pid()}/fd").iterdir()]
    assert len(targets) == 3 and not [target for target in targets if "inotify" in target], targets


# Mistakes in the configuration

@pytest.fixture
def refused(initd, room):
    """refused(*parts, options=[...]) asserts exit code 78, one line that holds the parts, and that nothing started."""

    def check(*parts, options, **how):
        words = [word for option in options for word in ("-o", option)]
        run = initd(*words, "sh", "-c", f"touch {room}/mark", **how)
        assert run.wait() == 78, run.transcript()
        line, = run.stderr.splitlines()
        assert line.startswith("initd: error: ")
        for part in parts:
            assert str(part) in line
        assert not (room / "mark").exists()

    return check


@pytest.mark.parametrize("option", [
    "enabled=maybe", "enabled=", "enabled=1", "backend=kqueue", "backend=", "poll_interval=0", "poll_interval=2h",
    "poll_interval=often", "settle=0", "settle=61m", "settle=-1s", "settle_removed=2h", "stop_timeout=soon",
    "include=*.py,,*.html", "include=,", "ignore=default,", "nosuch=1"])
def test_a_value_that_is_none_is_refused(refused, tree, option):
    name = option.partition("=")[0]
    refused(f"watch.{name}", options=["watch.enabled=yes", f"watch.paths={tree}", f"watch.{option}"])


@pytest.mark.parametrize("enabled", ["auto", "yes"])
@pytest.mark.parametrize("paths", ["/nosuch/tree", "{tree}/x.py", "{tree},/nosuch/tree", "nosuch", "/", "{tree},/",
                                   "{tree}/..//../../..", "/proc/self/root"])
def test_a_path_that_cannot_be_watched_is_refused(refused, tree, enabled, paths):
    paths = paths.format(tree=tree)
    refused("watch.paths", options=[f"watch.enabled={enabled}", f"watch.paths={paths}"], cwd=tree)


def test_agent_dir_must_be_there_if_it_shall_be_watched(refused):
    refused("/nosuch/src", options=["watch.enabled=yes", "server.agent_dir=/nosuch/src"])
    if not os.path.exists("/app/src"):
        refused("/app/src", options=["watch.enabled=yes"])


def test_who_watches_nothing_needs_no_directories(initd):
    for words in (["-o", "watch.enabled=no", "-o", "watch.paths=/nosuch"], ["-o", "server.agent_dir=/"], []):
        run = initd(*words, "echo", "fine")
        assert run.wait() == 0, run.transcript()
        assert run.stdout == "fine\n"
        assert "watch" not in run.stderr


@pytest.mark.parametrize("how", [{"env": {"INITD_WATCH_ENABLED": "sometimes"}},
                                 {"config": "[watch]\nenabled = perhaps\n"}], ids=["environment", "file"])
def test_the_place_of_the_mistake_is_named(refused, how):
    refused("INITD_WATCH_ENABLED" if "env" in how else "initd.ini", options=[], **how)
