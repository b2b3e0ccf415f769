/* SPDX-License-Identifier: MIT */
/* initd healthcheck: one question to the server, one line, exit code 0 or 1. */
#include "cmd.h"
#include "cmdline.h"
#include "config.h"
#include "control.h"
#include "exit_code.h"
#include "json.h"
#include "privs.h"
#include "probe.h"
#include "proc.h"
#include "status.h"
#include "utf8.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	INIT_PID = 1,
	/* So long we wait to hear from PID 1 what to ask; it answers within microseconds. */
	INIT_PATIENCE_MS = 100,
	LINE_SIZE = 2048,
};

/* What PID 1 says of itself. */
enum init_word {
	INIT_ABSENT, /* no initd there, or not for us */
	INIT_SILENT, /* asked, not answered yet */
	INIT_HEARD,  /* check->reply and check->init */
};

/* What is mostly not needed comes last, so that it costs no page. */
struct check {
	struct cmdline cmd;
	bool has_words; /* of its own; else PID 1's are taken */
	uint64_t started_us;
	struct control_call call;
	enum init_word word;
	struct control_peer init;
	bool has_verdict;
	struct probe_verdict verdict;
	struct probe_spec spec; /* points into what it was made of */
	char reply[CONTROL_HEALTH_SIZE];
	struct status status; /* of PID 1, if it was heard */
	bool has_config;
	struct config config;
};

static uint64_t
now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- the line ---- */

static size_t
json_line(const struct check *check, bool healthy, const char *text, char line[LINE_SIZE])
{
	char target[HTTP_TARGET_TEXT_SIZE], quoted[2][HTTP_TARGET_TEXT_SIZE * 2];
	size_t n;

	(void)json_string(quoted[0], sizeof quoted[0], text);
	n = (size_t)snprintf(
	    line, LINE_SIZE, "{\"healthy\":%s,\"target\":", healthy ? "true" : "false");
	if (check->has_verdict) {
		(void)json_string(quoted[1], sizeof quoted[1],
		    http_target_text(&check->spec.target, check->verdict.address, target));
		n += (size_t)snprintf(line + n, LINE_SIZE - n, "%s,\"status\":", quoted[1]);
	} else {
		n += (size_t)snprintf(line + n, LINE_SIZE - n, "null,\"status\":");
	}
	if (check->has_verdict && check->verdict.status > 0)
		n += (size_t)snprintf(line + n, LINE_SIZE - n, "%u", check->verdict.status);
	else
		n += (size_t)snprintf(line + n, LINE_SIZE - n, "null");
	if (check->has_verdict)
		n += (size_t)snprintf(line + n, LINE_SIZE - n, ",\"duration_ms\":%u.%03u",
		    check->verdict.us / 1000, check->verdict.us % 1000);
	else
		n += (size_t)snprintf(line + n, LINE_SIZE - n, ",\"duration_ms\":null");
	return n + (size_t)snprintf(line + n, LINE_SIZE - n, ",\"message\":%s}\n", quoted[0]);
}

static size_t
text_line(bool healthy, const char *text, char line[LINE_SIZE])
{
	size_t n = (size_t)snprintf(
	    line, LINE_SIZE - 1, "%s: %s", healthy ? "healthy" : "unhealthy", text);

	utf8_make_printable(line);
	line[n++] = '\n';
	return n;
}

/* Say it, if stdout takes it without making us wait, and return the exit code. */
static int
say(const struct check *check, bool healthy, const char *text)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
	char line[LINE_SIZE];
	size_t n = check->cmd.json ? json_line(check, healthy, text, line)
				   : text_line(healthy, text, line);

	if (poll(&out, 1, 0) > 0 && write(STDOUT_FILENO, line, n) < 0) {
		/* The exit code still says it. */
	}
	return healthy ? EXIT_CODE_OK : EXIT_CODE_UNHEALTHY;
}

/* ---- what to ask, and as whom ---- */

/* TARGET is another way to write -o health.target=TARGET. */
static int
load_config(struct check *check, struct error *err)
{
	struct cmdline *cmd = &check->cmd;
	char setting[sizeof "health.target=" + HTTP_TARGET_TEXT_SIZE];
	const char *target = cmd->operands[0];
	const struct config_spec spec = {
		.path = cmd->config_path,
		.arguments = cmd->settings,
		.n_arguments = cmd->n_settings + (target != NULL),
		.vars = environ,
	};

	if (target) {
		if (cmd->operands[1])
			return error_set(err, "%.100s: expected one TARGET", cmd->operands[1]);
		if ((size_t)snprintf(setting, sizeof setting, "health.target=%s", target) >=
		    sizeof setting)
			return error_set(err, "%.100s…: the target is too long", target);
		/* A slot of argv that is behind us: the subcommand's own at the latest. */
		cmd->settings[cmd->n_settings] = setting;
	}
	check->has_config = true;
	if (config_load(&check->config, &spec, err) < 0)
		return -1;
	/* It lies in argv, which lasts; `setting` does not. */
	if (target)
		check->config.health_target = target;
	return 0;
}

/*
 * Docker and podman run a HEALTHCHECK as root if the image has no USER, whatever PID 1 became. We
 * become what PID 1 is, or would be: before that, all that is done is to exchange one datagram with it.
 */
static int
become_user(const struct check *check, struct error *err)
{
	/* Without options of our own it is PID 1 who was heard. */
	const struct config *config = check->has_config ? &check->config : NULL;
	bool is_said = config && options_source(config, "user", "name") == CONFIG_ARGUMENT;
	struct privs privs;

	if (geteuid() != 0)
		return 0;
	if (!config || (check->word == INIT_HEARD && !is_said)) {
		privs_by_ids(&privs, check->init.uid, check->init.gid);
	} else {
		const struct privs_spec spec = {
			.user = config->user,
			.passwd_path = PRIVS_PASSWD_PATH,
			.group_path = PRIVS_GROUP_PATH,
			.no_groups = true,
		};

		if (privs_resolve(&privs, &spec, err) < 0)
			return -1;
	}
	return privs.uid == 0 ? 0 : privs_switch(&privs, err);
}

/* By the same sources as PID 1, but for its command line. */
static int
spec_from_config(struct check *check, struct error *err)
{
	const struct config *config = &check->config;

	if (load_config(check, err) < 0)
		return -1;
	check->spec.expect_text = config->health_expect;
	check->spec.host_header = config->health_host_header;
	check->spec.timeout_ms = config->health_timeout_ms;
	if (!http_target_parse(
		&check->spec.target, config->health_target, config->host, config->port) ||
	    !http_expect_parse(config->health_expect, &check->spec.expect))
		return error_set(err, "health.target: there is nothing to ask");
	return 0;
}

/* As PID 1 asks, if it says so and we understand it. */
static bool
spec_from_init(struct check *check)
{
	const struct status *status = &check->status;

	check->spec.expect_text = status->expect;
	check->spec.host_header = *status->host_header ? status->host_header : NULL;
	check->spec.timeout_ms = status->timeout_ms;
	return status->timeout_ms > 0 && http_expect_parse(status->expect, &check->spec.expect) &&
	       http_target_parse(&check->spec.target, status->target, "127.0.0.1", 1);
}

/* ---- PID 1 ---- */

static int
remaining_ms(const struct check *check, uint64_t timeout_ms)
{
	uint64_t gone_ms = (now_us() - check->started_us) / 1000;

	return gone_ms >= timeout_ms ? 0 : (int)(timeout_ms - gone_ms);
}

/* Wait for its answer until so long after our start. It is read later. */
static enum init_word
hear_init(struct check *check, uint64_t until_ms)
{
	ssize_t n;

	if (check->call.fd < 0)
		return INIT_ABSENT;
	n = control_wait(&check->call, remaining_ms(check, until_ms), check->reply,
	    sizeof check->reply, &check->init);
	if (n == -ETIMEDOUT)
		return INIT_SILENT;
	return n < 0 || strncmp(check->reply, CONTROL_ERROR, strlen(CONTROL_ERROR)) == 0
		   ? INIT_ABSENT
		   : INIT_HEARD;
}

/* A server that is about to go is nothing to send a request to. */
static bool
init_is_leaving(const struct check *check)
{
	static const char *const leaving[] = { "draining", "stopping", "ending" };

	for (size_t i = 0; i < sizeof leaving / sizeof leaving[0]; i++)
		if (strcmp(check->status.state, leaving[i]) == 0)
			return true;
	return false;
}

/* ---- the question ---- */

static void
ask_server(struct check *check)
{
	struct probe probe;
	uint64_t timeout_ms = check->spec.timeout_ms;

	(void)probe_start(&probe, &check->spec, now_us());
	do {
		while (probe.verdict.result == PROBE_PENDING) {
			struct pollfd ready = { .fd = probe.fd, .events = probe.events };

			if (poll(&ready, 1, remaining_ms(check, timeout_ms)) > 0)
				(void)probe_go_on(&probe, now_us());
			else if (remaining_ms(check, timeout_ms) == 0)
				(void)probe_expire(&probe, now_us());
		}
	} while (probe_next(&probe, now_us()));
	check->verdict = probe.verdict;
	check->has_verdict = true;
}

static int
say_leaving(const struct check *check)
{
	char text[64];

	(void)snprintf(text, sizeof text, "initd is %s", check->status.state);
	return say(check, false, text);
}

static int
say_unhealthy(const struct check *check, const char *text)
{
	char more[LINE_SIZE];
	bool waits = check->word == INIT_HEARD && strcmp(check->status.state, "backoff") == 0;

	(void)snprintf(more, sizeof more, "%s%s", text,
	    waits ? "; it ended, and initd waits before it starts it again" : "");
	return say(check, false, more);
}

/* PID 1 was heard: does it say that it is leaving? An answer of another version says nothing. */
static bool
read_init(struct check *check)
{
	return status_read(&check->status, check->reply) && init_is_leaving(check);
}

/* What to ask was found, and we are nobody special any more. */
static int
run_check(struct check *check)
{
	char text[HTTP_TARGET_TEXT_SIZE + 128];

	ask_server(check);
	probe_verdict_text(&check->verdict, &check->spec, text, sizeof text);
	if (check->verdict.result != PROBE_HEALTHY)
		return say_unhealthy(check, text);
	if (check->word != INIT_SILENT)
		return say(check, true, text);
	/* It may have been slow for a moment, in a container with a small share of a CPU. */
	check->word = hear_init(check, check->spec.timeout_ms);
	if (check->word == INIT_SILENT)
		return say(check, false, "initd (pid 1) does not answer: stopped or stalled");
	if (check->word == INIT_HEARD && read_init(check))
		return say_leaving(check);
	return say(check, true, text);
}

/* PID 1 first: with no words of our own it says what to ask, and nothing else has to be read. */
static int
prepare_and_run(struct check *check)
{
	struct error err;
	bool init_leads;

	(void)control_ask(&check->call, INIT_PID, CONTROL_HEALTH);
	check->word = hear_init(check, INIT_PATIENCE_MS);
	init_leads = check->word == INIT_HEARD && !check->has_words;
	if ((!init_leads && spec_from_config(check, &err) < 0) || become_user(check, &err) < 0)
		return say(check, false, err.msg);
	if (check->word == INIT_HEARD && read_init(check))
		return say_leaving(check);
	if (init_leads && !spec_from_init(check) && spec_from_config(check, &err) < 0)
		return say(check, false, err.msg);
	return run_check(check);
}

int
cmd_healthcheck(int argc, char **argv, const struct proc_signals *inherited)
{
	struct check check;
	struct error err;
	int code;

	/* Not all of it: most is room for what nobody sets. */
	check.has_verdict = false;
	check.has_config = false;
	check.cmd.json = false;
	check.started_us = now_us();
	/* It may be ended by a signal, but not by a reader who has gone. */
	proc_set_mask(SIG_SETMASK, inherited->mask | PROC_SIGNAL_BIT(SIGPIPE), NULL);
	if (cmdline_parse(&check.cmd, argc, argv, CMDLINE_CONFIG | CMDLINE_JSON, &err) < 0)
		return say(&check, false, err.msg);
	check.has_words =
	    check.cmd.operands[0] || check.cmd.config_path || check.cmd.n_settings > 0;
	code = prepare_and_run(&check);
	if (check.has_config)
		config_free(&check.config);
	return code;
}
