/* SPDX-License-Identifier: MIT */
/* initd check: the effective options, where each came from, and what is wrong with this image. */
#include "agent.h"
#include "cmd.h"
#include "cmdline.h"
#include "exit_code.h"
#include "http.h"
#include "json.h"
#include "log.h"
#include "plan.h"
#include "proc.h"
#include "watch_auto.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The report; `code` is what `initd run` would exit with, by the first error. */
struct report {
	bool json;
	unsigned n;
	int code;
};

static __attribute__((format(printf, 4, 5))) void
add_finding(struct report *report, const char *what, int code, const char *fmt, ...)
{
	static const char ok[] = "ok", warning[] = "warning", error[] = "error";
	const char *result = code == 0 ? ok : code < 0 ? warning : error;
	char text[1024], quoted[2048];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (report->code == 0 && code > 0)
		report->code = code;
	if (report->json) {
		(void)json_string(quoted, sizeof quoted, text);
		(void)printf("%s\n    {\"check\": \"%s\", \"result\": \"%s\", \"message\": %s}",
		    report->n ? "," : "", what, result, quoted);
	} else {
		(void)printf("%-8s %-10s %s\n", result, what, text);
	}
	report->n++;
}

enum {
	WARNING = -1, /* a finding that does not keep the server from running */
};

static void
check_user(struct report *report, struct plan *plan)
{
	struct error err;
	char user[128];
	int code = plan_user(plan, &err);

	privs_text(&plan->privs, user, sizeof user);
	if (code != 0)
		add_finding(report, "user", code, "%s", err.msg);
	else if (plan->switches && !privs_may_switch())
		add_finding(report, "user", EXIT_CODE_PRIVILEGES,
		    "root without CAP_SETUID and CAP_SETGID cannot become %s; add them, or run with --user",
		    user);
	else if (plan->switches)
		add_finding(report, "user", 0, "root becomes %s", user);
	else if (plan->privs.uid == 0)
		add_finding(report, "user", WARNING, "the server runs as root");
	else
		add_finding(report, "user", 0, "stays %s", user);
}

static void
check_dirs(struct report *report, struct plan *plan, const struct cmdline *cmd)
{
	struct error err;
	int code = plan_dirs(plan, cmd, &err), status = agent_check_dir(plan->config.agent_dir);

	if (code != 0)
		add_finding(report, "dirs", code, "%s", err.msg);
	else if (status < 0)
		add_finding(report, "dirs", WARNING, "server.agent_dir %s: %s",
		    plan->config.agent_dir, strerror(-status));
	else
		add_finding(report, "dirs", 0, "server.agent_dir %s", plan->config.agent_dir);
}

static void
check_environment(struct report *report, struct plan *plan)
{
	struct error err;
	int code = plan_environment(plan, environ, &err);
	const char *venv;

	if (code != 0) {
		add_finding(report, "venv", code, "%s", err.msg);
		return;
	}
	venv = env_get(plan->env.vars, "VIRTUAL_ENV");
	if (!venv || *venv == '\0')
		add_finding(report, "venv", 0, "none");
	else
		add_finding(
		    report, "venv", 0, "%s (%s)", venv, *plan->venv ? "found" : "VIRTUAL_ENV");
}

static void
check_command(struct report *report, struct plan *plan, const struct cmdline *cmd)
{
	struct error err;
	char path[PATH_MAX];
	int code;

	if (!plan->env.vars)
		return;
	code = plan_command(plan, cmd, &err);
	if (code != 0)
		add_finding(report, "command", code, "%s", err.msg);
	else if (!proc_find(plan->argv[0], plan->env.vars, path, sizeof path))
		add_finding(report, "command", proc_failure_code(PROC_EXEC, errno), "%.200s: %s",
		    plan->argv[0], errno == EACCES ? "cannot be executed" : "no such program");
	else
		add_finding(report, "command", 0, "%.200s%s%.200s%s%.200s is %.200s", plan->argv[0],
		    plan->argv[1] ? " " : "", plan->argv[1] ? plan->argv[1] : "",
		    plan->argv[1] && plan->argv[2] ? " " : "",
		    plan->argv[1] && plan->argv[2] ? plan->argv[2] : "", path);
}

/* From which port on anybody may bind; Docker sets 0 in its own network namespaces. */
static unsigned
unprivileged_port_start(void)
{
	unsigned port = 1024;
	FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
	char line[16];

	if (!file)
		return port;
	if (fgets(line, sizeof line, file))
		port = (unsigned)strtoul(line, NULL, 10);
	(void)fclose(file);
	return port;
}

static void
check_port(struct report *report, const struct plan *plan)
{
	unsigned port = plan->config.port, start = unprivileged_port_start();

	if (plan->privs.uid != 0 && port < start)
		add_finding(report, "port", WARNING, "%u: only root may bind a port below %u here",
		    port, start);
	else
		add_finding(report, "port", 0, "%u", port);
}

static void
check_health(struct report *report, const struct plan *plan)
{
	const struct config *config = &plan->config;
	struct http_target target;
	char text[HTTP_TARGET_TEXT_SIZE];

	if (!http_target_parse(&target, config->health_target, config->host, config->port))
		return; /* it was read as an option already */
	add_finding(report, "health", 0, "asks %s", http_target_text(&target, 0, text));
}

static void
check_watch(struct report *report, const struct plan *plan)
{
	char why[640];

	if (!plan->env.vars || !plan->argv)
		return;
	switch (watch_auto_decide(&plan->config, plan->argv, plan->env.vars, why, sizeof why)) {
	case WATCH_ON:
		add_finding(report, "watch", 0, "on: %s", *why ? why : "watch.enabled is yes");
		break;
	case WATCH_ONE_SHOT:
		add_finding(
		    report, "watch", 0, "off: %s, but the command names no module there", why);
		break;
	case WATCH_OFF:
		add_finding(report, "watch", 0, "off%s",
		    plan->config.watch == CONFIG_AUTO
			? ": no editable install points to server.agent_dir"
			: ": watch.enabled is no");
		break;
	}
}

static void
check_limits(struct report *report)
{
	struct error err;
	int code = plan_limits(environ, &err);

	add_finding(report, "limits", code, "%s", code != 0 ? err.msg : "enough open files");
}

static void
print_report(struct report *report, struct plan *plan, const struct cmdline *cmd)
{
	if (report->json)
		(void)fputs("{\n  \"version\": \"" INITD_VERSION "\",\n  \"options\": ", stdout);
	options_print(&plan->config, stdout, report->json);
	(void)fputs(report->json ? ",\n  \"findings\": [" : "\n", stdout);
	check_limits(report);
	check_user(report, plan);
	check_dirs(report, plan, cmd);
	check_environment(report, plan);
	check_command(report, plan, cmd);
	check_port(report, plan);
	check_health(report, plan);
	check_watch(report, plan);
	if (report->json)
		(void)printf("\n  ],\n  \"exit_code\": %d\n}\n", report->code);
}

int
cmd_check(int argc, char **argv, const struct proc_signals *inherited)
{
	struct report report = { 0 };
	struct plan plan;
	struct cmdline cmd;
	struct error err;
	struct log log;
	int code;

	/* Unlike PID 1 at work, this may be interrupted. */
	proc_set_mask(SIG_SETMASK, inherited->mask, NULL);
	log_init(&log);
	if (cmdline_parse(&cmd, argc, argv, CMDLINE_CONFIG | CMDLINE_JSON, &err) < 0) {
		log_line(&log, LOG_ERROR, "%s", err.msg);
		return EXIT_CODE_USAGE;
	}
	code = plan_config(&plan, &cmd, environ, &err);
	if (code != 0) {
		log_line(&log, LOG_ERROR, "%s", err.msg);
	} else {
		report.json = cmd.json;
		print_report(&report, &plan, &cmd);
		code = report.code;
		if (fflush(stdout) != 0 || ferror(stdout))
			code = EXIT_CODE_REFUSED;
	}
	plan_free(&plan);
	return code;
}
