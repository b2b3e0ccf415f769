/* SPDX-License-Identifier: MIT */
/* -o, the environment, the INI file and the defaults become one struct config, or one line. */
#include "config.h"

#include "unit.h"

#include <signal.h>

#define FILE_NAME "test.ini"

/* What there is to read; the vectors end with a NULL. */
struct input {
	const char *file; /* its text; NULL: none */
	const char *environ[4], *arguments[4];
};

static const char *
label(const struct input *in)
{
	if (in->arguments[0])
		return in->arguments[0];
	return in->environ[0] ? in->environ[0] : shown(in->file);
}

static int
load(struct config *cfg, const struct input *in, struct error *err)
{
	struct config_spec spec = {
		.path = in->file ? FILE_NAME : "/dev/null",
		.arguments = (char *const *)in->arguments,
		.vars = (char *const *)in->environ,
	};

	while (in->arguments[spec.n_arguments])
		spec.n_arguments++;
	if (in->file)
		write_file(FILE_NAME, in->file);
	return config_load(cfg, &spec, err);
}

/* Load what is good. */
static void
must_load(struct config *cfg, const struct input *in)
{
	struct error err = { .msg = "" };

	if (load(cfg, in, &err) < 0)
		fail_msg("%s: %s", label(in), err.msg);
}

/* Load what is bad; NULL: it must be good. */
static void
expect_error(const struct input *in, const char *expected)
{
	struct config cfg;
	struct error err = { .msg = "" };
	int status = load(&cfg, in, &err);

	config_free(&cfg);
	expect_equal(label(in), status, expected ? -1 : 0);
	if (expected)
		expect_text(label(in), err.msg, expected);
}

/* ---- the values ---- */

static void
nothing_said_gives_the_documented_defaults(void **state)
{
	const struct input in = { 0 };
	struct config cfg;

	(void)state;
	must_load(&cfg, &in);
	assert_null(cfg.command);
	assert_string_equal(cfg.agent_dir, "/app/src");
	assert_string_equal(cfg.host, "0.0.0.0");
	assert_int_equal(cfg.port, 8000);
	assert_null(cfg.working_dir);
	assert_int_equal(cfg.stop_signal, 0);
	assert_int_equal(cfg.drain_delay_ms, 0);
	assert_int_equal(cfg.stop_timeout_ms, 0);
	assert_false(cfg.signal_group);
	assert_int_equal(cfg.restart, LIFE_RESTART_NO);
	assert_int_equal(cfg.restart_delay_ms, 100);
	assert_int_equal(cfg.restart_delay_max_ms, 30000);
	assert_int_equal(cfg.restart_limit, 0);
	for (int code = 0; code <= 255; code++)
		assert_int_equal(code_set_has(&cfg.success_codes, code), code == 0);
	assert_string_equal(cfg.user, "app");
	assert_true(cfg.no_new_privs);
	assert_int_equal(cfg.n_env, 1);
	assert_string_equal(cfg.env[0].name, "PYTHONUNBUFFERED");
	assert_string_equal(cfg.env[0].setting.text, "1");
	assert_int_equal(cfg.log_level, LOG_INFO);
	assert_int_equal(cfg.log_format, LOG_TEXT);
	config_free(&cfg);
}

#define NUMBER(name) offsetof(struct config, name), sizeof(((struct config *)0)->name)

/* A bool, an unsigned, an enum or a uint64_t. */
static uint64_t
number_at(const void *field, size_t size)
{
	unsigned small;
	uint64_t large;

	if (size == sizeof(bool))
		return *(const bool *)field;
	if (size == sizeof small) {
		memcpy(&small, field, sizeof small);
		return small;
	}
	assert_int_equal(size, sizeof large);
	memcpy(&large, field, sizeof large);
	return large;
}

static void
every_number_reaches_its_field(void **state)
{
	static const struct {
		const char *argument;
		size_t offset, size;
		uint64_t expected;
	} rows[] = {
		{ "server.port=1", NUMBER(port), 1 },
		{ "server.port=65535", NUMBER(port), 65535 },
		{ "server.stop_signal=SIGINT", NUMBER(stop_signal), SIGINT },
		{ "server.stop_signal=rtmin+3", NUMBER(stop_signal), 37 },
		{ "server.drain_delay=1m30s", NUMBER(drain_delay_ms), 90000 },
		{ "server.stop_timeout=8760h", NUMBER(stop_timeout_ms), UINT64_C(31536000000) },
		{ "server.signal_group=yes", NUMBER(signal_group), true },
		{ "server.restart=no", NUMBER(restart), LIFE_RESTART_NO },
		{ "server.restart=on-failure", NUMBER(restart), LIFE_RESTART_ON_FAILURE },
		{ "server.restart=always", NUMBER(restart), LIFE_RESTART_ALWAYS },
		{ "server.restart_delay=0", NUMBER(restart_delay_ms), 0 },
		{ "server.restart_delay_max=2s", NUMBER(restart_delay_max_ms), 2000 },
		{ "server.restart_limit=5", NUMBER(restart_limit), 5 },
		{ "server.restart_limit=1000000000", NUMBER(restart_limit), 1000000000 },
		{ "user.no_new_privs=off", NUMBER(no_new_privs), false },
		{ "log.level=error", NUMBER(log_level), LOG_ERROR },
		{ "log.level=warn", NUMBER(log_level), LOG_WARN },
		{ "log.level=info", NUMBER(log_level), LOG_INFO },
		{ "log.level=debug", NUMBER(log_level), LOG_DEBUG },
		{ "log.format=text", NUMBER(log_format), LOG_TEXT },
		{ "log.format=json", NUMBER(log_format), LOG_JSON },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct input in = { .arguments = { rows[i].argument } };
		struct config cfg;

		must_load(&cfg, &in);
		expect_equal(rows[i].argument,
		    number_at((const char *)&cfg + rows[i].offset, rows[i].size), rows[i].expected);
		config_free(&cfg);
	}
}

static const char *
text_at(const struct config *cfg, size_t offset)
{
	const char *text;

	memcpy(&text, (const char *)cfg + offset, sizeof text);
	return text;
}

static void
every_text_reaches_its_field(void **state)
{
	static const struct {
		const char *argument;
		size_t offset;
		const char *expected;
	} rows[] = {
		{ "server.agent_dir=src", offsetof(struct config, agent_dir), "src" },
		{ "server.host=127.0.0.1", offsetof(struct config, host), "127.0.0.1" },
		{ "server.host=::", offsetof(struct config, host), "::" },
		{ "server.host=2001:db8::1", offsetof(struct config, host), "2001:db8::1" },
		{ "server.host=::ffff:10.0.0.1", offsetof(struct config, host), "::ffff:10.0.0.1" },
		{ "server.host=localhost", offsetof(struct config, host), "localhost" },
		{ "server.working_dir=/srv/a=b", offsetof(struct config, working_dir), "/srv/a=b" },
		{ "user.name=1000:app", offsetof(struct config, user), "1000:app" },
		{ "user.name=root", offsetof(struct config, user), "root" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct input in = { .arguments = { rows[i].argument } };
		struct config cfg;

		must_load(&cfg, &in);
		expect_text(rows[i].argument, text_at(&cfg, rows[i].offset), rows[i].expected);
		config_free(&cfg);
	}
}

static void
a_command_is_split_into_words(void **state)
{
	const struct input in = { .file = "[server]\ncommand = python -c 'print(1)' \"a;b\"\n" };
	struct config cfg;

	(void)state;
	must_load(&cfg, &in);
	assert_string_equal(cfg.command[0], "python");
	assert_string_equal(cfg.command[1], "-c");
	assert_string_equal(cfg.command[2], "print(1)");
	assert_string_equal(cfg.command[3], "a;b");
	assert_null(cfg.command[4]);
	config_free(&cfg);
}

static void
success_codes_are_those_that_were_listed_and_no_other(void **state)
{
	const struct input in = { .environ = { "INITD_SERVER_SUCCESS_CODES=143, 15" } };
	struct config cfg;

	(void)state;
	must_load(&cfg, &in);
	for (int code = 0; code <= 255; code++)
		assert_int_equal(code_set_has(&cfg.success_codes, code), code == 143 || code == 15);
	config_free(&cfg);
}

/* ---- who wins ---- */

static const struct config_setting *
setting_of(const struct config *cfg, const char *name)
{
	size_t i = 0;

	while (strcmp(options_row(i)->name, name) != 0)
		i++;
	return &cfg->settings[i];
}

static void
the_highest_source_wins_whatever_the_others_say(void **state)
{
	enum {
		IN_FILE = 1,
		IN_ALIAS = 2,
		IN_ENVIRONMENT = 4,
		IN_ARGUMENT = 8,
	};
	static const struct {
		unsigned from, port;
		enum config_source source;
		unsigned line;
	} winners[] = {
		{ IN_ARGUMENT, 4, CONFIG_ARGUMENT, 0 },
		{ IN_ENVIRONMENT, 3, CONFIG_ENVIRONMENT, 0 },
		{ IN_ALIAS, 2, CONFIG_ALIAS, 0 },
		{ IN_FILE, 1, CONFIG_FILE, 2 },
		{ 0, 8000, CONFIG_DEFAULT, 0 },
	};

	(void)state;
	for (unsigned said = 0; said < 2 * IN_ARGUMENT; said++) {
		const struct input in = {
			.file = said & IN_FILE ? "[server]\nport = 1\n" : NULL,
			.environ = { said & IN_ALIAS ? "PORT=2" : "A=",
			    said & IN_ENVIRONMENT ? "INITD_SERVER_PORT=3" : NULL },
			.arguments = { said & IN_ARGUMENT ? "server.port=4" : NULL },
		};
		size_t winner = 0;
		struct config cfg;

		while (winners[winner].from > 0 && !(said & winners[winner].from))
			winner++;
		must_load(&cfg, &in);
		expect_equal(label(&in), cfg.port, winners[winner].port);
		expect_equal(label(&in), setting_of(&cfg, "port")->source, winners[winner].source);
		expect_equal(label(&in), setting_of(&cfg, "port")->line, winners[winner].line);
		expect_equal(
		    label(&in), options_source(&cfg, "server", "port") > CONFIG_DEFAULT, said != 0);
		config_free(&cfg);
	}
}

static void
an_alias_sets_its_option(void **state)
{
	static const struct {
		const char *variable, *name;
		size_t offset;
	} rows[] = {
		{ "AGENT_DIR=/srv/agent", "agent_dir", offsetof(struct config, agent_dir) },
		{ "HOST=::1", "host", offsetof(struct config, host) },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct input in = { .environ = { rows[i].variable } };
		struct config cfg;

		must_load(&cfg, &in);
		expect_text(rows[i].variable, text_at(&cfg, rows[i].offset),
		    strchr(rows[i].variable, '=') + 1);
		expect_equal(rows[i].variable,
		    options_source(&cfg, "server", rows[i].name) > CONFIG_DEFAULT, true);
		config_free(&cfg);
	}
}

static void
a_variable_that_is_there_twice_has_its_first_value(void **state)
{
	static const struct input rows[] = {
		{ .environ = { "PORT=1", "PORT=2" } },
		{ .environ = { "INITD_SERVER_PORT=1", "INITD_SERVER_PORT=2" } },
		{ .environ = { "PORT=3", "INITD_SERVER_PORT=1", "PORT=x" } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;

		must_load(&cfg, &rows[i]);
		expect_equal(label(&rows[i]), cfg.port, 1);
		config_free(&cfg);
	}
}

static void
an_option_is_set_if_anybody_but_the_default_set_it(void **state)
{
	static const struct {
		struct input in;
		const char *section, *name;
		bool expected;
	} rows[] = {
		{ { .file = NULL }, "server", "port", false },
		{ { .file = NULL }, "server", "command", false },
		{ { .file = NULL }, "user", "name", false },
		{ { .file = "[user]\nname = app\n" }, "user", "name", true },
		{ { .file = "[user]\nname = app\n" }, "user", "no_new_privs", false },
		{ { .environ = { "AGENT_DIR=/app/src" } }, "server", "agent_dir", true },
		{ { .environ = { "INITD_SERVER_COMMAND=true" } }, "server", "command", true },
		{ { .arguments = { "log.level=info" } }, "log", "level", true },
		{ { .arguments = { "log.level=info" } }, "log", "format", false },
		{ { .arguments = { "log.level=info" } }, "server", "level", false },
		{ { .arguments = { "log.level=info" } }, "log", "nosuch", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;

		must_load(&cfg, &rows[i].in);
		expect_equal(rows[i].name,
		    options_source(&cfg, rows[i].section, rows[i].name) > CONFIG_DEFAULT,
		    rows[i].expected);
		config_free(&cfg);
	}
}

/* ---- what is refused, and where it stands ---- */

#define HOST_EXPECTED "expected a literal IPv4 or IPv6 address, or localhost"
#define PORT_EXPECTED "expected a port from 1 to 65535"
#define TIME_EXPECTED "expected 0 or a duration such as 500ms, 2s or 1m30s"
#define CODE_EXPECTED "expected exit codes from 0 to 255, such as 0,143"
#define WORD_EXPECTED                                                                              \
	"expected words, with every quote closed (a ' ;' in the file starts a comment)"

static void
a_bad_argument_is_named_with_what_was_expected(void **state)
{
	static const struct {
		const char *argument, *expected;
	} rows[] = {
		{ "server.port=0", "-o server.port=0: " PORT_EXPECTED },
		{ "server.port=65536", "-o server.port=65536: " PORT_EXPECTED },
		{ "server.port=-1", "-o server.port=-1: " PORT_EXPECTED },
		{ "server.port=", "-o server.port=: " PORT_EXPECTED },
		{ "server.port= 80", "-o server.port= 80: " PORT_EXPECTED },
		{ "server.port=http", "-o server.port=http: " PORT_EXPECTED },
		{ "server.host=", "-o server.host=: " HOST_EXPECTED },
		{ "server.host=example.org", "-o server.host=example.org: " HOST_EXPECTED },
		{ "server.host=127.1", "-o server.host=127.1: " HOST_EXPECTED },
		{ "server.host=256.0.0.1", "-o server.host=256.0.0.1: " HOST_EXPECTED },
		{ "server.host=[::1]", "-o server.host=[::1]: " HOST_EXPECTED },
		{ "server.host=127.0.0.1:80", "-o server.host=127.0.0.1:80: " HOST_EXPECTED },
		{ "server.agent_dir=", "-o server.agent_dir=: expected a path" },
		{ "server.working_dir=", "-o server.working_dir=: expected a path" },
		{ "server.command=", "-o server.command=: " WORD_EXPECTED },
		{ "server.command=a 'b", "-o server.command=a 'b: " WORD_EXPECTED },
		{ "server.stop_signal=SIGFOO",
		    "-o server.stop_signal=SIGFOO: expected a signal such as SIGTERM or RTMIN+3" },
		{ "server.stop_timeout=5", "-o server.stop_timeout=5: " TIME_EXPECTED },
		{ "server.drain_delay=8761h", "-o server.drain_delay=8761h: " TIME_EXPECTED },
		{ "server.restart_delay=-1s", "-o server.restart_delay=-1s: " TIME_EXPECTED },
		{ "server.restart_delay_max=", "-o server.restart_delay_max=: " TIME_EXPECTED },
		{ "server.signal_group=maybe", "-o server.signal_group=maybe: expected yes or no" },
		{ "server.restart=sometimes",
		    "-o server.restart=sometimes: expected no, on-failure or always" },
		{ "server.restart_limit=1000000001",
		    "-o server.restart_limit=1000000001: expected a number from 0 to 1000000000" },
		{ "server.success_codes=256", "-o server.success_codes=256: " CODE_EXPECTED },
		{ "user.name=", "-o user.name=: expected a text that is not empty" },
		{ "user.no_new_privs=2", "-o user.no_new_privs=2: expected yes or no" },
		{ "log.level=verbose",
		    "-o log.level=verbose: expected error, warn, info or debug" },
		{ "log.format=xml", "-o log.format=xml: expected text or json" },
		{ "server.prot=1", "-o server.prot=1: unknown option" },
		{ "server.Port=1", "-o server.Port=1: unknown option" },
		{ "port.server=1", "-o port.server=1: unknown section" },
		{ "Server.port=1", "-o Server.port=1: unknown section" },
		{ "server.port", "-o server.port: expected SECTION.NAME=VALUE" },
		{ "server=1", "-o server=1: expected SECTION.NAME=VALUE" },
		{ "server.=1", "-o server.=1: expected SECTION.NAME=VALUE" },
		{ ".port=1", "-o .port=1: expected SECTION.NAME=VALUE" },
		{ "port=1.5", "-o port=1.5: expected SECTION.NAME=VALUE" },
		{ "", "-o : expected SECTION.NAME=VALUE" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct input in = { .arguments = { rows[i].argument } };

		expect_error(&in, rows[i].expected);
	}
}

static void
a_bad_variable_is_named_with_what_was_expected(void **state)
{
	static const struct {
		const char *variable, *expected;
	} rows[] = {
		{ "PORT=8000x", "PORT=8000x: " PORT_EXPECTED },
		{ "PORT=", "PORT=: " PORT_EXPECTED },
		{ "PORT=tcp://10.0.0.1:8000", "PORT=tcp://10.0.0.1:8000: " PORT_EXPECTED },
		{ "HOST=", "HOST=: " HOST_EXPECTED },
		{ "HOST=agent.example.org", "HOST=agent.example.org: " HOST_EXPECTED },
		{ "AGENT_DIR=", "AGENT_DIR=: expected a path" },
		{ "INITD_SERVER_PORT=0", "INITD_SERVER_PORT=0: " PORT_EXPECTED },
		{ "INITD_SERVER_HOST=", "INITD_SERVER_HOST=: " HOST_EXPECTED },
		{ "INITD_SERVER_PROT=1", "INITD_SERVER_PROT=1: unknown option" },
		{ "INITD_USER_=1", "INITD_USER_=1: unknown option" },
		{ "INITD_LOG_LEVEL_MAX=1", "INITD_LOG_LEVEL_MAX=1: unknown option" },
		{ "INITD_SIGNALS_HUB=stop", "INITD_SIGNALS_HUB=stop: no such signal" },
		{ "INITD_SIGNALS_KILL=stop",
		    "INITD_SIGNALS_KILL=stop: this signal cannot be mapped" },
		{ "INITD_ENV_PORT=1", "INITD_ENV_PORT=1: use server.port" },
		{ "INITD_ENV_1ST=x",
		    "INITD_ENV_1ST=x: expected the name of an environment variable" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct input in = { .environ = { rows[i].variable } };

		expect_error(&in, rows[i].expected);
	}
}

static void
a_bad_line_is_named_with_its_number(void **state)
{
	static const struct {
		const char *file, *expected;
	} rows[] = {
		{ "[server]\nport = 0\n", "test.ini:2: server.port = 0: " PORT_EXPECTED },
		{ "\n; \n#\n[server]\n\nport = 0", "test.ini:6: server.port = 0: " PORT_EXPECTED },
		{ "[server]\r\nhost = x\r\n", "test.ini:2: server.host = x: " HOST_EXPECTED },
		{ "[server]\nhost =\n", "test.ini:2: server.host = : " HOST_EXPECTED },
		{ "[server]\ncommand = a ; 'b'\nport = 0\n",
		    "test.ini:3: server.port = 0: " PORT_EXPECTED },
		{ "[server]\ncommand = sh -c 'a ; b'\n",
		    "test.ini:2: server.command = sh -c 'a: " WORD_EXPECTED },
		{ "[server]\nprot = 1\n", "test.ini:2: server.prot = 1: unknown option" },
		{ "[server]\nPort = 1\n", "test.ini:2: server.Port = 1: unknown option" },
		{ "[sever]\nport = 1\n", "test.ini:2: sever.port = 1: unknown section" },
		{ "[server]\n= 1\n", "test.ini:2: server. = 1: unknown option" },
		{ "port = 1\n", "test.ini:1: expected a [section] before the first option" },
		{ "[]\nport = 1\n", "test.ini:2: expected a [section] before the first option" },
		{ "[server]\nport\n", "test.ini:2: expected [section] or name = value" },
		{ "[server\n", "test.ini:1: expected [section] or name = value" },
		{ "[server]\nport = 1\nport = 2\n",
		    "test.ini:3: server.port = 2: repeated, first set on line 2" },
		{ "[server]\nport = 1\n[log]\n[server]\nport = 1\n",
		    "test.ini:5: server.port = 1: repeated, first set on line 2" },
		{ "[server]\nport = 1\n  2\n", "test.ini:3: expected [section] or name = value" },
		{ "[server]\nport = 1\n  port = 2\n",
		    "test.ini:3: server.port = 2: repeated, first set on line 2" },
		{ "[signals]\nHUP = stop\nsighup = stop\n",
		    "test.ini:3: signals.sighup = stop: repeated, first set on line 2" },
		{ "[env]\nHOST = ::\n", "test.ini:2: env.HOST = ::: use server.host" },
		{ "[env]\nAGENT_DIR = /\n", "test.ini:2: env.AGENT_DIR = /: use server.agent_dir" },
		{ "[env]\nA B = 1\n",
		    "test.ini:2: env.A B = 1: expected the name of an environment variable" },
		{ "[env]\n= 1\n",
		    "test.ini:2: env. = 1: expected the name of an environment variable" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct input in = { .file = rows[i].file };

		expect_error(&in, rows[i].expected);
	}
}

static void
the_first_of_several_bad_lines_is_named(void **state)
{
	static const struct {
		const char *file, *expected;
	} rows[] = {
		{ "[server\nport = 1\n", "test.ini:1: expected [section] or name = value" },
		{ "[server]\nport\nhost = x\n", "test.ini:2: expected [section] or name = value" },
		{ "[server]\nport = 0\nhost = x\n", "test.ini:2: server.port = 0: " PORT_EXPECTED },
		{ "[server]\nport = 0\nhost\n", "test.ini:2: server.port = 0: " PORT_EXPECTED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct input in = { .file = rows[i].file };

		expect_error(&in, rows[i].expected);
	}
}

/* To inih it would go on with the value above it, or with the first 49 bytes of a longer name. */
static void
an_indented_line_is_a_line_like_any_other(void **state)
{
	static const struct {
		const char *file, *expected;
	} rows[] = {
		{ "  [server]\n  port = 1\n\thost = ::\n \t [log]\n level = info\n", NULL },
		{ "[env]\nA = 1\n B = 2\n\tA = 3\n",
		    "test.ini:4: env.A = 3: repeated, first set on line 2" },
		{ "[env]\nA23456789_123456789_123456789_123456789_123456789 = 1\n 2\n",
		    "test.ini:3: expected [section] or name = value" },
		{ "[env]\nA23456789_123456789_123456789_123456789_1234567890 = 1\n 2\n",
		    "test.ini:3: expected [section] or name = value" },
		{ "[env]\nA23456789_123456789_123456789_123456789_1234567890 = 1\n\f2\n",
		    "test.ini:3: expected [section] or name = value" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct input in = { .file = rows[i].file };

		expect_error(&in, rows[i].expected);
	}
}

static void
nothing_but_a_comment_may_stand_behind_a_section(void **state)
{
	static const char expected[] = "test.ini:1: expected [section] or name = value";
	static const char *const rows[] = {
		"[server] port = 1\n",
		"[server]port = 1\n",
		"[server]]\n",
		"[server] x ; comment\n",
		"  [server] port = 1\n",
		"\xef\xbb\xbf[server] port = 1\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct input in = { .file = rows[i] };

		expect_error(&in, expected);
	}
}

static void
an_option_said_twice_by_one_source_is_an_error(void **state)
{
	static const struct {
		struct input in;
		const char *expected;
	} rows[] = {
		{ { .arguments = { "server.port=1", "server.port=1" } },
		    "-o server.port=1: repeated" },
		{ { .arguments = { "signals.HUP=stop", "signals.SIGHUP=ignore" } },
		    "-o signals.SIGHUP=ignore: repeated" },
		{ { .arguments = { "env.A=1", "env.B=1", "env.A=2" } }, "-o env.A=2: repeated" },
		{ { .file = "[server]\nport = 1\n",
		      .environ = { "INITD_SERVER_PORT=2", "PORT=3" },
		      .arguments = { "server.port=4" } },
		    NULL },
		{ { .file = "[env]\nA = 1\n",
		      .environ = { "INITD_ENV_A=2" },
		      .arguments = { "env.A=3", "env.a=3" } },
		    NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		expect_error(&rows[i].in, rows[i].expected);
}

static void
a_long_text_is_cut_but_the_reason_is_not(void **state)
{
	char argument[4096] = "server.port=", expected[256];
	const struct input in = { .arguments = { argument } };
	size_t length = strlen(argument);

	(void)state;
	memset(argument + length, '1', sizeof argument - length - 1);
	(void)snprintf(
	    expected, sizeof expected, "-o server.port=%.80s: " PORT_EXPECTED, argument + length);
	expect_error(&in, expected);
}

/* main() says the error with log_line(): it must know how. */
static void
after_a_failure_the_log_has_the_format_that_was_asked_for(void **state)
{
	static const struct {
		struct input in;
		enum log_format format;
		enum log_level level;
	} rows[] = {
		{ { .arguments = { "server.port=0" } }, LOG_TEXT, LOG_INFO },
		{ { .arguments = { "log.format=xml" } }, LOG_TEXT, LOG_INFO },
		{ { .arguments = { "log.format=json", "log.level=loud" } }, LOG_JSON, LOG_INFO },
		{ { .environ = { "INITD_LOG_LEVEL=error", "PORT=0" } }, LOG_TEXT, LOG_ERROR },
		{ { .environ = { "INITD_LOG_FORMAT=json", "INITD_LOG_LEVEL=" } }, LOG_JSON,
		    LOG_INFO },
		{ { .environ = { "INITD_LOG_FORMAT=json" }, .file = "[x]\ny = 1\n" }, LOG_JSON,
		    LOG_INFO },
		{ { .arguments = { "log.format=json" }, .file = "nonsense\n" }, LOG_JSON,
		    LOG_INFO },
		{ { .file = "[log]\nformat = json\nlevel = debug\nport = 1\n" }, LOG_JSON,
		    LOG_DEBUG },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct error err;

		expect_equal(label(&rows[i].in), load(&cfg, &rows[i].in, &err), -1);
		expect_equal(label(&rows[i].in), cfg.log_format, rows[i].format);
		expect_equal(label(&rows[i].in), cfg.log_level, rows[i].level);
		config_free(&cfg);
	}
}

/* ---- the file ---- */

static void
a_file_may_have_any_of_these_shapes(void **state)
{
	static const char *const rows[] = {
		"[server]\nport=81\n",
		"[server]\nport = 81",
		"[server]\r\nport = 81\r\n",
		"\xef\xbb\xbf[server]\nport = 81\n",
		"\xef\xbb\xbf; comment\r\n[server]\r\nport = 81",
		"  [server]\n  port = 81\n",
		"[server]\n\tport\t=\t81\t\n",
		"[server]\nport: 81\n",
		"[server]\nport = 81 ; the usual one is taken\n",
		"[server] ; the network\nport = 81\n",
		"[server]# the network\nport = 81\n",
		"[server]\t\r\nport = 81\n",
		"# 1\n; 2\n[log]\n[server]\n; port = 1\n# port = 2\nport = 81\n",
		"[server]\nport = 81\n  ; indented comment\n",
		"[log]\nlevel = info\n\n[server]\n\n\nport = 81\n\n\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct input in = { .file = rows[i] };
		struct config cfg;

		must_load(&cfg, &in);
		expect_equal(rows[i], cfg.port, 81);
		expect_text(rows[i], cfg.path, FILE_NAME);
		config_free(&cfg);
	}
}

static void
only_a_blank_before_a_semicolon_makes_a_comment(void **state)
{
	static const struct {
		const char *file, *expected;
	} rows[] = {
		{ "[env]\nX = a;b\n", "a;b" },
		{ "[env]\nX = a ;b\n", "a" },
		{ "[env]\nX = a\t; b\n", "a" },
		{ "[env]\nX = a #b\n", "a #b" },
		{ "[env]\nX = \"a b\"\n", "\"a b\"" },
		{ "[env]\nX = a=b:c\n", "a=b:c" },
		{ "[env]\nX = [a]\n", "[a]" },
		{ "[env]\nX =\n", "" },
		{ "[env]\nX = ;a\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct input in = { .file = rows[i].file };
		struct config cfg;

		must_load(&cfg, &in);
		expect_text(rows[i].file, cfg.env[0].setting.text, rows[i].expected);
		config_free(&cfg);
	}
}

/* "[env]", then "X = aaa…" of `length` bytes, then `end`. */
/* A value for an option without a default. */
static const char *
example_of(const struct option_row *option)
{
	return strcmp(option->name, "target") == 0 ? "/live" : "15";
}

static void
write_long_line(size_t length, const char *end)
{
	char *text = malloc(length + 32), *line;

	assert_non_null(text);
	line = stpcpy(text, "[env]\n");
	memset(line, 'a', length);
	memcpy(line, "X = ", 4);
	(void)stpcpy(line + length, end);
	write_file(FILE_NAME, text);
	free(text);
}

static void
a_line_has_at_most_198_bytes(void **state)
{
	static const char too_long[] =
	    FILE_NAME ":2: the line is longer than 198 bytes; use -o or the environment";
	static const struct {
		size_t length;
		const char *end, *expected;
	} rows[] = {
		{ 197, "\n", NULL },
		{ 198, "\n", NULL },
		{ 198, "", NULL },
		{ 197, "\r\n", NULL },
		{ 199, "\n", too_long },
		{ 199, "", too_long },
		{ 200, "\nlevel = x\n", too_long },
		{ 400, "[user]\n", too_long },
		{ 1 << 20, "\n", too_long },
	};
	static char *const nothing[] = { NULL };
	const struct config_spec spec = { .path = FILE_NAME, .vars = nothing };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct error err = { .msg = "" };
		int status;

		write_long_line(rows[i].length, rows[i].end);
		status = config_load(&cfg, &spec, &err);
		if (status == 0)
			assert_int_equal(strlen(cfg.env[0].setting.text), rows[i].length - 4);
		config_free(&cfg);
		assert_int_equal(status, rows[i].expected ? -1 : 0);
		expect_text("long line", err.msg, rows[i].expected ? rows[i].expected : "");
	}
}

static void
a_nul_byte_is_refused(void **state)
{
	static const struct {
		char text[24];
		size_t length;
		const char *expected;
	} rows[] = {
		{ "\0", 1, FILE_NAME ":1: a NUL byte; expected text" },
		{ "[server]\nport = 1\0", 18, FILE_NAME ":2: a NUL byte; expected text" },
		{ "[server]\nport = 1\n\0\n", 20, FILE_NAME ":3: a NUL byte; expected text" },
	};
	static char *const nothing[] = { NULL };
	const struct config_spec spec = { .path = FILE_NAME, .vars = nothing };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;
		struct error err;

		write_bytes(FILE_NAME, rows[i].text, rows[i].length);
		assert_int_equal(config_load(&cfg, &spec, &err), -1);
		config_free(&cfg);
		expect_text("NUL", err.msg, rows[i].expected);
	}
}

static void
only_a_regular_file_or_dev_null_is_read(void **state)
{
	static const struct {
		const char *path, *expected;
	} rows[] = {
		{ "/dev/null", NULL },
		{ "link", NULL },
		{ "", "-c: expected a path" },
		{ "missing", "missing: No such file or directory" },
		{ "dangling", "dangling: No such file or directory" },
		{ "good.ini/x", "good.ini/x: Not a directory" },
		{ ".", ".: expected a regular file" },
		{ "fifo", "fifo: expected a regular file" },
		{ "/dev/zero", "/dev/zero: expected a regular file" },
	};
	static char *const nothing[] = { NULL };

	(void)state;
	write_file("good.ini", "[server]\nport = 81\n");
	assert_int_equal(symlink("good.ini", "link"), 0);
	assert_int_equal(symlink("missing", "dangling"), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	(void)alarm(10); /* waiting for a writer would never fail */
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct config_spec spec = { .path = rows[i].path, .vars = nothing };
		struct config cfg;
		struct error err = { .msg = "" };
		int status = config_load(&cfg, &spec, &err);

		config_free(&cfg);
		expect_text(rows[i].path, err.msg, rows[i].expected ? rows[i].expected : "");
		expect_equal(rows[i].path, status, rows[i].expected ? -1 : 0);
	}
	(void)alarm(0);
}

/* root reads everything. */
static void
a_file_that_may_not_be_read_is_an_error(void **state)
{
	static char *const nothing[] = { NULL };
	const struct config_spec spec = { .path = FILE_NAME, .vars = nothing };
	bool root = geteuid() == 0;
	struct config cfg;
	struct error err;
	int status;

	(void)state;
	write_file(FILE_NAME, "[server]\nport = 81\n");
	assert_int_equal(chmod(".", 0755), 0);
	assert_int_equal(chmod(FILE_NAME, 0), 0);
	if (root && seteuid(65534) < 0)
		skip(); /* a user namespace with one user */
	status = config_load(&cfg, &spec, &err);
	if (root)
		assert_int_equal(seteuid(0), 0);
	config_free(&cfg);
	assert_int_equal(chmod(FILE_NAME, 0600), 0);
	assert_int_equal(status, -1);
	assert_string_equal(err.msg, FILE_NAME ": Permission denied");
}

static void
initd_config_names_the_file_unless_it_is_said_aloud(void **state)
{
	static const struct {
		const char *path, *variable;
		unsigned port;
		const char *expected;
	} rows[] = {
		{ NULL, "INITD_CONFIG=81.ini", 81, "" },
		{ "82.ini", "INITD_CONFIG=81.ini", 82, "" },
		{ "82.ini", "INITD_CONFIG=missing", 82, "" },
		{ NULL, "INITD_CONFIG=missing", 0, "missing: No such file or directory" },
		{ "/dev/null", "INITD_CONFIG=", 8000, "" },
		{ NULL, "INITD_CONFIG=", 0, "INITD_CONFIG=: expected a path" },
	};

	(void)state;
	write_file("81.ini", "[server]\nport = 81\n");
	write_file("82.ini", "[server]\nport = 82\n");
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *const variables[] = { rows[i].variable, NULL };
		const struct config_spec spec = { .path = rows[i].path,
			.vars = (char *const *)variables };
		struct config cfg;
		struct error err = { .msg = "" };
		int status = config_load(&cfg, &spec, &err);

		expect_text(rows[i].variable, err.msg, rows[i].expected);
		expect_equal(rows[i].variable, status, rows[i].port ? 0 : -1);
		if (status == 0)
			expect_equal(rows[i].variable, cfg.port, rows[i].port);
		config_free(&cfg);
	}
}

static void
the_default_file_may_be_missing(void **state)
{
	static char *const nothing[] = { NULL };
	const struct config_spec spec = { .vars = nothing };
	struct config cfg;
	struct error err;

	(void)state;
	if (access("/etc/initd.ini", F_OK) == 0)
		skip();
	assert_int_equal(config_load(&cfg, &spec, &err), 0);
	assert_null(cfg.path);
	assert_int_equal(cfg.port, 8000);
	config_free(&cfg);
}

/* ---- names in the environment ---- */

static void
a_variable_that_is_not_ours_is_ignored(void **state)
{
	/* A Kubernetes service called initd makes the first four. */
	static const char *const rows[] = {
		"INITD_PORT=tcp://10.96.0.7:80",
		"INITD_PORT_80_TCP=tcp://10.96.0.7:80",
		"INITD_SERVICE_HOST=10.96.0.7",
		"INITD_SERVICE_PORT_HTTP=80",
		"INITD_CHANGED=[]",
		"INITD_=1",
		"INITD_SERVER=1",
		"INITD_SERVER=a_b",
		"INITD_SERVERPORT=1",
		"INITD__SERVER_PORT=1",
		"INITD_SERVER_PORT",
		"XINITD_SERVER_PORT=0",
		"initd_server_port=0",
		"MY_PORT=0",
		"PORTS=0",
		"port=0",
		"",
		"=",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct input in = { .environ = { rows[i] } };
		struct config cfg;

		must_load(&cfg, &in);
		for (size_t row = 0; options_row(row); row++)
			expect_equal(rows[i], cfg.settings[row].source <= CONFIG_DEFAULT, true);
		expect_equal(rows[i], cfg.n_env, 1);
		config_free(&cfg);
	}
}

static void
every_option_has_a_variable(void **state)
{
	(void)state;
	for (size_t i = 0; options_row(i); i++) {
		const struct option_row *option = options_row(i);
		char variable[128] = "INITD_", *end = variable + strlen(variable);
		const struct input in = { .environ = { variable } };
		struct config cfg;

		(void)sprintf(end, "%s_%s=%s", option->section, option->name,
		    *option->fallback ? option->fallback : example_of(option));
		for (char *c = end; *c != '='; c++)
			if (*c >= 'a' && *c <= 'z')
				*c = (char)(*c - 'a' + 'A');
		must_load(&cfg, &in);
		expect_equal(variable, cfg.settings[i].source, CONFIG_ENVIRONMENT);
		expect_equal(variable,
		    options_source(&cfg, option->section, option->name) > CONFIG_DEFAULT, true);
		config_free(&cfg);
	}
}

/* ---- [signals] ---- */

static void
a_signal_is_free_unless_it_is_a_fault_or_initds_own(void **state)
{
	static const int taken[] = { SIGKILL, SIGSTOP, SIGCHLD, SIGTTIN, SIGTTOU, SIGSEGV, SIGBUS,
		SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, 32, 33, 0, -1, 65 };
	const struct input in = { 0 };
	struct signal_rule rule;
	struct config cfg;

	(void)state;
	must_load(&cfg, &in);
	for (int signum = -1; signum <= SIGNAL_MAX + 1; signum++) {
		bool stops = signum == SIGTERM || signum == SIGINT || signum == SIGQUIT;
		bool is_free = true;

		for (size_t i = 0; i < COUNT(taken); i++)
			is_free = is_free && signum != taken[i];
		assert_int_equal(options_signal_is_free(signum), is_free);
		assert_int_equal(options_signal_stops(signum), stops);
		if (signum < 1 || signum > SIGNAL_MAX)
			continue;
		rule = options_signal_rule(&cfg, signum);
		assert_int_equal(rule.send, 0);
		if (stops)
			assert_int_equal(rule.action, SIGNAL_STOP);
		else
			assert_int_equal(rule.action, is_free ? SIGNAL_FORWARD : SIGNAL_IGNORE);
	}
	config_free(&cfg);
}

static void
a_signal_rule_changes_what_a_signal_leads_to(void **state)
{
	static const struct {
		const char *argument;
		int signum;
		enum signal_action action;
		int send;
	} rows[] = {
		{ "signals.SIGHUP=stop", SIGHUP, SIGNAL_STOP, 0 },
		{ "signals.HUP=Stop", SIGHUP, SIGNAL_STOP, 0 },
		{ "signals.hup=restart", SIGHUP, SIGNAL_RESTART, 0 },
		{ "signals.sigusr1=IGNORE", SIGUSR1, SIGNAL_IGNORE, 0 },
		{ "signals.1=stop", SIGHUP, SIGNAL_STOP, 0 },
		{ "signals.USR1=forward", SIGUSR1, SIGNAL_FORWARD, 0 },
		{ "signals.USR1=TERM", SIGUSR1, SIGNAL_FORWARD, SIGTERM },
		{ "signals.USR1=sigquit", SIGUSR1, SIGNAL_FORWARD, SIGQUIT },
		{ "signals.USR1=9", SIGUSR1, SIGNAL_FORWARD, SIGKILL },
		{ "signals.RTMIN+3=TERM", 37, SIGNAL_FORWARD, SIGTERM },
		{ "signals.SIGRTMAX=RTMIN", 64, SIGNAL_FORWARD, 34 },
		{ "signals.TERM=INT", SIGTERM, SIGNAL_STOP, SIGINT },
		{ "signals.QUIT=stop", SIGQUIT, SIGNAL_STOP, 0 },
		{ "signals.INT=restart", SIGINT, SIGNAL_RESTART, 0 },
		{ "signals.TERM=ignore", SIGTERM, SIGNAL_IGNORE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct input in = { .arguments = { rows[i].argument } };
		struct signal_rule rule;
		struct config cfg;

		must_load(&cfg, &in);
		rule = options_signal_rule(&cfg, rows[i].signum);
		expect_equal(rows[i].argument, rule.action, rows[i].action);
		expect_equal(rows[i].argument, rule.send, rows[i].send);
		expect_equal(rows[i].argument, rule.setting.source, CONFIG_ARGUMENT);
		config_free(&cfg);
	}
}

#define RULE_EXPECTED "expected forward, another signal's name, restart, stop or ignore"

static void
a_bad_signal_rule_is_refused(void **state)
{
	static const struct {
		const char *argument, *expected;
	} rows[] = {
		{ "signals.HUP=", "-o signals.HUP=: " RULE_EXPECTED },
		{ "signals.HUP=reload", "-o signals.HUP=reload: " RULE_EXPECTED },
		{ "signals.HUP=0", "-o signals.HUP=0: " RULE_EXPECTED },
		{ "signals.HUP=stop ", "-o signals.HUP=stop : " RULE_EXPECTED },
		{ "signals.HUB=stop", "-o signals.HUB=stop: no such signal" },
		{ "signals.65=stop", "-o signals.65=stop: no such signal" },
		{ "signals.KILL=stop", "-o signals.KILL=stop: this signal cannot be mapped" },
		{ "signals.STOP=TERM", "-o signals.STOP=TERM: this signal cannot be mapped" },
		{ "signals.CHLD=ignore", "-o signals.CHLD=ignore: this signal cannot be mapped" },
		{ "signals.SEGV=forward", "-o signals.SEGV=forward: this signal cannot be mapped" },
		{ "signals.33=stop", "-o signals.33=stop: this signal cannot be mapped" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct input in = { .arguments = { rows[i].argument } };

		expect_error(&in, rows[i].expected);
	}
}

/* ---- [env] ---- */

static const char *
env_value(const struct config *cfg, const char *name)
{
	const char *value = NULL;

	for (size_t i = 0; i < cfg->n_env; i++)
		if (strcmp(cfg->env[i].name, name) == 0) {
			assert_null(value);
			value = cfg->env[i].setting.text;
		}
	return value;
}

static void
an_env_default_keeps_its_name_and_text(void **state)
{
	static const struct {
		struct input in;
		const char *name, *expected;
	} rows[] = {
		{ { .arguments = { "env.FOO=bar" } }, "FOO", "bar" },
		{ { .arguments = { "env.FOO=a=b" } }, "FOO", "a=b" },
		{ { .arguments = { "env.FOO=" } }, "FOO", "" },
		{ { .arguments = { "env.a.b=c" } }, "a.b", "c" },
		{ { .arguments = { "env._=c" } }, "_", "c" },
		{ { .environ = { "INITD_ENV_FOO_BAR=1" } }, "FOO_BAR", "1" },
		{ { .environ = { "INITD_ENV_http_proxy=x" } }, "http_proxy", "x" },
		{ { .file = "[env]\nFoo = b c\n" }, "Foo", "b c" },
		{ { .file = "[env]\nFoo = b c\n" }, "foo", NULL },
		{ { .file = "[env]\nA = 1\nB = 2\n" }, "PYTHONUNBUFFERED", "1" },
		{ { .file = "[env]\nPYTHONUNBUFFERED = 0\n" }, "PYTHONUNBUFFERED", "0" },
		{ { .environ = { "INITD_ENV_PYTHONUNBUFFERED=" } }, "PYTHONUNBUFFERED", "" },
		{ { .environ = { "PYTHONUNBUFFERED=0" } }, "PYTHONUNBUFFERED", "1" },
		{ { .file = "[env]\nA = 1\n", .environ = { "INITD_ENV_A=2" } }, "A", "2" },
		{ { .environ = { "INITD_ENV_A=2" }, .arguments = { "env.A=3" } }, "A", "3" },
		{ { .environ = { "INITD_ENV_A=1", "INITD_ENV_A=2" } }, "A", "1" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config cfg;

		must_load(&cfg, &rows[i].in);
		expect_text(label(&rows[i].in), env_value(&cfg, rows[i].name), rows[i].expected);
		config_free(&cfg);
	}
}

/* ---- printing ---- */

static const struct input printed = {
	.file = "[server]\nport = 81\nworking_dir = \"x\\y\"\n\n[env]\nFOO = a b\n",
	.environ = { "HOST=::1", "INITD_LOG_LEVEL=debug", "INITD_ENV_Mixed=1" },
	.arguments = { "user.name=root", "signals.hup=stop" },
};

/* What options_print() says; to be freed. */
static char *
print(bool json)
{
	struct config cfg;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	must_load(&cfg, &printed);
	options_print(&cfg, out, json);
	assert_int_equal(fclose(out), 0);
	config_free(&cfg);
	return text;
}

static size_t
count(const char *text, const char *piece)
{
	size_t n = 0;

	for (; (text = strstr(text, piece)); text += strlen(piece))
		n++;
	return n;
}

static size_t
n_options(void)
{
	size_t n = 0;

	while (options_row(n))
		n++;
	return n;
}

static void
the_options_are_printed_with_value_and_origin(void **state)
{
	static const char *const lines[] = {
		"\nserver.port                81                       test.ini:2\n",
		"\nserver.working_dir         \"x\\y\"                    test.ini:3\n",
		"\nserver.host                ::1                      HOST\n",
		"\nserver.agent_dir           /app/src                 default\n",
		"\nserver.command             -                        default\n",
		"\nuser.name                  root                     -o\n",
		"\nlog.level                  debug                    INITD_LOG_LEVEL\n",
		"\nsignals.SIGHUP             stop                     -o\n",
		"\nenv.FOO                    a b                      test.ini:6\n",
		"\nenv.Mixed                  1                        INITD_ENV_Mixed\n",
		"\nenv.PYTHONUNBUFFERED       1                        default\n",
	};
	char *text = print(false), *framed;

	(void)state;
	assert_true(asprintf(&framed, "\n%s", text) > 0);
	for (size_t i = 0; i < COUNT(lines); i++)
		expect_equal(lines[i], count(framed, lines[i]), 1);
	assert_int_equal(count(text, "\n"), n_options() + 4);
	free(framed);
	free(text);
}

static void
the_options_are_printed_as_a_json_array(void **state)
{
	static const char *const objects[] = {
		"{\"option\": \"server.port\", \"value\": \"81\", \"origin\": \"test.ini:2\"}",
		"{\"option\": \"server.working_dir\", \"value\": \"\\\"x\\\\y\\\"\", \"origin\": \"test.ini:3\"}",
		"{\"option\": \"server.host\", \"value\": \"::1\", \"origin\": \"HOST\"}",
		"{\"option\": \"server.command\", \"value\": null, \"origin\": \"default\"}",
		"{\"option\": \"user.name\", \"value\": \"root\", \"origin\": \"-o\"}",
		"{\"option\": \"log.level\", \"value\": \"debug\", \"origin\": \"INITD_LOG_LEVEL\"}",
		"{\"option\": \"signals.SIGHUP\", \"value\": \"stop\", \"origin\": \"-o\"}",
		"{\"option\": \"env.FOO\", \"value\": \"a b\", \"origin\": \"test.ini:6\"}",
	};
	char *text = print(true);
	size_t n = n_options() + 4;

	(void)state;
	for (size_t i = 0; i < COUNT(objects); i++)
		expect_equal(objects[i], count(text, objects[i]), 1);
	assert_int_equal(text[0], '[');
	assert_int_equal(text[strlen(text) - 1], ']');
	assert_int_equal(count(text, "{\"option\": "), n);
	assert_int_equal(count(text, "},\n"), n - 1);
	assert_int_equal(count(text, "}"), n);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_said_gives_the_documented_defaults),
		cmocka_unit_test(every_number_reaches_its_field),
		cmocka_unit_test(every_text_reaches_its_field),
		cmocka_unit_test(a_command_is_split_into_words),
		cmocka_unit_test(success_codes_are_those_that_were_listed_and_no_other),
		cmocka_unit_test(the_highest_source_wins_whatever_the_others_say),
		cmocka_unit_test(an_alias_sets_its_option),
		cmocka_unit_test(a_variable_that_is_there_twice_has_its_first_value),
		cmocka_unit_test(an_option_is_set_if_anybody_but_the_default_set_it),
		cmocka_unit_test(a_bad_argument_is_named_with_what_was_expected),
		cmocka_unit_test(a_bad_variable_is_named_with_what_was_expected),
		cmocka_unit_test(a_bad_line_is_named_with_its_number),
		cmocka_unit_test(the_first_of_several_bad_lines_is_named),
		cmocka_unit_test(an_indented_line_is_a_line_like_any_other),
		cmocka_unit_test(nothing_but_a_comment_may_stand_behind_a_section),
		cmocka_unit_test(an_option_said_twice_by_one_source_is_an_error),
		cmocka_unit_test(a_long_text_is_cut_but_the_reason_is_not),
		cmocka_unit_test(after_a_failure_the_log_has_the_format_that_was_asked_for),
		cmocka_unit_test(a_file_may_have_any_of_these_shapes),
		cmocka_unit_test(only_a_blank_before_a_semicolon_makes_a_comment),
		cmocka_unit_test(a_line_has_at_most_198_bytes),
		cmocka_unit_test(a_nul_byte_is_refused),
		cmocka_unit_test(only_a_regular_file_or_dev_null_is_read),
		cmocka_unit_test(a_file_that_may_not_be_read_is_an_error),
		cmocka_unit_test(initd_config_names_the_file_unless_it_is_said_aloud),
		cmocka_unit_test(the_default_file_may_be_missing),
		cmocka_unit_test(a_variable_that_is_not_ours_is_ignored),
		cmocka_unit_test(every_option_has_a_variable),
		cmocka_unit_test(a_signal_is_free_unless_it_is_a_fault_or_initds_own),
		cmocka_unit_test(a_signal_rule_changes_what_a_signal_leads_to),
		cmocka_unit_test(a_bad_signal_rule_is_refused),
		cmocka_unit_test(an_env_default_keeps_its_name_and_text),
		cmocka_unit_test(the_options_are_printed_with_value_and_origin),
		cmocka_unit_test(the_options_are_printed_as_a_json_array),
	};

	return cmocka_run_group_tests_name("config", tests, enter_folder, leave_folder);
}
