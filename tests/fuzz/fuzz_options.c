/* SPDX-License-Identifier: MIT */
/* Any text as the value of each option, and as a configuration file. */
#include "config.h"
#include "hold.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* All that was set can be printed; then let go of it. */
static void
finish(struct config *cfg, bool is_valid)
{
	static FILE *nowhere;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	hold(nowhere);
	if (is_valid) {
		options_print(cfg, nowhere, false);
		options_print(cfg, nowhere, true);
	}
	config_free(cfg);
}

/* -1 goes with a reason, and success with none. */
static bool
set(struct config *cfg, const char *section, const char *name, const char *text)
{
	const struct config_setting setting = { .text = text, .source = CONFIG_ARGUMENT };
	const struct option_place at = { .setting = &setting, .section = section, .name = name };
	struct error err = { .msg = "" };
	int status = options_set(cfg, &at, &err);

	hold((status < 0) == (err.msg[0] != '\0'));
	return status == 0;
}

static void
set_each_option(const char *text)
{
	const struct option_row *row;
	struct config cfg = { .command = NULL };
	struct error err;

	for (size_t i = 0; (row = options_row(i)); i++)
		(void)set(&cfg, row->section, row->name, text);
	(void)set(&cfg, "signals", "SIGHUP", text);
	(void)set(&cfg, "signals", text, "ignore");
	(void)set(&cfg, "env", "NAME", text);
	(void)set(&cfg, "env", text, "value");
	(void)set(&cfg, "server", text, "value");
	(void)set(&cfg, text, "name", "value");
	finish(&cfg, options_set_defaults(&cfg, &err) == 0);
}

static void
load_file(const char *text, size_t n)
{
	static char *const nothing[] = { NULL };
	static struct config cfg;
	struct error err = { .msg = "" };
	char path[64];
	int fd = memfd_create("fuzz.ini", MFD_CLOEXEC), status;

	hold(fd >= 0 && write(fd, text, n) == (ssize_t)n);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	status = config_load(&cfg,
	    &(struct config_spec){ .path = path, .arguments = nothing, .vars = nothing }, &err);
	hold((status < 0) == (err.msg[0] != '\0'));
	finish(&cfg, status == 0);
	(void)close(fd);
}

/* The whole as a file, and as the value of a line in each section. */
int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	char *text = malloc(n + 1), *line;
	int length;

	hold(text);
	memcpy(text, bytes, n);
	text[n] = '\0';
	set_each_option(text);
	load_file(text, n);
	length = asprintf(&line, "[server]\ncommand = %s\n[health]\ntarget = %s\n", text, text);
	hold(length >= 0);
	load_file(line, (size_t)length);
	free(line);
	free(text);
	return 0;
}
