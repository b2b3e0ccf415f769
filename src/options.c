/* SPDX-License-Identifier: MIT */
/* The one table of options, and the way of one text into its place. */
#include "options.h"

#include "http.h"
#include "json.h"
#include "patterns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- types of options ---- */

static bool
set_number(const char *text, uint64_t max, unsigned *out)
{
	uint64_t n;

	if (!parse_number(text, max, &n))
		return false;
	*out = (unsigned)n;
	return true;
}

static bool
set_text(const char *text, void *field)
{
	if (*text == '\0')
		return false;
	*(const char **)field = text;
	return true;
}

static bool
set_words(const char *text, void *field)
{
	return parse_words(text, field);
}

static bool
set_host(const char *text, void *field)
{
	struct in6_addr address;

	if (strcasecmp(text, "localhost") != 0 && inet_pton(AF_INET, text, &address) != 1 &&
	    inet_pton(AF_INET6, text, &address) != 1)
		return false;
	*(const char **)field = text;
	return true;
}

static bool
set_port(const char *text, void *field)
{
	unsigned port;

	if (!set_number(text, 65535, &port) || port == 0)
		return false;
	*(unsigned *)field = port;
	return true;
}

static bool
set_count(const char *text, void *field)
{
	return set_number(text, 1000000000, field);
}

/* A count of at least one. */
static bool
set_amount(const char *text, void *field)
{
	unsigned n;

	if (!set_count(text, &n) || n == 0)
		return false;
	*(unsigned *)field = n;
	return true;
}

static bool
set_duration(const char *text, void *field)
{
	return parse_duration(text, field);
}

static bool
set_timeout(const char *text, void *field)
{
	const uint64_t hour_ms = UINT64_C(60) * 60 * 1000;
	uint64_t ms;

	if (!parse_duration(text, &ms) || ms == 0 || ms > hour_ms)
		return false;
	*(uint64_t *)field = ms;
	return true;
}

static bool
set_bool(const char *text, void *field)
{
	return parse_bool(text, field);
}

static bool
set_codes(const char *text, void *field)
{
	return parse_codes(text, field);
}

static bool
set_signal(const char *text, void *field)
{
	return parse_signal(text, field);
}

/* No pointers: each would have to be relocated at every start. */
typedef char choice_name[12];

/* The index of text in a list of names. */
static bool
set_choice(const char *text, const choice_name *names, unsigned n, void *field)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(text, names[i]) == 0) {
			*(unsigned *)field = i;
			return true;
		}
	return false;
}

#define SET_CHOICE(text, names, field)                                                             \
	set_choice(text, names, sizeof(names) / sizeof((names)[0]), field)

static bool
set_restart(const char *text, void *field)
{
	static const choice_name names[] = { [LIFE_RESTART_NO] = "no",
		[LIFE_RESTART_ON_FAILURE] = "on-failure",
		[LIFE_RESTART_ALWAYS] = "always" };

	return SET_CHOICE(text, names, field);
}

/* With any host and port: those of the server are not known before all options are. */
static bool
set_target(const char *text, void *field)
{
	struct http_target target;

	if (!http_target_parse(&target, text, "localhost", 1))
		return false;
	*(const char **)field = text;
	return true;
}

static bool
set_expect(const char *text, void *field)
{
	struct http_expect expect;

	if (!http_expect_parse(text, &expect))
		return false;
	*(const char **)field = text;
	return true;
}

static bool
set_host_header(const char *text, void *field)
{
	if (!http_host_is_valid(text))
		return false;
	*(const char **)field = text;
	return true;
}

static bool
set_on_failure(const char *text, void *field)
{
	static const choice_name names[] = { "report", "restart" };
	unsigned choice;

	if (!SET_CHOICE(text, names, &choice))
		return false;
	*(bool *)field = choice == 1;
	return true;
}

static bool
set_auto(const char *text, void *field)
{
	static const choice_name names[] = {
		[CONFIG_AUTO] = "auto", [CONFIG_NO] = "no", [CONFIG_YES] = "yes"
	};
	bool yes;

	if (SET_CHOICE(text, names, field))
		return true;
	/* As everywhere else: on, true, 1. */
	if (!parse_bool(text, &yes))
		return false;
	*(unsigned *)field = yes ? CONFIG_YES : CONFIG_NO;
	return true;
}

static bool
set_patterns(const char *text, void *field)
{
	/* The default is known to be good, and every start would pay for its proof. */
	if (strcmp(text, "default") != 0 && !patterns_are_valid(text))
		return false;
	*(const char **)field = text;
	return true;
}

static bool
set_backend(const char *text, void *field)
{
	static const choice_name names[] = { [CONFIG_WATCH_BACKEND_AUTO] = "auto",
		[CONFIG_WATCH_BACKEND_INOTIFY] = "inotify",
		[CONFIG_WATCH_BACKEND_POLL] = "poll" };

	return SET_CHOICE(text, names, field);
}

static bool
set_level(const char *text, void *field)
{
	static const choice_name names[] = { [LOG_ERROR] = "error",
		[LOG_WARN] = "warn",
		[LOG_INFO] = "info",
		[LOG_DEBUG] = "debug" };

	return SET_CHOICE(text, names, field);
}

static bool
set_format(const char *text, void *field)
{
	static const choice_name names[] = { [LOG_TEXT] = "text", [LOG_JSON] = "json" };

	return SET_CHOICE(text, names, field);
}

enum option_type {
	TYPE_TEXT,
	TYPE_PATH,
	TYPE_WORDS,
	TYPE_HOST,
	TYPE_PORT,
	TYPE_COUNT,
	TYPE_AMOUNT,
	TYPE_DURATION,
	TYPE_TIMEOUT,
	TYPE_BOOL,
	TYPE_CODES,
	TYPE_SIGNAL,
	TYPE_RESTART,
	TYPE_TARGET,
	TYPE_EXPECT,
	TYPE_HOST_HEADER,
	TYPE_ON_FAILURE,
	TYPE_AUTO,
	TYPE_PATTERNS,
	TYPE_BACKEND,
	TYPE_LEVEL,
	TYPE_FORMAT,
};

static const struct {
	bool (*set)(const char *text, void *field);
	const char *expected;
	const char zero[8]; /* the text that stands for zero: as a default it needs no reading */
} types[] = {
	[TYPE_TEXT] = { set_text, "a text that is not empty", "" },
	[TYPE_PATH] = { set_text, "a path", "" },
	[TYPE_WORDS] = { set_words,
	    "words, with every quote closed (a ' ;' in the file starts a comment)", "" },
	[TYPE_HOST] = { set_host, "a literal IPv4 or IPv6 address, or localhost", "" },
	[TYPE_PORT] = { set_port, "a port from 1 to 65535", "" },
	[TYPE_COUNT] = { set_count, "a number from 0 to 1000000000", "0" },
	[TYPE_AMOUNT] = { set_amount, "a number from 1 to 1000000000", "" },
	[TYPE_DURATION] = { set_duration, "0 or a duration such as 500ms, 2s or 1m30s", "0" },
	[TYPE_TIMEOUT] = { set_timeout, "a duration from 1ms to 1h", "" },
	[TYPE_BOOL] = { set_bool, "yes or no", "no" },
	[TYPE_CODES] = { set_codes, "exit codes from 0 to 255, such as 0,143", "" },
	[TYPE_SIGNAL] = { set_signal, "a signal such as SIGTERM or RTMIN+3", "" },
	[TYPE_RESTART] = { set_restart, "no, on-failure or always", "no" },
	[TYPE_TARGET] = { set_target, HTTP_TARGET_FORMS, "" },
	[TYPE_EXPECT] = { set_expect, "status codes and ranges such as 200-299,304", "" },
	[TYPE_HOST_HEADER] = { set_host_header, "a host name", "" },
	[TYPE_ON_FAILURE] = { set_on_failure, "report or restart", "report" },
	[TYPE_AUTO] = { set_auto, "auto, yes or no", "auto" },
	[TYPE_PATTERNS] = { set_patterns,
	    "patterns such as *.py,conf/*.yaml; default stands for the built-in ones", "" },
	[TYPE_BACKEND] = { set_backend, "auto, inotify or poll", "auto" },
	[TYPE_LEVEL] = { set_level, "error, warn, info or debug", "" },
	[TYPE_FORMAT] = { set_format, "text or json", "text" },
};

/* ---- the one list of options ---- */

#define FIELD(name) offsetof(struct config, name)

/* clang-format off */
static const struct option_row options[] = {
	{ "server", "command",           "",         "",          FIELD(command),                 TYPE_WORDS },
	{ "server", "agent_dir",         "/app/src", "AGENT_DIR", FIELD(agent_dir),               TYPE_PATH },
	{ "server", "host",              "0.0.0.0",  "HOST",      FIELD(host),                    TYPE_HOST },
	{ "server", "port",              "8000",     "PORT",      FIELD(port),                    TYPE_PORT },
	{ "server", "working_dir",       "",         "",          FIELD(working_dir),             TYPE_PATH },
	{ "server", "stop_signal",       "",         "",          FIELD(stop_signal),             TYPE_SIGNAL },
	{ "server", "drain_delay",       "0",        "",          FIELD(drain_delay_ms),          TYPE_DURATION },
	{ "server", "stop_timeout",      "0",        "",          FIELD(stop_timeout_ms),         TYPE_DURATION },
	{ "server", "signal_group",      "no",       "",          FIELD(signal_group),            TYPE_BOOL },
	{ "server", "restart",           "no",       "",          FIELD(restart),                 TYPE_RESTART },
	{ "server", "restart_delay",     "100ms",    "",          FIELD(restart_delay_ms),        TYPE_DURATION },
	{ "server", "restart_delay_max", "30s",      "",          FIELD(restart_delay_max_ms),    TYPE_DURATION },
	{ "server", "restart_limit",     "0",        "",          FIELD(restart_limit),           TYPE_COUNT },
	{ "server", "success_codes",     "0",        "",          FIELD(success_codes),           TYPE_CODES },
	{ "server", "hold_socket",       "auto",     "",          FIELD(hold_socket),             TYPE_AUTO },
	{ "user",   "name",              "app",      "",          FIELD(user),                    TYPE_TEXT },
	{ "user",   "no_new_privs",      "yes",      "",          FIELD(no_new_privs),            TYPE_BOOL },
	{ "health", "target",            "",         "",          FIELD(health_target),           TYPE_TARGET },
	{ "health", "expect",            "200-299",  "",          FIELD(health_expect),           TYPE_EXPECT },
	{ "health", "host_header",       "",         "",          FIELD(health_host_header),      TYPE_HOST_HEADER },
	{ "health", "timeout",           "2s",       "",          FIELD(health_timeout_ms),       TYPE_TIMEOUT },
	{ "health", "start_interval",    "100ms",    "",          FIELD(health_start_interval_ms),TYPE_DURATION },
	{ "health", "interval",          "0",        "",          FIELD(health_interval_ms),      TYPE_DURATION },
	{ "health", "retries",           "3",        "",          FIELD(health_retries),          TYPE_AMOUNT },
	{ "health", "on_failure",        "report",   "",          FIELD(health_restarts),         TYPE_ON_FAILURE },
	{ "watch",  "enabled",           "auto",     "",          FIELD(watch),                   TYPE_AUTO },
	{ "watch",  "paths",             "",         "",          FIELD(watch_paths),             TYPE_TEXT },
	{ "watch",  "include",           "default",  "",          FIELD(watch_include),           TYPE_PATTERNS },
	{ "watch",  "ignore",            "default",  "",          FIELD(watch_ignore),            TYPE_PATTERNS },
	{ "watch",  "backend",           "auto",     "",          FIELD(watch_backend),           TYPE_BACKEND },
	{ "watch",  "poll_interval",     "500ms",    "",          FIELD(watch_poll_interval_ms),  TYPE_TIMEOUT },
	{ "watch",  "settle",            "50ms",     "",          FIELD(watch_settle_ms),         TYPE_TIMEOUT },
	{ "watch",  "settle_removed",    "250ms",    "",          FIELD(watch_settle_removed_ms), TYPE_TIMEOUT },
	{ "watch",  "stop_timeout",      "5s",       "",          FIELD(watch_stop_timeout_ms),   TYPE_TIMEOUT },
	{ "watch",  "overlap",           "no",       "",          FIELD(watch_overlap),           TYPE_BOOL },
	{ "watch",  "standby",           "no",       "",          FIELD(watch_standby),           TYPE_BOOL },
	{ "log",    "level",             "info",     "",          FIELD(log_level),               TYPE_LEVEL },
	{ "log",    "format",            "text",     "",          FIELD(log_format),              TYPE_FORMAT },
};
/* clang-format on */

enum {
	N_OPTIONS = sizeof options / sizeof options[0],
};

_Static_assert((size_t)N_OPTIONS <= (size_t)CONFIG_OPTIONS_MAX,
    "struct config has no room for a setting of each option");

/* Sections whose names are not fixed. */
static const char signals_section[] = "signals", env_section[] = "env";

/* Defaults of the [env] section. */
static const struct {
	const char *name, *value;
} env_defaults[] = { { "PYTHONUNBUFFERED", "1" } };

/* ---- where a value comes from ---- */

/* toupper(3) of the C locale. */
static int
to_upper(char c)
{
	return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
}

/* INITD_SECTION_NAME; the names of variables have their case already. */
static void
variable_text(const struct option_place *at, char *buf, size_t size)
{
	size_t section_length = strlen("INITD_") + strlen(at->section);
	bool keeps_case = strcmp(at->section, env_section) == 0;

	(void)snprintf(buf, size, "INITD_%s_%s", at->section, at->name);
	for (size_t i = 0; buf[i] && (!keeps_case || i < section_length); i++)
		buf[i] = (char)to_upper(buf[i]);
}

/* ---- one value into its place ---- */

/* A value's text is shown up to a length that leaves room for the reason. */
static int
refuse(const struct option_place *at, struct error *err, const char *reason)
{
	const char *text = at->setting->text;

	switch (at->setting->source) {
	case CONFIG_FILE:
		return error_set(err, "%.200s:%u: %.40s.%.60s = %.80s: %s", at->path,
		    at->setting->line, at->section, at->name, text, reason);
	case CONFIG_ARGUMENT:
		return error_set(
		    err, "-o %.40s.%.60s=%.80s: %s", at->section, at->name, text, reason);
	case CONFIG_ALIAS:
	case CONFIG_ENVIRONMENT:
		return error_set(err, "%.100s=%.80s: %s", at->variable, text, reason);
	case CONFIG_DEFAULT:
	case CONFIG_UNSET:
		break;
	}
	return error_set(
	    err, "%s.%s = %.80s (the default): %s", at->section, at->name, text, reason);
}

static int
refuse_value(const struct option_place *at, struct error *err, const char *expected)
{
	char reason[160];

	(void)snprintf(reason, sizeof reason, "expected %s", expected);
	return refuse(at, err, reason);
}

/*
 * May this text take the place of *old? 1 yes; 0 no, something that counts more was said; -1 said
 * twice at the same height. A variable that the environment holds twice has its first value, as getenv(3) has it.
 */
static int
may_replace(const struct config_setting *old, const struct option_place *at, struct error *err)
{
	char reason[64];

	if (old->source != at->setting->source)
		return old->source < at->setting->source;
	if (old->source == CONFIG_ALIAS || old->source == CONFIG_ENVIRONMENT)
		return 0;
	if (old->source == CONFIG_FILE)
		(void)snprintf(reason, sizeof reason, "repeated, first set on line %u", old->line);
	else
		(void)snprintf(reason, sizeof reason, "repeated");
	return refuse(at, err, reason);
}

static int
set_option(struct config *cfg, const struct option_row *option, const struct option_place *at,
    struct error *err)
{
	struct config_setting *setting = &cfg->settings[option - options];
	int may = may_replace(setting, at, err);

	if (may <= 0)
		return may;
	if (!types[option->type].set(at->setting->text, (char *)cfg + option->field))
		return refuse_value(at, err, types[option->type].expected);
	*setting = *at->setting;
	return 0;
}

bool
options_signal_is_free(int signum)
{
	switch (signum) {
	case SIGKILL:
	case SIGSTOP:
	case SIGCHLD: /* ours */
	case SIGTTIN: /* about initd's own use of the terminal */
	case SIGTTOU:
	case SIGSEGV: /* faults of the process itself */
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGTRAP:
	case SIGABRT:
	case SIGSYS:
		return false;
	default:
		return signum > 0 && signum <= SIGNAL_MAX &&
		       (signum < 32 || signum >= SIGNAL_RTMIN);
	}
}

bool
options_signal_stops(int signum)
{
	return signum == SIGTERM || signum == SIGINT || signum == SIGQUIT;
}

static struct signal_rule
default_rule(int signum)
{
	struct signal_rule rule = { .action = SIGNAL_IGNORE };

	if (options_signal_stops(signum))
		rule.action = SIGNAL_STOP;
	else if (options_signal_is_free(signum))
		rule.action = SIGNAL_FORWARD;
	return rule;
}

static int
set_signal_rule(struct config *cfg, const struct option_place *at, struct error *err)
{
	const char *text = at->setting->text;
	struct signal_rule rule;
	int signum, may;

	if (!parse_signal(at->name, &signum))
		return refuse(at, err, "no such signal");
	if (!options_signal_is_free(signum))
		return refuse(at, err, "this signal cannot be mapped");
	rule = default_rule(signum);
	may = may_replace(&cfg->signals[signum].setting, at, err);
	if (may <= 0)
		return may;
	if (strcasecmp(text, "stop") == 0)
		rule.action = SIGNAL_STOP;
	else if (strcasecmp(text, "restart") == 0)
		rule.action = SIGNAL_RESTART;
	else if (strcasecmp(text, "ignore") == 0)
		rule.action = SIGNAL_IGNORE;
	else if (strcasecmp(text, "forward") != 0 && !parse_signal(text, &rule.send))
		return refuse_value(
		    at, err, "forward, another signal's name, restart, stop or ignore");
	rule.setting = *at->setting;
	cfg->signals[signum] = rule;
	return 0;
}

struct config_text {
	struct config_text *next;
	char text[];
};

char *
options_keep(struct config *cfg, const char *text, size_t length)
{
	struct config_text *kept = malloc(sizeof *kept + length + 1);

	if (!kept)
		return NULL;
	memcpy(kept->text, text, length);
	kept->text[length] = '\0';
	kept->next = cfg->owned;
	cfg->owned = kept;
	return kept->text;
}

void
options_free(struct config *cfg)
{
	while (cfg->owned) {
		struct config_text *next = cfg->owned->next;

		free(cfg->owned);
		cfg->owned = next;
	}
	free(cfg->command);
	cfg->command = NULL;
}

static bool
is_variable_name(const char *name)
{
	if (*name == '\0' || (*name >= '0' && *name <= '9'))
		return false;
	for (; *name; name++)
		if (strchr("= \t\n\r", *name))
			return false;
	return true;
}

static const struct option_row *
option_of_alias(const char *variable)
{
	for (const struct option_row *option = options; option < options + N_OPTIONS; option++)
		if (*option->alias && strcmp(option->alias, variable) == 0)
			return option;
	return NULL;
}

/* The place of a variable, a new one if there is none; NULL if there is no room. */
static struct config_env *
env_place(struct config *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->n_env; i++)
		if (strcmp(cfg->env[i].name, name) == 0)
			return &cfg->env[i];
	if (cfg->n_env == CONFIG_ENV_MAX)
		return NULL;
	cfg->env[cfg->n_env] = (struct config_env){ 0 };
	return &cfg->env[cfg->n_env];
}

static int
set_env(struct config *cfg, const struct option_place *at, struct error *err)
{
	const struct option_row *option = option_of_alias(at->name);
	struct config_env *env = env_place(cfg, at->name);
	char reason[64];
	int may;

	if (option) {
		(void)snprintf(reason, sizeof reason, "use %s.%s", option->section, option->name);
		return refuse(at, err, reason);
	}
	if (!is_variable_name(at->name))
		return refuse(at, err, "expected the name of an environment variable");
	if (!env) {
		(void)snprintf(reason, sizeof reason, "more than %d variables", CONFIG_ENV_MAX);
		return refuse(at, err, reason);
	}
	may = may_replace(&env->setting, at, err);
	if (may <= 0)
		return may;
	if (!env->name) {
		env->name = options_keep(cfg, at->name, strlen(at->name));
		if (!env->name)
			return refuse(at, err, strerror(errno));
		cfg->n_env++;
	}
	env->setting = *at->setting;
	return 0;
}

/* A variable of our own table. */
static void
set_default_env(struct config *cfg, const char *name, const char *value)
{
	struct config_env *env = env_place(cfg, name);

	if (!env || env->name)
		return; /* no room is left, or the user said something else */
	env->name = name;
	env->setting = (struct config_setting){ .source = CONFIG_DEFAULT, .text = value };
	cfg->n_env++;
}

bool
options_has_section(const char *section)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (strcmp(options[i].section, section) == 0)
			return true;
	return strcmp(section, signals_section) == 0 || strcmp(section, env_section) == 0;
}

static const struct option_row *
find_option(const char *section, const char *name)
{
	/* The names first: they differ more often. */
	for (const struct option_row *option = options; option < options + N_OPTIONS; option++)
		if (strcmp(option->name, name) == 0 && strcmp(option->section, section) == 0)
			return option;
	return NULL;
}

int
options_set(struct config *cfg, const struct option_place *at, struct error *err)
{
	const struct option_row *option;

	if (strcmp(at->section, signals_section) == 0)
		return set_signal_rule(cfg, at, err);
	if (strcmp(at->section, env_section) == 0)
		return set_env(cfg, at, err);
	option = find_option(at->section, at->name);
	if (option)
		return set_option(cfg, option, at, err);
	return refuse(
	    at, err, options_has_section(at->section) ? "unknown option" : "unknown section");
}

const struct option_row *
options_row(size_t i)
{
	return i < N_OPTIONS ? &options[i] : NULL;
}

struct signal_rule
options_signal_rule(const struct config *cfg, int signum)
{
	const struct signal_rule *rule = &cfg->signals[signum];

	return rule->setting.source == CONFIG_UNSET ? default_rule(signum) : *rule;
}

/* Does its default leave the field as it is? */
static bool
is_zero(const struct option_row *option)
{
	const char *zero = types[option->type].zero;

	return *option->fallback == *zero && strcmp(option->fallback, zero) == 0;
}

int
options_set_defaults(struct config *cfg, struct error *err)
{
	for (const struct option_row *option = options; option < options + N_OPTIONS; option++) {
		struct config_setting *setting = &cfg->settings[option - options];

		if (setting->source != CONFIG_UNSET || !*option->fallback)
			continue;
		*setting =
		    (struct config_setting){ .source = CONFIG_DEFAULT, .text = option->fallback };
		if (!is_zero(option) &&
		    !types[option->type].set(option->fallback, (char *)cfg + option->field))
			return error_set(err, "%s.%s: bad default", option->section, option->name);
	}
	for (size_t i = 0; i < sizeof env_defaults / sizeof env_defaults[0]; i++)
		set_default_env(cfg, env_defaults[i].name, env_defaults[i].value);
	return 0;
}

enum config_source
options_source(const struct config *cfg, const char *section, const char *name)
{
	const struct option_row *option = find_option(section, name);

	return option ? cfg->settings[option - options].source : CONFIG_UNSET;
}

bool
options_ask_server(const struct config *cfg)
{
	return cfg->health_start_interval_ms > 0 || cfg->health_interval_ms > 0;
}

const char *
options_fallback(const char *section, const char *name)
{
	const struct option_row *option = find_option(section, name);

	return option && *option->fallback ? option->fallback : NULL;
}

int
options_complain(const struct config *cfg, const char *section, const char *name,
    const char *reason, struct error *err)
{
	const struct option_row *option = find_option(section, name);
	char variable[64];
	struct option_place at = { .path = cfg->path, .section = section, .name = name };

	if (!option)
		return error_set(err, "%s.%s: %s", section, name, reason);
	at.setting = &cfg->settings[option - options];
	at.variable = variable;
	variable_text(&at, variable, sizeof variable);
	if (at.setting->source == CONFIG_ALIAS)
		at.variable = option->alias;
	return refuse(&at, err, reason);
}

/* ---- printing ---- */

/* Where the printing stands. */
struct printer {
	const struct config *cfg;
	FILE *out;
	bool json;
	unsigned n;
};

static void
origin_text(const struct config *cfg, const struct option_place *at, char *buf, size_t size)
{
	switch (at->setting->source) {
	case CONFIG_FILE:
		(void)snprintf(buf, size, "%s:%u", cfg->path, at->setting->line);
		break;
	case CONFIG_ALIAS:
		(void)snprintf(buf, size, "%s", at->variable);
		break;
	case CONFIG_ENVIRONMENT:
		variable_text(at, buf, size);
		break;
	case CONFIG_ARGUMENT:
		(void)snprintf(buf, size, "-o");
		break;
	case CONFIG_DEFAULT:
	case CONFIG_UNSET:
		(void)snprintf(buf, size, "default");
		break;
	}
}

static void
print_json(struct printer *to, const char *option, const char *value, const char *origin)
{
	char quoted[3][2048];

	(void)json_string(quoted[0], sizeof quoted[0], option);
	(void)json_string(quoted[2], sizeof quoted[2], origin);
	if (value)
		(void)json_string(quoted[1], sizeof quoted[1], value);
	(void)fprintf(to->out, "%s\n    {\"option\": %s, \"value\": %s, \"origin\": %s}",
	    to->n ? "," : "", quoted[0], value ? quoted[1] : "null", quoted[2]);
}

static void
print_setting(struct printer *to, const struct option_place *at)
{
	const char *value = at->setting->text;
	char option[128], origin[512];

	(void)snprintf(option, sizeof option, "%s.%s", at->section, at->name);
	origin_text(to->cfg, at, origin, sizeof origin);
	if (to->json)
		print_json(to, option, value, origin);
	else
		(void)fprintf(to->out, "%-26s %-24s %s\n", option, value ? value : "-", origin);
	to->n++;
}

void
options_print(const struct config *cfg, FILE *out, bool json)
{
	struct printer to = { .cfg = cfg, .out = out, .json = json };
	char signal[16];

	if (json)
		(void)fputs("[", out);
	for (size_t i = 0; i < N_OPTIONS; i++)
		print_setting(&to, &(struct option_place){ .setting = &cfg->settings[i],
				       .variable = options[i].alias,
				       .section = options[i].section,
				       .name = options[i].name });
	for (int signum = 1; signum <= SIGNAL_MAX; signum++)
		if (cfg->signals[signum].setting.text)
			print_setting(
			    &to, &(struct option_place){ .setting = &cfg->signals[signum].setting,
				     .section = signals_section,
				     .name = signal_name(signum, signal) });
	for (size_t i = 0; i < cfg->n_env; i++)
		print_setting(&to, &(struct option_place){ .setting = &cfg->env[i].setting,
				       .section = env_section,
				       .name = cfg->env[i].name });
	if (json)
		(void)fputs("\n  ]", out);
}
