/* SPDX-License-Identifier: MIT */
/* -o, the environment, the INI file and the defaults become one struct config. */
#include "config.h"

#include "env.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DEFAULT_PATH       "/etc/initd.ini"
#define ENVIRONMENT_PREFIX "INITD_"

/*
 * inih (55 to 58, as distributions build it) reads into a buffer of 200 bytes and takes what does
 * not fit for the next line, so that the tail of one long option could become another option. Our
 * reader refuses such a line instead.
 */
enum {
	LINE_MAX_BYTES = 198,
};

/* ---- -o ---- */

enum {
	SECTION_SIZE = 32, /* of a name before it is looked up; no longer one is known */
	NAME_SIZE = 256,
};

/* Copy a piece of text as a string; false if it does not fit. */
static bool
copy(char *out, size_t size, const char *text, size_t length)
{
	if (length >= size)
		return false;
	memcpy(out, text, length);
	out[length] = '\0';
	return true;
}

static int
read_argument(struct config *cfg, const char *argument, struct error *err)
{
	const char *equals = strchr(argument, '='), *dot = strchr(argument, '.');
	char section[SECTION_SIZE], name[NAME_SIZE];
	const struct config_setting setting = {
		.source = CONFIG_ARGUMENT,
		.text = equals ? equals + 1 : NULL,
	};

	if (!equals || !dot || dot > equals || dot == argument || dot + 1 == equals)
		return error_set(err, "-o %.100s: expected SECTION.NAME=VALUE", argument);
	if (!copy(section, sizeof section, argument, (size_t)(dot - argument)) ||
	    !copy(name, sizeof name, dot + 1, (size_t)(equals - dot - 1)))
		return error_set(err, "-o %.100s: the name is too long", argument);
	return options_set(cfg,
	    &(struct option_place){ .setting = &setting, .section = section, .name = name }, err);
}

/* ---- the environment ---- */

/* tolower(3) of the C locale, in place. */
static void
lower(char *text)
{
	for (; *text; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text + ('a' - 'A'));
}

/*
 * INITD_SECTION_NAME=VALUE. Other INITD_ names are not ours: a Kubernetes service called initd
 * makes INITD_PORT and INITD_SERVICE_HOST.
 */
static int
read_prefixed(struct config *cfg, const char *variable, struct error *err)
{
	const char *begin = variable + strlen(ENVIRONMENT_PREFIX);
	const char *equals = strchr(begin, '='), *end = strchr(begin, '_');
	char full[NAME_SIZE], section[SECTION_SIZE], name[NAME_SIZE];
	const struct config_setting setting = {
		.source = CONFIG_ENVIRONMENT,
		.text = equals ? equals + 1 : NULL,
	};

	if (!equals || !end || end > equals ||
	    !copy(section, sizeof section, begin, (size_t)(end - begin)))
		return 0;
	lower(section);
	if (!options_has_section(section))
		return 0;
	if (!copy(full, sizeof full, variable, (size_t)(equals - variable)) ||
	    !copy(name, sizeof name, end + 1, (size_t)(equals - end - 1)))
		return error_set(err, "%.100s…: the name is too long", variable);
	/* What is in upper case there has lower-case names here, but for the names of variables. */
	if (strcmp(section, "env") != 0)
		lower(name);
	return options_set(cfg,
	    &(struct option_place){
		.setting = &setting, .variable = full, .section = section, .name = name },
	    err);
}

static int
read_alias(
    struct config *cfg, const struct option_row *option, char *const *vars, struct error *err)
{
	struct config_setting setting = { .source = CONFIG_ALIAS,
		.text = env_get(vars, option->alias) };
	const struct option_place at = { .setting = &setting,
		.variable = option->alias,
		.section = option->section,
		.name = option->name };

	return setting.text ? options_set(cfg, &at, err) : 0;
}

static int
read_environment(struct config *cfg, char *const *vars, struct error *err)
{
	const struct option_row *option;

	for (char *const *variable = vars; *variable; variable++)
		if (**variable == *ENVIRONMENT_PREFIX &&
		    strncmp(*variable, ENVIRONMENT_PREFIX, strlen(ENVIRONMENT_PREFIX)) == 0 &&
		    read_prefixed(cfg, *variable, err) < 0)
			return -1;
	for (size_t i = 0; (option = options_row(i)); i++)
		if (*option->alias && read_alias(cfg, option, vars, err) < 0)
			return -1;
	return 0;
}

/* ---- the file ---- */

/* inih gives its handler no line number and hides what it cuts: the same struct is its stream and its user. */
struct reader {
	FILE *file;
	const char *path;
	unsigned line;
	bool failed;
	struct config *cfg;
	struct error *err;
};

static char *
fail_line(struct reader *reader, const char *reason)
{
	reader->failed = true;
	(void)error_set(reader->err, "%.200s:%u: %s", reader->path, reader->line, reason);
	return NULL;
}

static const char syntax[] = "expected [section] or name = value";

/* inih passes over what stands behind a [section]. */
static bool
has_more_behind_section(const char *line)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	const char *end;

	if (strncmp(line, byte_order_mark, 3) == 0)
		line += 3;
	end = *line == '[' ? strchr(line, ']') : NULL;

	return end && !strchr(";#\r\n", end[1 + strspn(end + 1, " \t")]);
}

/*
 * fgets() for inih. Indentation is dropped: to inih an indented line is more of the option before
 * it, if that has a name of less than 50 bytes. After a failure the file is at its end.
 */
static char *
read_line(char *buf, int size, void *stream)
{
	struct reader *reader = stream;
	int n = 0, c;

	if (reader->failed)
		return NULL;
	reader->line++;
	while ((c = getc(reader->file)) != EOF && c != '\n') {
		if (c == '\0')
			return fail_line(reader, "a NUL byte; expected text");
		if (n == 0 && isspace(c))
			continue;
		if (n == LINE_MAX_BYTES || n + 2 >= size)
			return fail_line(
			    reader, "the line is longer than 198 bytes; use -o or the environment");
		buf[n++] = (char)c;
	}
	if (ferror(reader->file))
		return fail_line(reader, strerror(errno));
	if (c == EOF && n == 0)
		return NULL;
	buf[n++] = '\n';
	buf[n] = '\0';
	return has_more_behind_section(buf) ? fail_line(reader, syntax) : buf;
}

/* inih's handler: 1 is good, 0 an error of this line. */
static int
read_option(void *user, const char *section, const char *name, const char *value)
{
	struct reader *reader = user;
	struct config *cfg = reader->cfg;
	struct config_setting setting = { .source = CONFIG_FILE, .line = reader->line };
	const struct option_place at = {
		.setting = &setting, .path = reader->path, .section = section, .name = name
	};

	if (reader->failed)
		return 0;
	setting.text = options_keep(cfg, value, strlen(value));
	if (!setting.text)
		(void)fail_line(reader, strerror(errno));
	else if (*section == '\0')
		(void)fail_line(reader, "expected a [section] before the first option");
	else if (options_set(cfg, &at, reader->err) < 0)
		reader->failed = true;
	return !reader->failed;
}

/* Open without waiting for a FIFO's writer; only a regular file, or /dev/null for "none". */
static FILE *
open_file(const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	FILE *file;

	if (fd < 0) {
		(void)error_set(err, "%.200s: %s", path, strerror(errno));
		return NULL;
	}
	if (fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && st.st_rdev != makedev(1, 3))) {
		(void)close(fd);
		(void)error_set(err, "%.200s: expected a regular file", path);
		return NULL;
	}
	file = fdopen(fd, "r");
	if (!file) {
		(void)error_set(err, "%.200s: %s", path, strerror(errno));
		(void)close(fd);
	}
	return file;
}

static int
read_file(struct config *cfg, const char *path, struct error *err)
{
	struct reader reader = { .path = path, .cfg = cfg, .err = err };
	int bad_line;

	reader.file = open_file(path, err);
	if (!reader.file)
		return -1;
	bad_line = ini_parse_stream(read_line, &reader, read_option, &reader);
	(void)fclose(reader.file); /* read only: nothing can be lost */
	/* inih reads on behind a bad line; the first one is the one to name. */
	if (bad_line > 0 && (!reader.failed || (unsigned)bad_line < reader.line))
		return error_set(err, "%.200s:%d: %s", path, bad_line, syntax);
	if (reader.failed)
		return -1;
	if (bad_line < 0)
		return error_set(err, "%.200s: %s", path, strerror(ENOMEM));
	cfg->path = path;
	return 0;
}

static int
read_any_file(struct config *cfg, const struct config_spec *spec, struct error *err)
{
	const char *path = spec->path ? spec->path : env_get(spec->vars, "INITD_CONFIG");

	if (path && *path == '\0')
		return error_set(err, "%s: expected a path", spec->path ? "-c" : "INITD_CONFIG=");
	if (path)
		return read_file(cfg, path, err);
	if (access(DEFAULT_PATH, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	return read_file(cfg, DEFAULT_PATH, err);
}

/* ---- all of it ---- */

static int
read_arguments(struct config *cfg, const struct config_spec *spec, struct error *err)
{
	for (size_t i = 0; i < spec->n_arguments; i++)
		if (read_argument(cfg, spec->arguments[i], err) < 0)
			return -1;
	return 0;
}

/* From what counts most to what counts least, so that each option is parsed once. */
int
config_load(struct config *cfg, const struct config_spec *spec, struct error *err)
{
	memset(cfg, 0, offsetof(struct config, env));
	cfg->log_level = LOG_INFO;
	cfg->log_format = LOG_TEXT;
	if (read_arguments(cfg, spec, err) < 0 || read_environment(cfg, spec->vars, err) < 0 ||
	    read_any_file(cfg, spec, err) < 0)
		return -1;
	return options_set_defaults(cfg, err);
}

void
config_free(struct config *cfg)
{
	options_free(cfg);
}
