/* SPDX-License-Identifier: MIT */
/* initd run: text, configuration, environment, identity, supervisor, exit code. */
#include "cmd.h"
#include "cmdline.h"
#include "exit_code.h"
#include "listener.h"
#include "log.h"
#include "plan.h"
#include "supervisor.h"

#include <string.h>
#include <unistd.h>

static int
make_plan(struct plan *plan, const struct cmdline *cmd, struct log *log, struct error *err)
{
	int code = plan_config(plan, cmd, environ, err);

	log->level =
	    plan->config.log_level; /* also when it failed: the error may be wanted as JSON */
	log->format = plan->config.log_format;
	if (code == 0)
		code = plan_user(plan, err);
	if (code == 0)
		code = plan_dirs(plan, cmd, err);
	if (code == 0)
		code = plan_environment(plan, environ, err);
	if (code == 0)
		code = plan_command(plan, cmd, err);
	return code;
}

static void
say_shortfalls(struct log *log, unsigned shortfalls)
{
	if (shortfalls & PRIVS_KEPT_GROUPS)
		log_line(log, LOG_WARN,
		    "supplementary groups stay: this user namespace denies setgroups");
	if (shortfalls & PRIVS_KEPT_STDIO)
		log_line(log, LOG_WARN,
		    "the server cannot reopen /dev/stdout and /dev/stderr: add --cap-add=CHOWN, or run with --user");
}

static void
say_cannot_switch(struct log *log, const struct plan *plan)
{
	char user[128];

	privs_text(&plan->privs, user, sizeof user);
	log_line(
	    log, LOG_WARN, "not root: staying %s instead of user.name %s", user, plan->config.user);
}

static int
take_identity(const struct plan *plan, struct log *log, struct error *err)
{
	unsigned shortfalls = 0;

	if (plan->switches) {
		privs_give_stdio(&plan->privs, &shortfalls);
		/* The user could not open it again; else that can wait until the server runs. */
		if (shortfalls & PRIVS_KEPT_STDIO)
			log_detach(log);
		if (privs_drop(&plan->privs, plan->config.no_new_privs, &shortfalls, err) < 0)
			return EXIT_CODE_PRIVILEGES;
	}
	if (privs_seal(plan->config.no_new_privs, err) < 0)
		return EXIT_CODE_PRIVILEGES;
	say_shortfalls(log, shortfalls);
	if (plan->cannot_switch)
		say_cannot_switch(log, plan);
	return 0;
}

/*
 * server.hold_socket=yes: its port may need what the drop takes away, and if it is in use nothing is
 * started. It does not listen yet.
 */
static int
take_socket(const struct plan *plan, struct listeners *listeners, struct error *err)
{
	const struct config *config = &plan->config;
	union listener_address address;
	char text[64];
	int fd;

	*listeners = (struct listeners){ 0 };
	if (config->hold_socket != CONFIG_YES || plan->env.listen_pid ||
	    !listener_parse(&address, config->host, config->port))
		return 0;
	fd = listeners_take(listeners, &address);
	/* The kernel lets sockets share an address only with those of the same user: the next server's. */
	if (fd >= 0 && plan->switches)
		(void)!fchown(
		    fd, plan->privs.uid, plan->privs.gid); /* without CAP_CHOWN they do not */
	if (fd >= 0)
		return 0;
	listener_text(&address, text, sizeof text);
	(void)error_set(err, "server.hold_socket: %s: %s", text, strerror(-fd));
	return EXIT_CODE_REFUSED;
}

int
cmd_run(int argc, char **argv, const struct proc_signals *inherited)
{
	struct plan plan;
	struct listeners listeners;
	struct cmdline cmd;
	struct error err;
	struct log log;
	int code;

	log_init(&log);
	code = cmdline_parse(&cmd, argc, argv, CMDLINE_CONFIG, &err) < 0
		   ? EXIT_CODE_USAGE
		   : plan_limits(environ, &err);
	if (code != 0) {
		log_line(&log, LOG_ERROR, "%s", err.msg);
		return code;
	}
	code = make_plan(&plan, &cmd, &log, &err);
	if (code == 0)
		code = take_socket(&plan, &listeners, &err);
	if (code == 0)
		code = take_identity(&plan, &log, &err);
	if (code != 0) {
		log_line(&log, LOG_ERROR, "%s", err.msg);
	} else {
		const struct supervisor_spec spec = {
			.config = &plan.config,
			.env = &plan.env,
			.argv = plan.argv,
			.signals = inherited,
			.privs = &plan.privs,
			.listeners = &listeners,
			.notify_path = plan.notify_path,
			.log = &log,
		};

		/* Failure is no longer an option: PID 1 leaves only with its child. */
		code = supervisor_run(&spec);
	}
	plan_free(&plan);
	return code;
}
