/* SPDX-License-Identifier: MIT */
/* The words behind a subcommand. */
#include "cmdline.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

int
cmdline_parse(struct cmdline *cmd, int argc, char **argv, bool json, struct error *err)
{
	static const struct option with_json[] = {
		{"json", no_argument, NULL, 'j' },
                { 0 }
	};
	const struct option *options = json ? with_json : &with_json[1];
	int c;

	*cmd = (struct cmdline){ 0 };
	cmd->settings = malloc((size_t)argc * sizeof *cmd->settings + 1);
	if (!cmd->settings)
		return error_set(err, "%s", strerror(errno));
	opterr = 0; /* one line of our own */
	/* '+': what follows COMMAND is COMMAND's. ':': tell a missing argument from an unknown option. */
	while ((c = getopt_long(argc, argv, "+:c:o:", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			if (cmd->config_path)
				return error_set(err, "-c is given twice");
			cmd->config_path = optarg;
			break;
		case 'o':
			cmd->settings[cmd->n_settings++] = optarg;
			break;
		case 'j':
			cmd->json = true;
			break;
		case ':':
			return error_set(err, "-%c needs an argument", optopt);
		default:
			return error_set(
			    err, "unknown option %.100s; see initd --help", argv[optind - 1]);
		}
	}
	cmd->operands = argv + optind;
	return 0;
}

void
cmdline_free(struct cmdline *cmd)
{
	free(cmd->settings);
	*cmd = (struct cmdline){ 0 };
}
