/* SPDX-License-Identifier: MIT */
/* The option table, and the way of a value from -o, the environment, the file or the default into struct config. */
#ifndef INITD_CONFIG_H
#define INITD_CONFIG_H

#include "error.h"
#include "log.h"
#include "parse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Where a value came from; a later one in this list beats an earlier one. */
enum config_source {
	CONFIG_UNSET,
	CONFIG_DEFAULT,
	CONFIG_FILE,
	CONFIG_ALIAS,       /* HOST, PORT, AGENT_DIR */
	CONFIG_ENVIRONMENT, /* INITD_SECTION_NAME */
	CONFIG_ARGUMENT,    /* -o */
};

/* A value as somebody wrote it. */
struct config_setting {
	const char *text;
	enum config_source source;
	unsigned line; /* in the file */
};

enum restart_policy {
	RESTART_NO,
	RESTART_ON_FAILURE,
	RESTART_ALWAYS,
};

enum signal_action {
	SIGNAL_FORWARD,
	SIGNAL_STOP, /* end the server, and initd with it */
	SIGNAL_RESTART,
	SIGNAL_IGNORE,
};

/* What one signal to initd leads to. */
struct signal_rule {
	enum signal_action action;
	int send; /* what the child gets instead of it; 0: the same, or server.stop_signal */
	struct config_setting setting;
};

/* One env.NAME. */
struct config_env {
	const char *name;
	struct config_setting setting;
};

enum {
	CONFIG_OPTIONS_MAX = 64, /* rows of the table; a static assertion holds it */
};

struct config {
	char **command; /* NULL: none */
	const char *agent_dir, *host;
	unsigned port;
	const char *working_dir; /* NULL: unchanged */
	int stop_signal;         /* 0: as received */
	uint64_t drain_delay_ms, stop_timeout_ms;
	bool signal_group;
	enum restart_policy restart;
	uint64_t restart_delay_ms, restart_delay_max_ms;
	unsigned restart_limit; /* 0: none */
	struct code_set success_codes;

	const char *user;
	bool no_new_privs;

	struct signal_rule signals[SIGNAL_MAX + 1];

	struct config_env *env;
	size_t n_env;

	enum log_level log_level;
	enum log_format log_format;

	const char *path; /* of the file that was read, or NULL */
	struct config_setting settings[CONFIG_OPTIONS_MAX];
	char **owned; /* strings that came from the file */
	size_t n_owned;
};

/* What there is to read. */
struct config_spec {
	const char *path; /* -c; NULL: INITD_CONFIG, else the default file, which may be missing */
	char *const *arguments; /* the texts behind each -o */
	size_t n_arguments;
	char *const *environ;
};

/*
 * Fill *cfg. On failure -1 and one line in *err that begins with where the bad text stands
 * (PATH:LINE, VARIABLE=, or -o) and says what was expected; then nothing but log_level and
 * log_format may be used, and config_free() is still due. The texts of *spec must outlive *cfg.
 */
int config_load(struct config *cfg, const struct config_spec *spec, struct error *err);

void config_free(struct config *cfg);

/* Did somebody set this option (by any means but the default)? `option` is "section.name". */
bool config_is_set(const struct config *cfg, const char *option);

/* May this signal be mapped at all? Not those that report a fault, nor CHLD, TTIN, TTOU, KILL and STOP. */
bool config_signal_is_free(int signum);

/* Does this signal mean "stop" by itself: TERM, INT, QUIT? */
bool config_signal_stops(int signum);

/* Print every option with its value and origin: aligned text, or one JSON array. */
void config_print(const struct config *cfg, FILE *out, bool json);

#endif
