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
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	/* So long we wait to hear PID 1; it answers within microseconds. */
	INIT_PATIENCE_MS = 100,
	LINE_SIZE = 2048,
};

/* What PID 1 says of itself. */
enum init_word {
	INIT_ABSENT, /* no initd there, or not for us */
	INIT_SILENT, /* asked, not answered yet */
	INIT_HEARD,  /* check->status */
};

/* What is mostly not needed comes last, so that it costs no page. */
struct check {
	struct cmdline cmd;
	bool has_options; /* -c or -o: what PID 1 was given does not count */
	uint64_t started_us;
	int init_fd; /* < 0: no initd there */
	struct control_peer init;
	enum init_word word;
	bool has_verdict;
	struct probe_verdict verdict;
	struct probe_spec spec; /* points into what it was made of */
	struct status status;
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

	if (poll(&out, 1, 0) != 0 && write(STDOUT_FILENO, line, n) < 0) {
		/* The exit code still says it. */
	}
	return healthy ? EXIT_CODE_OK : EXIT_CODE_UNHEALTHY;
}

/* ---- what to ask, and as whom ---- */

/* ---- PID 1 ---- */

static int
remaining_ms(const struct check *check, uint64_t timeout_ms)
{
	uint64_t gone_ms = (now_us() - check->started_us) / 1000;

	return gone_ms >= timeout_ms ? 0 : (int)(timeout_ms - gone_ms);
}

/* Wait for its answer until so long after our start. */
static enum init_word
hear_init(struct check *check, uint64_t until_ms)
{
	char answer[CONTROL_ANSWER_SIZE];
	ssize_t n;

	/* Its backlog was full of others. */
	if (check->init_fd == -EAGAIN)
		check->init_fd = control_ask(
		    CONTROL_INIT_PID, CONTROL_STATUS, remaining_ms(check, until_ms), &check->init);
	if (check->init_fd < 0)
		return check->init_fd == -EAGAIN ? INIT_SILENT : INIT_ABSENT;
	n = control_wait(check->init_fd, remaining_ms(check, until_ms), answer);
	if (n == -ETIMEDOUT)
		return INIT_SILENT;
	/* Another uid is refused, and another version may not be understood: then it is not for us. */
	if (n < 0 || strncmp(answer, CONTROL_ERROR, strlen(CONTROL_ERROR)) == 0 ||
	    !status_read(&check->status, answer))
		return INIT_ABSENT;
	return INIT_HEARD;
}

/* A server that is about to go is nothing to send a request to. */
static bool
init_is_leaving(const struct check *check)
{
	static const char *const leaving[] = { "draining", "stopping", "ending" };

	for (size_t i = 0; check->word == INIT_HEARD && i < sizeof leaving / sizeof leaving[0]; i++)
		if (strcmp(check->status.state, leaving[i]) == 0)
			return true;
	return false;
}

static int
say_leaving(const struct check *check)
{
	char text[64];

	(void)snprintf(text, sizeof text, "initd is %s", check->status.state);
	return say(check, false, text);
}

static int
say_silent(const struct check *check)
{
	return say(check, false, "initd (pid 1) does not answer: stopped or stalled");
}

/* ---- what to ask, and as whom ---- */

static int
load_config(struct check *check, struct error *err)
{
	const struct config_spec spec = {
		.path = check->cmd.config_path,
		.arguments = check->cmd.settings,
		.n_arguments = check->cmd.n_settings,
		.vars = environ,
	};

	check->has_config = true;
	return config_load(&check->config, &spec, err);
}

/*
 * Docker and podman run a HEALTHCHECK as root if the image has no USER, whatever PID 1 became. We
 * become what PID 1 is, which the kernel told us; where there is none, what user.name says.
 */
static int
become_user(const struct check *check, struct error *err)
{
	const struct config *config = check->has_config ? &check->config : NULL;
	bool is_said = config && options_source(config, "user", "name") == CONFIG_ARGUMENT;
	struct privs privs;

	if (geteuid() != 0)
		return 0;
	if (!config || (check->init_fd >= 0 && !is_said)) {
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

/* TARGET, or what else there is; a path or `tcp` is completed with that host and port. */
static int
set_target(
    struct check *check, const char *otherwise, const char *host, unsigned port, struct error *err)
{
	const char *target = check->cmd.operands[0];

	if (http_target_parse(&check->spec.target, target ? target : otherwise, host, port))
		return 0;
	return error_set(err, "%.200s: expected " HTTP_TARGET_FORMS, target ? target : otherwise);
}

static int
spec_from_config(struct check *check, struct error *err)
{
	const struct config *config = &check->config;

	check->spec.expect_text = config->health_expect;
	check->spec.host_header = config->health_host_header;
	check->spec.timeout_ms = config->health_timeout_ms;
	if (!http_expect_parse(config->health_expect, &check->spec.expect))
		return error_set(err, "health.expect: there is nothing to expect");
	return set_target(check, config->health_target, config->host, config->port, err);
}

static int
spec_from_init(struct check *check, struct error *err)
{
	const struct status *status = &check->status;

	check->spec.expect_text = status->expect;
	check->spec.host_header = *status->host_header ? status->host_header : NULL;
	check->spec.timeout_ms = status->timeout_ms;
	if (!http_expect_parse(status->expect, &check->spec.expect) || status->timeout_ms == 0 ||
	    status->timeout_ms > INT_MAX)
		return error_set(err, "initd (pid 1) does not say what to ask");
	return set_target(check, status->target, status->host, (unsigned)status->port, err);
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
			int left_ms = remaining_ms(check, timeout_ms);

			if (left_ms == 0)
				(void)probe_expire(&probe, now_us());
			else if (poll(&ready, 1, left_ms) > 0)
				(void)probe_go_on(&probe, now_us());
		}
	} while (probe_next(&probe, now_us()));
	check->verdict = probe.verdict;
	check->has_verdict = true;
}

static int
say_verdict(const struct check *check)
{
	static const struct {
		char state[8], text[72];
	} reasons[] = {
		{ "backoff", "; it ended, and initd waits before it starts it again" },
		{ "waiting", "; it ended, and initd waits for a change before it starts it again" },
	};
	char text[LINE_SIZE];
	size_t n;

	probe_verdict_text(&check->verdict, &check->spec, text, sizeof text);
	if (check->verdict.result == PROBE_HEALTHY)
		return say(check, true, text);
	n = strlen(text);
	for (size_t i = 0; check->word == INIT_HEARD && i < sizeof reasons / sizeof reasons[0]; i++)
		if (strcmp(check->status.state, reasons[i].state) == 0)
			(void)snprintf(text + n, sizeof text - n, "%s", reasons[i].text);
	return say(check, false, text);
}

/* By our own options, and PID 1 only tells how it is. It may be slow for a moment, in a container with a small share of a CPU. */
static int
check_by_config(struct check *check)
{
	if (check->word == INIT_SILENT)
		check->word = hear_init(check, INIT_PATIENCE_MS);
	if (init_is_leaving(check))
		return say_leaving(check);
	ask_server(check);
	if (check->verdict.result == PROBE_HEALTHY && check->word == INIT_SILENT) {
		check->word = hear_init(check, check->spec.timeout_ms);
		if (check->word == INIT_SILENT)
			return say_silent(check);
	}
	return init_is_leaving(check) ? say_leaving(check) : say_verdict(check);
}

/* By what PID 1 says; nothing else has to be read. */
static int
check_by_init(struct check *check)
{
	struct error err;

	if (init_is_leaving(check))
		return say_leaving(check);
	if (spec_from_init(check, &err) < 0)
		return say(check, false, err.msg);
	ask_server(check);
	return say_verdict(check);
}

/* Our own options are needed: they were asked for, there is no initd, or it is silent. */
static int
check_without_init(struct check *check)
{
	struct error err;

	if (load_config(check, &err) < 0 || become_user(check, &err) < 0 ||
	    spec_from_config(check, &err) < 0)
		return say(check, false, err.msg);
	if (check->word != INIT_SILENT || check->has_options)
		return check_by_config(check);
	/* It was started with options that we do not know: without its word there is nothing to ask. */
	check->word = hear_init(check, check->spec.timeout_ms);
	if (check->word == INIT_SILENT)
		return say_silent(check);
	return check->word == INIT_HEARD ? check_by_init(check) : check_by_config(check);
}

static int
run_check(struct check *check)
{
	struct error err;

	if (check->cmd.operands[0] && check->cmd.operands[1]) {
		(void)error_set(&err, "%.100s: expected one TARGET", check->cmd.operands[1]);
		return say(check, false, err.msg);
	}
	check->has_options = check->cmd.config_path || check->cmd.n_settings > 0;
	check->init_fd =
	    control_ask(CONTROL_INIT_PID, CONTROL_STATUS, INIT_PATIENCE_MS, &check->init);
	if (check->init_fd < 0 || check->has_options) {
		check->word =
		    check->init_fd < 0 && check->init_fd != -EAGAIN ? INIT_ABSENT : INIT_SILENT;
		return check_without_init(check);
	}
	/* Before a word of its is read. */
	if (become_user(check, &err) < 0)
		return say(check, false, err.msg);
	check->word = hear_init(check, INIT_PATIENCE_MS);
	return check->word == INIT_HEARD ? check_by_init(check) : check_without_init(check);
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
	/* It may be ended by a signal, but not by a reader who has gone or a file that is full. */
	proc_set_mask(SIG_SETMASK,
	    inherited->mask | PROC_SIGNAL_BIT(SIGPIPE) | PROC_SIGNAL_BIT(SIGXFSZ), NULL);
	if (cmdline_parse(&check.cmd, argc, argv, CMDLINE_CONFIG | CMDLINE_JSON, &err) < 0)
		return say(&check, false, err.msg);
	code = run_check(&check);
	if (check.has_config)
		config_free(&check.config);
	return code;
}
