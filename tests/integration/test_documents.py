# SPDX-License-Identifier: MIT
"""conf/initd.ini says what the option table says."""

import json
import re
import subprocess

from harness import ROOT

SAMPLE = ROOT / "conf" / "initd.ini"
# What has no default, or is one name of many.
EXAMPLES = {"server.command", "server.working_dir", "server.stop_signal", "signals.SIGHUP", "health.target",
            "health.host_header", "watch.paths"}


def options(binary, *words):
    result = subprocess.run([binary, "check", "--json", *words], capture_output=True, text=True, timeout=10, env={})
    return {row["option"]: row for row in json.loads(result.stdout)["options"]}


def sample_options():
    """The options of the sample with their values, as they are when somebody switches them on."""
    found, section = {}, None
    for line in SAMPLE.read_text().splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = header[1]
        elif option := re.fullmatch(r";(\w+) = (.*)", line):
            found[f"{section}.{option[1]}"] = option[2]
    return found


def test_the_sample_has_every_option_at_its_default(initd_binary):
    defaults = options(initd_binary, "-c", "/dev/null", "true")
    sample = sample_options()
    assert sample.keys() == defaults.keys() | EXAMPLES
    for name, value in sample.items():
        if name not in EXAMPLES:
            assert value == defaults[name]["value"], name


def test_the_sample_as_it_is_changes_nothing(initd_binary):
    sample = options(initd_binary, "-c", str(SAMPLE), "true")
    assert {row["origin"] for row in sample.values()} == {"default"}


def test_every_line_of_the_sample_is_good_when_switched_on(initd_binary, tmp_path):
    path = tmp_path / "initd.ini"
    path.write_text(re.sub(r"(?m)^;(\w+ = )", r"\1", SAMPLE.read_text()))
    switched_on = options(initd_binary, "-c", str(path))
    for name, value in sample_options().items():
        assert switched_on[name]["value"] == value
        assert switched_on[name]["origin"].startswith(f"{path}:")
