/* SPDX-License-Identifier: MIT */
/* The words behind a subcommand. */
#include "cmdline.h"

#include "parse.h"

#include <getopt.h>
#include <unistd.h>

enum {
	PID_MAX = 1 << 22, /* PID_MAX_LIMIT of the kernel */
};

/* In getopt(3)'s words: optopt is the letter, '-' or 0 if it was --word. */
static int
unknown_option(const char *word, struct error *err)
{
	if (optopt != 0 && optopt != '-')
		return error_set(err, "unknown option -%c; see initd --help", optopt);
	return error_set(err, "unknown option %.100s; see initd --help", word);
}

static int
take_pid(struct cmdline *cmd, const char *text, struct error *err)
{
	uint64_t pid;

	if (!parse_number(text, PID_MAX, &pid) || pid == 0)
		return error_set(err, "--pid %.40s: expected a process number", text);
	cmd->pid = (pid_t)pid;
	return 0;
}

/* The long options that are wanted, for getopt_long(3). */
static void
list_long_options(unsigned options, struct option list[4])
{
	static const struct {
		unsigned bit;
		struct option option;
	} all[] = {
		{ CMDLINE_JSON, { "json", no_argument, NULL, 'j' } },
		{ CMDLINE_PID, { "pid", required_argument, NULL, 'p' } },
		{ CMDLINE_WAIT, { "wait", no_argument, NULL, 'w' } },
	};
	size_t n = 0;

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (options & all[i].bit)
			list[n++] = all[i].option;
	list[n] = (struct option){ 0 };
}

int
cmdline_parse(struct cmdline *cmd, int argc, char **argv, unsigned options, struct error *err)
{
	/* '+': what follows COMMAND is COMMAND's. ':': tell a missing argument from an unknown option. */
	const char *letters = options & CMDLINE_CONFIG ? "+:c:o:" : "+:";
	bool has_long = (options & ~(unsigned)CMDLINE_CONFIG) != 0;
	struct option list[4];
	int c;

	*cmd = (struct cmdline){ .settings = argv };
	if (has_long)
		list_long_options(options, list);
	opterr = 0; /* one line of our own */
	while ((c = has_long ? getopt_long(argc, argv, letters, list, NULL)
			     : getopt(argc, argv, letters)) != -1) {
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
		case 'w':
			cmd->wait = true;
			break;
		case 'p':
			if (take_pid(cmd, optarg, err) < 0)
				return -1;
			break;
		case ':':
			if (optopt == 'p')
				return error_set(err, "--pid needs an argument");
			return error_set(err, "-%c needs an argument", optopt);
		default:
			return unknown_option(has_long ? argv[optind - 1] : argv[optind], err);
		}
	}
	cmd->operands = argv + optind;
	return 0;
}
