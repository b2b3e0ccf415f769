# SPDX-License-Identifier: MIT
"""The child's environment: what initd adds, and that everything else arrives untouched."""

import pytest

from pidns import PATH, PASSWD, REAL_ROOT, needs_real_root

SHOW = ["/bin/cat", "/proc/self/environ"]

# What initd says to every child in the lab's /etc; all else is the test's.
USER = "app" if REAL_ROOT else "root"
ADDED = {
    "AGENT_DIR": "/app/src", "HOST": "0.0.0.0", "PORT": "8000", "PYTHONUNBUFFERED": "1",
    "USER": USER, "LOGNAME": USER,
}


def environment(run):
    """The child's environment as a list of NAME=VALUE, in its order."""
    assert run.wait() == 0, run.transcript()
    return [entry.decode(errors="surrogateescape") for entry in run.readers[1].data.split(b"\0")[:-1]]


def variables(run):
    entries = environment(run)
    names = [entry.partition("=")[0] for entry in entries]
    assert len(names) == len(set(names)), "a repeated variable"
    return dict(entry.split("=", 1) for entry in entries)


def test_initd_adds_this_and_nothing_else(initd):
    run = initd(*SHOW, env={"HOME": "/tmp", "X": "1"})
    found = variables(run)
    if not REAL_ROOT:
        del found["INITD_USER_NAME"]
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "PWD", "_", "SHLVL", "OLDPWD"):
        found.pop(name, None)       # the lab's, or of the shell that execs initd
    assert found == ADDED | {"PATH": PATH, "HOME": "/tmp", "X": "1"}


@pytest.mark.parametrize("name, value", [
    ("AGENT_DIR", "/usr"), ("HOST", "::1"), ("PORT", "8080"), ("PYTHONUNBUFFERED", ""), ("PYTHONUNBUFFERED", "0"),
])
def test_what_is_already_set_is_kept(initd, name, value):
    assert variables(initd(*SHOW, env={name: value}))[name] == value


def test_options_are_exported_under_the_names_that_servers_read(initd):
    found = variables(initd(*SHOW, config="[server]\nagent_dir = /usr\nhost = ::\nport = 1001\n"))
    assert (found["AGENT_DIR"], found["HOST"], found["PORT"]) == ("/usr", "::", "1001")


def test_an_option_replaces_the_variable_of_the_same_meaning(initd):
    found = variables(initd("-o", "server.port=1001", *SHOW, env={"PORT": "1002"}))
    assert found["PORT"] == "1001"


@pytest.mark.parametrize("existing, expected", [(None, "file"), ("mine", "mine"), ("", "")])
def test_env_holds_defaults_only(initd, existing, expected):
    found = variables(initd(*SHOW, config="[env]\nMODEL = file\n", env={"MODEL": existing}))
    assert found["MODEL"] == expected


def test_env_can_change_initds_own_default(initd):
    assert variables(initd(*SHOW, config="[env]\nPYTHONUNBUFFERED = 0\n"))["PYTHONUNBUFFERED"] == "0"


def test_the_case_of_names_in_env_is_kept(initd):
    found = variables(initd(*SHOW, config="[env]\nhttp_proxy = a\nHTTP_PROXY = b\n"))
    assert (found["http_proxy"], found["HTTP_PROXY"]) == ("a", "b")


# VIRTUAL_ENV

@pytest.fixture
def project(room):
    """A project with a venv beside AGENT_DIR, as in the reference image."""
    for name in ("src", ".venv/bin", "other/bin"):
        (room / name).mkdir(parents=True)
    (room / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    return room


def test_the_venv_beside_agent_dir_is_found(initd, project):
    found = variables(initd(*SHOW, env={"AGENT_DIR": f"{project}/src"}))
    assert found["VIRTUAL_ENV"] == f"{project}/.venv"
    assert found["PATH"] == f"{project}/.venv/bin:{PATH}"


def test_the_venv_beside_agent_dir_is_found_past_a_final_slash(initd, project):
    found = variables(initd(*SHOW, env={"AGENT_DIR": f"{project}/src/"}))
    assert found["VIRTUAL_ENV"] == f"{project}/.venv"


def test_a_directory_without_pyvenv_cfg_is_no_venv(initd, project):
    (project / ".venv" / "pyvenv.cfg").unlink()
    found = variables(initd(*SHOW, env={"AGENT_DIR": f"{project}/src"}))
    assert "VIRTUAL_ENV" not in found
    assert found["PATH"] == PATH


def test_a_venv_that_is_in_the_path_already_is_not_put_there_again(initd, project):
    path = f"{project}/.venv/bin:/usr/bin:/bin"
    found = variables(initd(*SHOW, env={"AGENT_DIR": f"{project}/src", "PATH": path}))
    assert found["PATH"] == path


@pytest.mark.parametrize("path, expected", [
    ("/usr/bin:/bin", "{other}/bin:/usr/bin:/bin"),
    ("{other}/bin:/usr/bin:/bin", "{other}/bin:/usr/bin:/bin"),
    ("/usr/bin:{other}/bin:/bin", "/usr/bin:{other}/bin:/bin"),
    ("/usr/bin:/bin:{other}/bin", "/usr/bin:/bin:{other}/bin"),
    ("/usr/bin:{other}/binary", "{other}/bin:/usr/bin:{other}/binary"),
])
def test_the_bin_of_a_given_venv_is_put_in_a_path_that_lacks_it(initd, project, path, expected):
    other = f"{project}/other"
    found = variables(initd(*SHOW, env={"VIRTUAL_ENV": other, "PATH": path.format(other=other)}))
    assert found["VIRTUAL_ENV"] == other
    assert found["PATH"] == expected.format(other=other)


def test_an_empty_virtual_env_means_hands_off(initd, project):
    found = variables(initd(*SHOW, env={"AGENT_DIR": f"{project}/src", "VIRTUAL_ENV": ""}))
    assert found["VIRTUAL_ENV"] == ""
    assert found["PATH"] == PATH


def test_the_python_of_the_venv_is_what_runs(initd, lab, project):
    lab.script(project / ".venv" / "bin" / "python", "#!/bin/sh\necho venv\n")
    run = initd("python", env={"AGENT_DIR": f"{project}/src"})
    assert run.wait() == 0
    assert run.stdout == "venv\n"


@pytest.fixture
def image(lab):
    """A root directory as in the reference image: everything of the host's, and an /app with a venv."""
    root = lab.room()
    root.chmod(0o755)
    mounts = []
    for path in sorted(p for p in lab.dir.__class__("/").iterdir()):
        copy = root / path.name
        if path.is_symlink():
            copy.symlink_to(path.readlink())
        elif path.is_dir() and path.name in ("bin", "dev", "lib", "lib32", "lib64", "proc", "sbin", "usr"):
            copy.mkdir()
            mounts.append((path, copy))
    (root / "etc").mkdir()
    for name in (".venv/bin", "src/hello_agent"):
        (root / "app" / name).mkdir(parents=True)
    (root / "app/.venv/pyvenv.cfg").write_text("home = /usr/bin\n")
    (root / "app/src/hello_agent/server.py").write_text("")
    lab.script(root / "app/.venv/bin/python", '#!/bin/sh\necho $AGENT_DIR $HOST $PORT $VIRTUAL_ENV "$@"\n')
    # The lab itself, under its own name.
    inside = root / str(lab.dir).lstrip("/")
    inside.mkdir(parents=True)
    (inside / "bin").mkdir()
    (inside / "helpers").mkdir()
    mounts += [(lab.binary.parent, inside / "bin"), (lab.helpers, inside / "helpers")]
    return root, mounts


def test_an_image_in_the_reference_shape_needs_no_configuration(initd, image):
    root, mounts = image
    run = initd(root=root, mounts=mounts)
    assert run.wait() == 0, run.transcript()
    assert run.stdout == "/app/src 0.0.0.0 8000 /app/.venv -m hello_agent.server\n"


def test_the_venv_of_the_image_serves_an_agent_dir_elsewhere(initd, image):
    root, mounts = image
    run = initd("python", root=root, mounts=mounts, env={"AGENT_DIR": "/usr/lib"})
    assert run.wait() == 0, run.transcript()
    assert run.stdout == "/usr/lib 0.0.0.0 8000 /app/.venv\n"


# Who the child is

@needs_real_root
@pytest.mark.parametrize("home, expected", [
    (None, "{home}"), ("/root", "{home}"), ("/srv/mine", "/srv/mine"), ("/", "/"),
])
def test_HOME_is_the_users_where_it_was_unset_or_roots(initd, lab, room, home, expected):
    etc = lab.etc(passwd=PASSWD.replace("/home/app", str(room)))
    found = variables(initd(*SHOW, etc=etc, env={"HOME": home}))
    assert found["HOME"] == expected.format(home=room)


@needs_real_root
def test_HOME_is_tmp_where_the_users_does_not_exist(initd):
    assert variables(initd(*SHOW, env={"HOME": "/root"}))["HOME"] == "/tmp"


@needs_real_root
@pytest.mark.parametrize("user, name", [
    ("app", "app"), ("999", "app"), ("nobody", "nobody"), ("1234", "1234"), ("1234:5", "1234"), ("root", "root"),
])
def test_USER_and_LOGNAME_follow_the_user(initd, user, name):
    found = variables(initd("-o", f"user.name={user}", *SHOW, env={"USER": "root", "LOGNAME": "root"}))
    assert (found["USER"], found["LOGNAME"]) == (name, name)


@needs_real_root
def test_an_unknown_uid_gets_a_home(initd):
    assert variables(initd("-o", "user.name=1234", *SHOW, env={"HOME": None}))["HOME"] == "/tmp"


@needs_real_root
@pytest.mark.parametrize("home", [None, "/root"])
def test_a_root_by_choice_keeps_its_home(initd, home):
    assert variables(initd("-o", "user.name=root", *SHOW, env={"HOME": home}))["HOME"] == "/root"


@needs_real_root
def test_HOME_of_a_non_root_start_is_the_runtimes(initd):
    assert variables(initd(*SHOW, env={"HOME": "/srv"}, inherit={"uid": 65534}))["HOME"] == "/srv"


def test_a_child_can_start_an_initd_in_its_own_environment(initd, lab):
    run = initd(str(lab.binary), "--", "echo", "fine")
    assert run.wait() == 0, "initd's own exports are nobody's wishes: " + run.transcript()
    assert run.stdout == "fine\n"


# Everything else

def raw(initd, entries):
    """The child's environment when initd's is exactly these entries, without those that initd adds."""
    entries = [*entries, f"PATH={PATH}", "HOME=/tmp", *([] if REAL_ROOT else ["INITD_USER_NAME=0"])]
    found = environment(initd(*SHOW, inherit={"raw_env": entries}))
    return [entry for entry in found if entry.partition("=")[0] not in ADDED or entry in entries], entries


def test_order_and_repetitions_of_foreign_variables_are_kept(initd):
    found, given = raw(initd, ["B=1", "A=2", "C=3", "A=4", "B=5", "=odd", "NOVALUE", "EMPTY=", "X=a=b=c", "Y=żó\n "])
    assert found == given


@pytest.mark.parametrize("name", ["PORT", "HOST", "AGENT_DIR", "USER", "LOGNAME"])
def test_a_repeated_variable_of_initds_arrives_once(initd, name):
    value = {"PORT": "1001", "HOST": "::1", "AGENT_DIR": "/usr"}.get(name, "x")
    entries = [f"{name}={value}", "X=1", f"{name}={value}x", "HOME=/tmp", *([] if REAL_ROOT else ["INITD_USER_NAME=0"])]
    found = environment(initd(*SHOW, inherit={"raw_env": entries}))
    assert len([entry for entry in found if entry.startswith(f"{name}=")]) == 1
    assert "X=1" in found


def test_a_repeated_path_arrives_once_where_initd_changes_it(initd, project):
    entries = [f"PATH={PATH}", f"VIRTUAL_ENV={project}/other", "X=1", "PATH=/second", "HOME=/tmp",
               *([] if REAL_ROOT else ["INITD_USER_NAME=0"])]
    found = environment(initd(*SHOW, inherit={"raw_env": entries}))
    assert [entry for entry in found if entry.startswith("PATH=")] == [f"PATH={project}/other/bin:{PATH}"]


def test_ten_thousand_variables_arrive(initd):
    found, given = raw(initd, [f"VARIABLE_{number}={number}" for number in range(10_000)])
    assert found == given


def test_a_value_of_100_kb_arrives(initd):
    value = "x" * 100_000
    assert variables(initd(*SHOW, env={"LONG": value}))["LONG"] == value


def test_a_path_of_100_kb_is_searched(initd):
    path = ":".join(f"/nosuch/{number}" for number in range(7_000)) + ":/usr/bin:/bin"
    run = initd("echo", "fine", env={"PATH": path})
    assert run.wait() == 0, run.transcript()[:1000]
    assert run.stdout == "fine\n"


def test_an_empty_environment_is_enough(initd):
    entries = [] if REAL_ROOT else ["INITD_USER_NAME=0"]
    found = environment(initd(*SHOW, inherit={"raw_env": entries}))
    assert {"AGENT_DIR=/app/src", "HOST=0.0.0.0", "PORT=8000", "PYTHONUNBUFFERED=1"} <= set(found)


def test_bytes_that_are_no_utf8_arrive(initd):
    found = environment(initd(*SHOW, env={"BYTES": b"\xff\xfe".decode(errors="surrogateescape")}))
    assert b"BYTES=\xff\xfe".decode(errors="surrogateescape") in found
