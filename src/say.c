/* SPDX-License-Identifier: MIT */
/* What is told: all that the log says of servers. */
#include "say.h"

#include "parse.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

const char *
watched_text(const struct supervisor *sv)
{
	const struct config *config = sv->spec.config;

	return config->watch_paths ? config->watch_paths : config->agent_dir;
}

void
say_started(const struct supervisor *sv, const struct server *server)
{
	char command[256], user[128];
	bool is_whole = server_command_text(server, command, sizeof command);

	privs_text(sv->spec.privs, user, sizeof user);
	log_line(sv->spec.log, LOG_INFO, "started pid %d as %s: %s%s", (int)server->pid, user,
	    command, is_whole ? "" : "…");
}

/* What may pass is tried again; only the first and the last time are worth a line. */
static enum log_level
failure_level(const struct supervisor *sv, bool passes)
{
	if (!passes || sv->life.refusals == LIFE_REFUSALS_MAX)
		return LOG_ERROR;
	return sv->life.refusals == 0 ? LOG_WARN : LOG_DEBUG;
}

void
say_failure(
    const struct supervisor *sv, const struct server *server, enum proc_stage stage, int error)
{
	const char *program = sv->spec.argv[0];
	const char *reason = server_failure_text(server, stage, error);
	enum log_level level = failure_level(sv, proc_failure_passes(stage, error));
	const char *more = level == LOG_WARN ? "; trying again" : "";

	if (stage == PROC_CHDIR)
		log_line(sv->spec.log, level, "working directory %s: %s%s", server_next_dir(server),
		    reason, more);
	else
		log_line(sv->spec.log, level, "cannot run %s: %s%s", program, reason, more);
}

/* How one ended, and after which time. */
void
say_end_text(const struct server *server, uint64_t started_ms, char *buf, size_t size)
{
	bool oom = server_was_oom_killed(server);
	char how[64], lived[32];

	server_end_text(server, how, sizeof how);
	(void)duration_text(supervisor_now_ms() - started_ms, lived);
	(void)snprintf(buf, size, "%s after %s%s", how, lived,
	    oom ? ", the memory cgroup counted an OOM kill" : "");
}

/* One line that tells everything about a death. */
void
say_ended(struct supervisor *sv, int code)
{
	/* Ctrl-C at the terminal goes past us, but is no accident either. */
	int wstatus = sv->server.wstatus;
	bool asked = (sv->life.state != LIFE_RUNNING && sv->life.state != LIFE_OVERLAPPING) ||
		     (sv->has_terminal && WIFSIGNALED(wstatus) && WTERMSIG(wstatus) == SIGINT);

	say_end_text(&sv->server, sv->life.started_ms, sv->last_exit, sizeof sv->last_exit);
	log_line(sv->spec.log, asked || code == 0 ? LOG_INFO : LOG_ERROR, "server ended: %s",
	    sv->last_exit);
}

/* Of a predecessor whose successor has long been started. */
void
say_old_ended(struct supervisor *sv)
{
	say_end_text(&sv->succession->old, sv->succession->old_started_ms, sv->last_exit,
	    sizeof sv->last_exit);
	log_line(sv->spec.log, LOG_INFO, "the server before it ended: %s", sv->last_exit);
}

/* Of a successor that never got ready. */
void
say_next_ended(struct supervisor *sv)
{
	struct succession *succession = sv->succession;

	say_end_text(&succession->next, sv->life.next_started_ms, succession->failure,
	    sizeof succession->failure);
	log_line(sv->spec.log, LOG_ERROR, "its successor ended: %s; pid %d serves on",
	    succession->failure, (int)sv->server.pid);
}

void
say_asked(struct supervisor *sv, const char *what)
{
	char drain[32];
	uint64_t drain_ms = sv->life.policy.drain_delay_ms;

	if (sv->life.state == LIFE_DRAINING)
		log_line(sv->spec.log, LOG_INFO, "%s: %s, after a drain of %s", what, sv->asked,
		    duration_text(drain_ms, drain));
	else
		log_line(sv->spec.log, LOG_INFO, "%s: %s", what, sv->asked);
}

static void
say_backoff(struct supervisor *sv, uint64_t delay_ms)
{
	char delay[32];
	unsigned limit = sv->life.policy.restart_limit;

	(void)duration_text(delay_ms, delay);
	if (sv->life.refusals > 0)
		log_line(sv->spec.log, LOG_DEBUG, "trying again in %s (%u of %d)", delay,
		    sv->life.refusals, LIFE_REFUSALS_MAX);
	else if (limit > 0)
		log_line(sv->spec.log, LOG_INFO, "starting again in %s (restart %u of %u)", delay,
		    sv->life.restarts, limit);
	else
		log_line(sv->spec.log, LOG_INFO, "starting again in %s (restart %u)", delay,
		    sv->life.restarts);
}

/* Why no other server is started, where nothing else says it. */
static void
say_ending(struct supervisor *sv, enum life_state before)
{
	const struct life_policy *policy = &sv->life.policy;

	if (before == LIFE_CLEARING || before == LIFE_SETTLING || before == LIFE_WAITING ||
	    (before == LIFE_BACKOFF && sv->life.refusals == 0))
		say_asked(sv, "stopping");
	else if (before == LIFE_STOPPING && sv->server.pid > 0)
		log_line(sv->spec.log, LOG_ERROR, "pid %d outlived SIGKILL", (int)sv->server.pid);
	else if ((sv->life.unhealthy ||
		     (before == LIFE_RUNNING && policy->restart != LIFE_RESTART_NO)) &&
		 policy->restart_limit > 0 && sv->life.restarts >= policy->restart_limit &&
		 sv->life.exit_code != 0)
		log_line(sv->spec.log, LOG_ERROR, "gave up after %u restart%s", sv->life.restarts,
		    sv->life.restarts == 1 ? "" : "s");
}

static void
say_killed(struct supervisor *sv)
{
	char time[32];

	(void)duration_text(sv->life.timeout_ms, time);
	log_line(
	    sv->spec.log, LOG_WARN, "not stopped after %s: SIGKILL to its process group", time);
}

/* The same about a server beside the one. */
static void
say_succession(struct supervisor *sv, const struct life_step *step)
{
	char time[32];

	(void)duration_text(sv->life.timeout_ms, time);
	if (step->actions & LIFE_OLD_KILL && sv->life.old == LIFE_OLD_STOPS)
		log_line(sv->spec.log, LOG_WARN,
		    "the server before it did not stop within %s: SIGKILL to its process group",
		    time);
	if (step->actions & LIFE_PROMOTE)
		log_line(sv->spec.log, LOG_INFO, "pid %d takes over from pid %d",
		    (int)sv->server.pid, (int)sv->succession->old.group);
	if (step->actions & LIFE_DISMISS && sv->life.next_failed &&
	    step->actions & LIFE_OLD_SIGNAL) {
		(void)snprintf(sv->succession->failure, sizeof sv->succession->failure,
		    "not ready within %d s", LIFE_NEXT_MS / 1000);
		log_line(sv->spec.log, LOG_ERROR, "its successor was %s; pid %d serves on",
		    sv->succession->failure, (int)sv->server.pid);
	}
}

/* The one place where a change of state is told. */
void
say_step(struct supervisor *sv, enum life_state before, const struct life_step *step)
{
	enum life_state now = sv->life.state;

	log_line(sv->spec.log, LOG_DEBUG, "state %s -> %s", life_state_name(before),
	    life_state_name(now));
	if (sv->succession)
		say_succession(sv, step);
	if (step->actions & LIFE_KILL && (now == LIFE_STOPPING || now == LIFE_RESTARTING))
		say_killed(sv);
	else if (now == LIFE_BACKOFF)
		say_backoff(sv, step->delay_ms);
	if (before != now && now == LIFE_CLEARING && sv->life.alone)
		log_line(sv->spec.log, LOG_INFO,
		    "maybe because of its predecessor: it is started again when that is gone");
	if (before == now)
		return;
	if (now == LIFE_DRAINING || (now == LIFE_STOPPING && before != LIFE_DRAINING))
		say_asked(sv, "stopping");
	else if (now == LIFE_RESTARTING)
		say_asked(sv, "restarting");
	else if (now == LIFE_WAITING)
		log_line(sv->spec.log, LOG_INFO, "waiting for a change in %s", watched_text(sv));
	else if (now == LIFE_ENDING)
		say_ending(sv, before);
}

void
say_not_held(const struct supervisor *sv, const char *why)
{
	bool wanted = sv->spec.config->hold_socket == CONFIG_YES || sv->spec.config->watch_overlap;

	log_line(sv->spec.log, wanted ? LOG_WARN : LOG_INFO, "not holding the socket: %s", why);
}

/* Where it serves: the target without its path. */
void
say_ready(struct supervisor *sv)
{
	const struct health *health = &sv->prober.health;
	uint64_t took_ms = health->ready_ms - health->started_ms;
	const char *host = strstr(sv->target, "://");
	size_t length =
	    host ? strcspn(host + 3, "/") + (size_t)(host + 3 - sv->target) : strlen(sv->target);

	log_line(sv->spec.log, LOG_INFO, "ready on %.*s after %llu.%02llu s", (int)length,
	    sv->target, (unsigned long long)took_ms / 1000,
	    (unsigned long long)took_ms % 1000 / 10);
}

void
say_unhealthy(struct supervisor *sv, const char *text)
{
	const struct health *health = &sv->prober.health;
	bool stays = sv->spec.config->health_restarts && !health->proven;

	log_line(sv->spec.log, LOG_WARN, "unhealthy: %s (%u in a row)%s", text, health->failures,
	    stays ? "; not restarted, because it never gave an expected answer" : "");
}

void
say_watching(struct supervisor *sv)
{
	const struct watch *watch = &sv->dev->watch;
	unsigned dirs, files;

	watch_count(watch, &dirs, &files);
	log_line(sv->spec.log, LOG_INFO, "watching %s (%u director%s, %u file%s, %s)%s%s",
	    watched_text(sv), dirs, dirs == 1 ? "y" : "ies", files, files == 1 ? "" : "s",
	    watch_backend_text(watch), sv->dev->why[0] ? ": " : "", sv->dev->why);
}
