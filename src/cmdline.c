/* SPDX-License-Identifier: MIT */
/* The words behind a subcommand. */
#include "cmdline.h"

#include <getopt.h>
#include <string.h>
#include <unistd.h>

int
cmdline_parse(struct cmdline *cmd, int argc, char **argv, bool json, struct error *err)
{
	static const struct option long_options[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
	/* '+': what follows COMMAND is COMMAND's. ':': tell a missing argument from an unknown option. */
	static const char options[] = "+:c:o:";
	int c;

	*cmd = (struct cmdline){ .settings = argv };
	opterr = 0; /* one line of our own */
	while ((c = json ? getopt_long(argc, argv, options, long_options, NULL)
			 : getopt(argc, argv, options)) != -1) {
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
			return error_set(err, "unknown option %.100s; see initd --help",
			    argv[optind - (optind > 1)]);
		}
	}
	cmd->operands = argv + optind;
	return 0;
}
