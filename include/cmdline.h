/* SPDX-License-Identifier: MIT */
/* The words behind a subcommand. */
#ifndef INITD_CMDLINE_H
#define INITD_CMDLINE_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

struct cmdline {
	const char *config_path; /* -c, or NULL */
	char **settings;         /* the texts behind -o; allocated */
	size_t n_settings;
	bool json;
	char **operands; /* COMMAND [ARG]…, NULL-terminated, inside argv */
};

/*
 * Take the options in front of the first operand; `--` ends them too. argv[0] is passed over, and
 * the slots of argv in front of the operands are used again. With `json`, --json is an option. -1
 * and *err on anything unknown.
 */
int cmdline_parse(struct cmdline *cmd, int argc, char **argv, bool json, struct error *err);

#endif
