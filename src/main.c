/* SPDX-License-Identifier: MIT */
/* The table of subcommands. */
#include "cmd.h"
#include "exit_code.h"
#include "signals.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv, const struct proc_signals *inherited);
	const char *synopsis, *help;
} commands[] = {
	{ "run", cmd_run, "[run] [-c FILE] [-o SECTION.NAME=VALUE]... [--] [COMMAND [ARG]...]",
	    "start the server and look after it" },
	{ "healthcheck", cmd_healthcheck,
	    "healthcheck [-c FILE] [-o SECTION.NAME=VALUE]... [--json] [TARGET]",
	    "ask the server once; exit 0 if it is healthy, 1 if not" },
	{ "status", cmd_status, "status [--json] [--pid N]",
	    "what the initd that is PID 1 (or N) knows about its server" },
	{ "restart", cmd_restart, "restart [--wait] [--pid N]",
	    "start the server anew; --wait until it is ready" },
	{ "check", cmd_check,
	    "check [-c FILE] [-o SECTION.NAME=VALUE]... [--json] [COMMAND [ARG]...]",
	    "show the options, where each came from, and what is wrong with this image" },
};

enum {
	N_COMMANDS = sizeof commands / sizeof commands[0],
};

/* A full disk as stdout is noticed here at the latest. */
static int
said(void)
{
	return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_CODE_OK : EXIT_CODE_REFUSED;
}

static int
print_help(void)
{
	(void)puts(
	    "initd: the init, privilege drop and supervisor of a Python server's container\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		(void)printf("  initd %s\n      %s\n", commands[i].synopsis, commands[i].help);
	(void)puts(
	    "  initd --version | --help\n\n"
	    "A first word that is no subcommand starts COMMAND. Without COMMAND: server.command, or the\n"
	    "one package in AGENT_DIR. Options also come from /etc/initd.ini (-c, INITD_CONFIG) and from\n"
	    "INITD_SECTION_NAME in the environment.");
	return said();
}

static int
print_version(void)
{
	(void)puts("initd " INITD_VERSION);
	return said();
}

/*
 * Somebody may have closed 0, 1 or 2; then our next descriptor would become the server's stdin or
 * the target of its logs. One poll(2) tells for all three.
 */
static void
guard_stdio(void)
{
	struct pollfd fds[3] = { { .fd = 0 }, { .fd = 1 }, { .fd = 2 } };
	int fd;

	if (poll(fds, 3, 0) <= 0 ||
	    !((fds[0].revents | fds[1].revents | fds[2].revents) & POLLNVAL))
		return;
	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			fd = open("/", O_RDONLY | O_DIRECTORY); /* an image without /dev */
	} while (fd >= 0 && fd < 2);
	if (fd > 2)
		(void)close(fd);
}

int
main(int argc, char **argv)
{
	struct proc_signals inherited;
	const char *word = argc > 1 ? argv[1] : "";

	signals_block(&inherited);
	guard_stdio();
	if (strcmp(word, "--help") == 0)
		return print_help();
	if (strcmp(word, "--version") == 0)
		return print_version();
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(word, commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1, &inherited);
	return cmd_run(argc, argv, &inherited);
}
