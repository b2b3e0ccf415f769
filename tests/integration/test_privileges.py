# SPDX-License-Identifier: MIT
"""Who the child is: names to ids, the drop from real root, and that nothing leads back."""

import os
import pty
import shutil
import socket
from pathlib import Path

import pytest

from harness import wait_until
from pidns import GROUP, PASSWD, Reader, needs_real_root, read_status

STATUS = ["/bin/cat", "/proc/self/status"]


def status(run):
    """/proc/self/status of a child that shows it."""
    assert run.wait() == 0, run.transcript()
    lines = (line.partition(":") for line in run.stdout.splitlines())
    return {name: value.strip() for name, _, value in lines}


def ids(found):
    """(uid, gid, supplementary groups) where real, effective, saved and file system ids agree."""
    (uid,), (gid,) = set(found["Uid"].split()), set(found["Gid"].split())
    return int(uid), int(gid), {int(group) for group in found["Groups"].split()} - {int(gid)}


def refused(run, code, *parts):
    assert run.wait() == code, run.transcript()
    lines = run.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("initd: error: ")
    for part in parts:
        assert part in lines[0]
    assert run.stdout == ""


# Names and numbers

@needs_real_root
@pytest.mark.parametrize("user, expected", [
    (None, (999, 999)),
    ("app", (999, 999)),
    ("999", (999, 999)),
    ("nobody", (65534, 65534)),
    ("app:nogroup", (999, 65534)),
    ("app:1234", (999, 1234)),
    ("1234", (1234, 1234)),
    ("1234:5678", (1234, 5678)),
    ("1234:app", (1234, 999)),
    ("2147483647", (2147483647, 2147483647)),
    ("root", (0, 0)),
    ("0", (0, 0)),
    ("0:0", (0, 0)),
    ("root:app", (0, 999)),
])
def test_a_user_is_a_name_or_a_number_with_or_without_a_group(initd, user, expected):
    how = {} if user is None else {"env": {"INITD_USER_NAME": user}}
    assert ids(status(initd(*STATUS, **how)))[:2] == expected


@needs_real_root
def test_the_group_of_a_user_is_the_one_in_passwd(initd, lab):
    etc = lab.etc(passwd=PASSWD.replace(":999:999:", ":999:50:"))
    assert ids(status(initd(*STATUS, etc=etc)))[:2] == (999, 50)
    assert ids(status(initd("-o", "user.name=999", *STATUS, etc=etc)))[:2] == (999, 50)


@needs_real_root
@pytest.mark.parametrize("user", ["app", "999"])
def test_supplementary_groups_come_from_etc_group(initd, lab, user):
    group = GROUP + ("one:x:2001:app\ntwo:x:2002:nobody,app\nthree:x:2003:nobody,app2\n"
                     "four:x:2004:xapp,app,root\nfive:x:2005:\n")
    found = ids(status(initd("-o", f"user.name={user}", *STATUS, etc=lab.etc(group=group))))
    assert found == (999, 999, {2001, 2002, 2004})


@needs_real_root
def test_a_hundred_groups_are_all_given(initd, lab):
    group = GROUP + "".join(f"g{gid}:x:{gid}:app\n" for gid in range(3000, 3100))
    assert ids(status(initd(*STATUS, etc=lab.etc(group=group))))[2] == set(range(3000, 3100))


@needs_real_root
def test_a_line_of_100_kb_in_etc_group_is_read(initd, lab):
    members = ",".join(f"user{number}" for number in range(10_000))
    group = f"{GROUP}big:x:2001:{members},app\nnext:x:2002:app\n"
    assert ids(status(initd(*STATUS, etc=lab.etc(group=group))))[2] == {2001, 2002}


@needs_real_root
@pytest.mark.parametrize("user", ["1234", "1234:5678"])
def test_an_unknown_uid_is_fine_and_has_no_groups_of_roots(initd, user):
    assert ids(status(initd("-o", f"user.name={user}", *STATUS)))[2] == set()


@needs_real_root
@pytest.mark.parametrize("user, group", [(None, None), (PASSWD, None), ("", "")])
def test_a_number_needs_no_passwd(initd, lab, user, group):
    etc = lab.etc(passwd=user, group=group)
    assert ids(status(initd("-o", "user.name=1234:5678", *STATUS, etc=etc))) == (1234, 5678, set())


@needs_real_root
@pytest.mark.parametrize("line", [
    "broken", "app", "app:x", "app:x::999:::", "app:x:-1:999::/:", "app:x:4294967296:4294967296::/:",
    "app:x:abc:999::/:", "app:x:4294967295:999::/:", "app:x: 0:0::/:", "app:x:+0:+0::/:",
])
def test_a_broken_line_in_passwd_is_never_root(initd, lab, line):
    etc = lab.etc(passwd=f"root:x:0:0::/root:/bin/sh\n{line}\n")
    run = initd(*STATUS, etc=etc)
    assert run.wait() == 77, run.transcript()
    assert run.stdout == ""
    assert run.stderr.startswith("initd: error: ") and run.stderr.count("\n") == 1


@needs_real_root
def test_passwd_without_a_final_newline_and_with_noise_is_read(initd, lab):
    etc = lab.etc(passwd="# comment\n\n+::::::\nroot:x:0:0::/root:/bin/sh\n"
                         "application:x:5:5::/:\napp:x:999:999::/:/bin/sh")
    assert ids(status(initd(*STATUS, etc=etc)))[:2] == (999, 999)


@needs_real_root
@pytest.mark.parametrize("user", [
    "4294967296", "4294967295", "2147483648", "-1", "1000abc", "+5", " 5", "0x10", "1.5", "18446744073709551616",
    "nosuch",
    "app:nosuch", "app:-1", "app:4294967295", "app:4294967296", "app:+5", "app:", ":999", ":", "5:", "app:app:app", "",
    "999:0x5", "ap",
])
def test_what_names_nobody_never_runs_as_anybody(initd, room, user):
    run = initd("touch", f"{room}/mark", env={"INITD_USER_NAME": user})
    assert run.wait() in (77, 78), run.transcript()
    assert run.stderr.startswith("initd: error: ") and run.stderr.count("\n") == 1
    assert not (room / "mark").exists()


@needs_real_root
@pytest.mark.parametrize("user, part", [("nosuch", "nosuch"), ("app:nosuch", "nosuch")])
def test_an_unknown_name_is_77_and_named(initd, user, part):
    refused(initd("-o", f"user.name={user}", "true"), 77, part)


@needs_real_root
@pytest.mark.parametrize("files", [{"passwd": None}, {"passwd": ""}, {"passwd": "root:x:0:0::/root:/bin/sh\n"}])
def test_without_the_default_user_the_way_out_is_named(initd, lab, files):
    refused(initd("true", etc=lab.etc(**files)), 77, "app", "user.name")


# The drop

@needs_real_root
def test_the_child_has_no_capability_left(initd):
    found = status(initd(*STATUS))
    assert ids(found) == (999, 999, set())
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(found[name], 16) == 0, name
    assert found["NoNewPrivs"] == "1"


@needs_real_root
def test_initd_itself_has_no_capability_left(initd):
    run = initd("sh", "-c", "echo ready; exec sleep 100")
    run.says("ready")
    found = read_status(run.pid)
    assert ids(found) == (999, 999, set())
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(found[name], 16) == 0, name


@needs_real_root
def test_no_new_privs_can_be_left_out_for_sudo(initd):
    found = status(initd("-o", "user.no_new_privs=no", *STATUS))
    ours = read_status("self")
    assert found["NoNewPrivs"] == "0"
    assert found["CapBnd"] == ours["CapBnd"]
    assert int(found["CapPrm"], 16) == int(found["CapEff"], 16) == 0


@needs_real_root
def test_root_by_choice_is_a_root_that_can_do_something(initd):
    found = status(initd("-o", "user.name=root", "-o", "user.no_new_privs=no", *STATUS))
    ours = read_status("self")
    assert int(found["CapEff"], 16) == int(ours["CapBnd"], 16) & int(ours["CapPrm"], 16) != 0


@needs_real_root
def test_root_by_choice_keeps_what_the_runtime_gave(initd):
    found = status(initd("-o", "user.name=root", *STATUS))
    assert int(found["CapEff"], 16) == int(read_status("self")["CapEff"], 16)


def tries(run):
    assert run.wait() == 0, run.transcript()
    return dict(line.split(": ", 1) for line in run.stdout.splitlines())


@pytest.fixture
def setuid_id(lab):
    """A setuid-root program that prints its effective uid."""
    if os.statvfs(lab.dir).f_flag & os.ST_NOSUID:
        pytest.skip(f"needs a file system without nosuid under {lab.dir.parent}")
    program = lab.room() / "id"
    shutil.copy(Path(shutil.which("id")).resolve(), program)
    program.chmod(0o4755)
    yield lab.script(program.with_name("euid"), f"#!/bin/sh\nexec {program} -u\n")
    program.unlink()


@needs_real_root
def test_a_dropped_child_finds_no_way_back_and_sees_nothing_of_initds(initd, lab, setuid_id):
    found = tries(initd(*lab.helper("attack.py", setuid_id)))
    assert len(found) == 14
    assert set(found.values()) == {"refused"}, found


@needs_real_root
def test_a_setuid_file_works_where_no_new_privs_is_off(initd, lab, setuid_id):
    found = tries(initd("-o", "user.no_new_privs=no", *lab.helper("attack.py", setuid_id)))
    assert found.pop("setuid file") == "ok"
    assert set(found.values()) == {"refused"}, found


@needs_real_root
def test_a_non_root_start_hides_initd_from_a_child_of_the_same_uid(initd, lab, setuid_id):
    found = tries(initd(*lab.helper("attack.py", setuid_id), inherit={"uid": 65534}))
    assert set(found.values()) == {"refused"}, found


# Started as somebody else

@needs_real_root
def test_a_non_root_start_is_no_switch_and_no_word(initd):
    run = initd(*STATUS, inherit={"uid": 65534})
    found = status(run)
    assert ids(found) == (65534, 65534, set())
    assert found["NoNewPrivs"] == "1"
    assert "warn" not in run.stderr


@needs_real_root
def test_a_non_root_start_needs_no_known_user(initd, lab):
    assert ids(status(initd(*STATUS, inherit={"uid": 12345}, etc=lab.etc(passwd=None, group=None))))[0] == 12345


@needs_real_root
def test_a_user_that_a_non_root_start_cannot_become_is_one_warning(initd):
    run = initd("-o", "user.name=app", *STATUS, inherit={"uid": 65534})
    assert ids(status(run))[0] == 65534
    warnings = [line for line in run.stderr.splitlines() if "warn" in line.lower()]
    assert len(warnings) == 1
    assert "app" in warnings[0] and "65534" in warnings[0]


@needs_real_root
@pytest.mark.parametrize("user", ["nobody", "65534", "65534:65534"])
def test_a_user_that_initd_is_already_is_no_warning(initd, user):
    run = initd("-o", f"user.name={user}", *STATUS, inherit={"uid": 65534})
    assert ids(status(run))[0] == 65534
    assert "warn" not in run.stderr


@needs_real_root
def test_a_non_root_start_keeps_the_capabilities_that_the_runtime_gave(initd):
    run = initd(*STATUS, prefix=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                 "--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service"])
    found = status(run)
    assert ids(found)[0] == 65534
    for name in ("CapAmb", "CapEff"):
        assert int(found[name], 16) == 1 << 10, name


@needs_real_root
def test_root_without_capabilities_is_told_what_to_add(initd, room):
    run = initd("touch", f"{room}/mark", inherit={"drop_caps": True})
    refused(run, 77, "SETUID", "SETGID")
    assert not (room / "mark").exists()


@needs_real_root
def test_root_without_capabilities_may_stay_root_aloud(initd):
    run = initd("-o", "user.name=root", *STATUS, inherit={"drop_caps": True})
    assert ids(status(run))[0] == 0


@needs_real_root
def test_a_user_namespace_that_denies_setgroups_is_no_error(initd):
    run = initd(*STATUS, inherit={"user_namespace": True})
    found = status(run)
    assert ids(found)[:2] == (999, 999)
    assert int(found["CapEff"], 16) == 0
    assert "setgroups" in run.stderr, "what could not be dropped is said"


def test_an_unmapped_user_is_77_and_says_so(initd, lab):
    run = initd("true", env={"INITD_USER_NAME": "app"}, prefix=["unshare", "--user", "--map-root-user"])
    refused(run, 77, "map")


def test_the_only_mapped_user_is_root_and_can_be_chosen(initd):
    run = initd("-o", "user.name=0", *STATUS, prefix=["unshare", "--user", "--map-root-user"])
    assert ids(status(run))[:2] == (0, 0)


# /dev/stdout

ECHO = ["sh", "-c", "echo out > /dev/stdout && echo err > /dev/stderr"]


@needs_real_root
def test_a_dropped_child_can_open_its_pipes_again(initd):
    run = initd(*ECHO)
    assert run.wait() == 0, run.transcript()
    assert run.stdout == "out\n"
    assert "err\n" in run.stderr


@needs_real_root
def test_a_dropped_child_can_open_its_terminal_again(initd):
    run = initd(*ECHO, terminal=True)
    assert run.wait() == 0, run.transcript()
    assert "out\r\n" in run.stdout and "err\r\n" in run.stdout


@needs_real_root
def test_a_terminal_that_nobody_controls_can_be_opened_again(initd):
    master, slave = pty.openpty()
    reader = Reader(master)
    run = initd(*ECHO, stdout=slave)
    os.close(slave)
    assert run.wait() == 0
    wait_until(lambda: "out" in reader.text)
    reader.close()


@needs_real_root
def test_a_file_as_stdout_is_written_to_and_keeps_its_owner(initd, room):
    path = room / "log"
    with open(path, "wb") as log:
        run = initd("echo", "out", stdout=log)
        assert run.wait() == 0
    assert path.read_text() == "out\n"
    assert path.stat().st_uid == 0


@needs_real_root
def test_a_file_that_the_user_owns_can_be_opened_again(initd, room):
    path = room / "log"
    path.touch()
    os.chown(path, 999, 999)
    with open(path, "wb") as log:
        assert initd("sh", "-c", "echo out >> /dev/stdout", stdout=log).wait() == 0
    assert path.read_text() == "out\n"


@needs_real_root
def test_dev_null_stays_roots(initd):
    with open("/dev/null", "r+b") as null:
        assert initd("true", stdin=null, stdout=null).wait() == 0
    assert os.stat("/dev/null").st_uid == 0


@needs_real_root
def test_a_socket_as_stdout_is_left_alone(initd):
    ours, theirs = socket.socketpair()
    run = initd("echo", "out", stdout=theirs.fileno())
    theirs.close()
    assert run.wait() == 0
    assert ours.recv(100) == b"out\n"
    ours.close()


@needs_real_root
def test_a_drop_happens_once_and_a_restart_needs_no_root(initd):
    run = initd("-o", "server.restart=on-failure", "-o", "server.restart_limit=2", "-o", "server.restart_delay=10ms",
                "sh", "-c", "id -u; exit 1")
    assert run.wait() == 1
    assert run.stdout == "999\n" * 3
