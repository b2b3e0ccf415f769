/* SPDX-License-Identifier: MIT */
/* The words behind a subcommand. */
#include "cmdline.h"

#include <getopt.h>
#include <unistd.h>

/* In getopt(3)'s words: optopt is the letter, '-' or 0 if it was --word. */
static int
unknown_option(const char *word, struct error *err)
{
	if (optopt != 0 && optopt != '-')
		return error_set(err, "unknown option -%c; see initd --help", optopt);
	return error_set(err, "unknown option %.100s; see initd --help", word);
}

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
			return unknown_option(json ? argv[optind - 1] : argv[optind], err);
		}
	}
	cmd->operands = argv + optind;
	return 0;
}
