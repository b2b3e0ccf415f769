/* SPDX-License-Identifier: MIT */
/* The words behind a subcommand. */
#ifndef INITD_CMDLINE_H
#define INITD_CMDLINE_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct cmdline {
	const char *config_path; /* -c, or NULL */
	char **settings;         /* the texts behind -o */
	size_t n_settings;
	bool json, wait;
	pid_t pid;       /* --pid; 0: not given */
	char **operands; /* COMMAND [ARG]…, NULL-terminated, inside argv */
};

/* Which options a subcommand has; a set of bits. */
enum cmdline_options {
	CMDLINE_CONFIG = 1 << 0, /* -c and -o */
	CMDLINE_JSON = 1 << 1,
	CMDLINE_PID = 1 << 2,
	CMDLINE_WAIT = 1 << 3,
};

/*
 * Take the options in front of the first operand; `--` ends them too. argv[0] is passed over, and
 * the slots of argv in front of the operands are used again. -1 and *err on anything that is not
 * among `options`.
 */
int cmdline_parse(struct cmdline *cmd, int argc, char **argv, unsigned options, struct error *err);

#endif
