/* SPDX-License-Identifier: MIT */
/* The one table of options, the values they give, and the way of one text into its place. */
#ifndef INITD_OPTIONS_H
#define INITD_OPTIONS_H

#include "error.h"
#include "lifecycle.h"
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

/* watch.enabled, server.hold_socket */
enum config_auto {
	CONFIG_AUTO, /* yes in a dev container */
	CONFIG_NO,
	CONFIG_YES,
};

/* watch.backend */
enum config_watch_backend {
	CONFIG_WATCH_BACKEND_AUTO,
	CONFIG_WATCH_BACKEND_INOTIFY,
	CONFIG_WATCH_BACKEND_POLL,
};

/* One env.NAME. */
struct config_env {
	const char *name;
	struct config_setting setting;
};

enum {
	CONFIG_OPTIONS_MAX = 64, /* rows of the table; a static assertion holds it */
	CONFIG_ENV_MAX = 64,     /* variables in [env] */
};

struct config {
	char **command; /* NULL: none */
	const char *agent_dir, *host;
	unsigned port;
	enum config_auto hold_socket;
	const char *working_dir; /* NULL: unchanged */
	int stop_signal;         /* 0: as received */
	uint64_t drain_delay_ms, stop_timeout_ms;
	bool signal_group;
	enum life_restart restart;
	uint64_t restart_delay_ms, restart_delay_max_ms;
	unsigned restart_limit; /* 0: none */
	struct code_set success_codes;

	const char *user;
	bool no_new_privs;

	struct signal_rule signals[SIGNAL_MAX + 1]; /* read them by options_signal_rule() */

	const char *health_target; /* NULL: the default path */
	const char *health_expect;
	const char *health_host_header; /* NULL: the target's */
	uint64_t health_timeout_ms, health_start_interval_ms, health_interval_ms;
	unsigned health_retries;
	bool health_restarts; /* on_failure */

	bool watch_overlap, watch_standby;
	enum config_auto watch;
	enum config_watch_backend watch_backend;
	const char *watch_paths; /* NULL: agent_dir; else comma-separated */
	const char *watch_include, *watch_ignore;
	uint64_t watch_poll_interval_ms, watch_settle_ms, watch_settle_removed_ms;
	uint64_t watch_stop_timeout_ms;

	size_t n_env;

	enum log_level log_level;
	enum log_format log_format;

	const char *path; /* of the file that was read, or NULL */
	struct config_setting settings[CONFIG_OPTIONS_MAX];
	struct config_text *owned; /* strings that came from the file, and names */

	struct config_env env[CONFIG_ENV_MAX]; /* last: only n_env of them are ever touched */
};

/* One option. All in the row: a pointer each would have to be relocated at every start. */
struct option_row {
	char section[8], name[20];
	char fallback[12]; /* "": unset */
	char alias[12];    /* another environment variable that sets it; "": none */
	uint16_t field;    /* in struct config */
	uint8_t type;
};

/* A text and where it stands, for the option that it is for and for messages. */
struct option_place {
	const struct config_setting *setting;
	const char *path;     /* of the file */
	const char *variable; /* of the environment */
	const char *section, *name;
};

/* The rows of the table; NULL behind the last. */
const struct option_row *options_row(size_t i);

bool options_has_section(const char *section);

/*
 * Put a text into its place, if nothing that counts more was put there before. -1 and one line in
 * *err if there is no such option, it was set twice by the same source, or the text is no such
 * value. Of *at only the setting's text must last as long as *cfg.
 */
int options_set(struct config *cfg, const struct option_place *at, struct error *err);

/* Set what is still unset and has a default. */
int options_set_defaults(struct config *cfg, struct error *err);

/* What a signal to initd leads to, mapped or not. */
struct signal_rule options_signal_rule(const struct config *cfg, int signum);

/* A copy of some bytes as a string that lasts until config_free(); NULL if memory is short. */
char *options_keep(struct config *cfg, const char *text, size_t length);

/* Free all that options_set() and options_keep() allocated. */
void options_free(struct config *cfg);

/* Where the value of an option came from; beyond CONFIG_DEFAULT somebody set it. */
enum config_source options_source(const struct config *cfg, const char *section, const char *name);

/* The default of an option as text, or NULL. */
const char *options_fallback(const char *section, const char *name);

/*
 * A value that is good as such but not here: fill *err with the place where it was set and the
 * reason, in the form of options_set(), and return -1.
 */
int options_complain(const struct config *cfg, const char *section, const char *name,
    const char *reason, struct error *err);

/* Print every option with its value and origin: aligned text, or one JSON array. */
void options_print(const struct config *cfg, FILE *out, bool json);

/* May this signal be mapped at all? Not those that report a fault, nor CHLD, TTIN, TTOU, KILL and STOP. */
bool options_signal_is_free(int signum);

/* Does initd ask the server at all? Else it never knows when it is ready. */
bool options_ask_server(const struct config *cfg);

/* Does this signal mean "stop" by itself: TERM, INT, QUIT? */
bool options_signal_stops(int signum);

#endif
