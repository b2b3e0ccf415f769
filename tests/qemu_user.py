# SPDX-License-Identifier: MIT
"""What qemu-user 7.2 cannot do: these tests are skipped where it runs a binary for another machine."""

import re
import sys

import pytest

# How each reason begins.
SKIPPED = "qemu-user "

# Patterns of FILE::NAME, to their ends or to where their parameters begin.
UNABLE = {
    "has no seccomp(2)": [
        # All that holds a socket, but for servers that are given descriptor 3.
        r"test_hold::(?!.*(descriptor_3|activation|LISTEN_FDS|known_programs|nothing_is_watched|without_initd)).*",
    ],
    "has no PR_SET_CHILD_SUBREAPER": [
        r"test_reaping::test_an_orphans_end_is_not_the_servers\[False\]",
    ],
    "has real-time signals of its own and calls ours by other numbers": [
        r"test_log::test_one_line_says_why_the_server_ended\[kill -34 .*",
        r"test_signals::test_a_child_killed_by_a_signal_gives_128_and_the_signal",
        r"test_signals::test_a_signal_can_become_a_real_time_signal",
        r"test_signals::test_every_forwarded_signal_at_once_arrives",
        r"test_signals::test_this_signal_reaches_the_child_once\[(35|SIGRTMIN)\]",
    ],
    "catches what is deadly itself, ignored or not, and never blocks SIGSEGV": [
        r"test_signals::test_a_child_can_neither_kill_nor_stop_nor_crash_initd",
        r"test_signals::test_all_signals_blocked_arrive_as_all_blocked",
        r"test_signals::test_this_signal_is_nobodys_and_initd_lives\[SIG(ABRT|BUS|FPE|ILL|SEGV|SYS|TRAP)\]",
        r"test_signals::test_what_was_ignored_and_blocked_arrives_in_the_child_exactly\[ignore[02]-.*",
    ],
    "blocks signals for a moment before initd does": [
        r"test_signals::test_a_term_before_the_fork_ends_initd_without_a_child_left",
        r"test_signals::test_no_term_is_lost_from_the_moment_that_initd_blocks_it",
    ],
    "orders the environment, and drops what is there twice": [
        r"test_environment::test_a_repeated_path_arrives_once_where_initd_changes_it",
        r"test_environment::test_a_repeated_variable_of_initds_arrives_once",
        r"test_environment::test_order_and_repetitions_of_foreign_variables_are_kept",
        r"test_environment::test_ten_thousand_variables_arrive",
    ],
    "needs a descriptor, a thread and system calls of its own": [
        r"test_descriptors::test_few_descriptors_are_enough_or_an_error_never_a_crash\[3\]",
        r"test_healthcheck::test_few_descriptors_are_enough_or_told\[3-.*",
        r"test_healthcheck::test_few_descriptors_leave_exit_code_1_for_an_error\[3\]",
        r"test_healthcheck::test_it_is_one_process_that_reads_no_resolver_files_and_makes_few_calls",
        r"test_restart::test_a_fork_that_is_(always_refused_is_71|refused_for_a_moment_is_tried_again)",
        r"test_restart::test_a_term_ends_the_tries",
    ],
}


def machine(path):
    """e_machine of an ELF file."""
    with open(path, "rb") as file:
        return file.read(20)[18:]


def is_foreign(binary):
    """Is it for another machine than this one?"""
    return machine(binary) != machine(sys.executable)


def mark(items):
    """Skip what cannot be."""
    for item in items:
        name = f"{item.path.stem}::{item.name}"
        for reason, patterns in UNABLE.items():
            if any(re.fullmatch(rf"{pattern}(\[.*)?", name, re.DOTALL) for pattern in patterns):
                item.add_marker(pytest.mark.skip(reason=SKIPPED + reason))
