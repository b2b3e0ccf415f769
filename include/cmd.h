/* SPDX-License-Identifier: MIT */
/* The subcommands. Each gets its own words (argv[0] is not looked at) and returns the exit code. */
#ifndef INITD_CMD_H
#define INITD_CMD_H

struct proc_signals;

int cmd_run(int argc, char **argv, const struct proc_signals *inherited);
int cmd_check(int argc, char **argv, const struct proc_signals *inherited);
int cmd_healthcheck(int argc, char **argv, const struct proc_signals *inherited);
int cmd_status(int argc, char **argv, const struct proc_signals *inherited);
int cmd_restart(int argc, char **argv, const struct proc_signals *inherited);

#endif
