/* SPDX-License-Identifier: MIT */
/* The status, from all that is known. */
#include "answers.h"

#include "say.h"
#include "status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *
state_text(const struct supervisor *sv)
{
	const struct health *health = &sv->prober.health;

	switch (sv->life.state) {
	case LIFE_NEW:
		return "starting";
	case LIFE_OVERLAPPING:
		return "overlapping";
	case LIFE_RUNNING:
		if (!sv->probing)
			return "running";
		if (health->failed)
			return "unhealthy";
		return health->ready ? "ready" : "starting";
	case LIFE_DRAINING:
		return "draining";
	case LIFE_STOPPING:
		return "stopping";
	case LIFE_RESTARTING:
	case LIFE_CLEARING:
	case LIFE_SETTLING:
		return "restarting";
	case LIFE_WAITING:
		return "waiting";
	case LIFE_BACKOFF:
		return "backoff";
	case LIFE_ENDING:
	case LIFE_DONE:
	case LIFE_N_STATES:
		break;
	}
	return "ending";
}

static void
copy_text(char *to, size_t size, const char *text)
{
	(void)snprintf(to, size, "%s", text ? text : "");
}

static void
fill_target(const struct supervisor *sv, struct status *status)
{
	const struct config *config = sv->spec.config;

	copy_text(status->host, sizeof status->host, config->host);
	status->port = config->port;
	copy_text(status->target, sizeof status->target, sv->target);
	copy_text(status->expect, sizeof status->expect, config->health_expect);
	copy_text(status->host_header, sizeof status->host_header, config->health_host_header);
	status->timeout_ms = config->health_timeout_ms;
	status->interval_ms = config->health_interval_ms;
}

static void
fill_watch(const struct supervisor *sv, struct status *status)
{
	const struct dev *dev = sv->dev;
	unsigned dirs, files;

	watch_count(&dev->watch, &dirs, &files);
	copy_text(status->watch_paths, sizeof status->watch_paths, watched_text(sv));
	copy_text(
	    status->watch_backend, sizeof status->watch_backend, watch_backend_text(&dev->watch));
	status->watch_directories = dirs;
	status->watch_files = files;
	status->watch_restarts = dev->restarts;
	copy_text(status->last_change, sizeof status->last_change, dev->change);
	status->last_change_ms = supervisor_now_ms() - dev->changed_ms;
}

static void
fill_succession(const struct supervisor *sv, struct status *status)
{
	const struct succession *succession = sv->succession;

	(void)hold_text(&succession->hold, status->held, sizeof status->held);
	status->is_retry = sv->life.retried;
	if (sv->life.next_failed)
		copy_text(status->successor, sizeof status->successor, succession->failure);
	if (succession->has_standby && succession->spare.pid > 0) {
		copy_text(status->standby, sizeof status->standby,
		    succession->standby.state == STANDBY_WARM ? "warm" : "booting");
		status->standby_pid = (uint64_t)succession->spare.pid;
	}
}

static void
fill_status(const struct supervisor *sv, struct status *status)
{
	uint64_t now = supervisor_now_ms();

	copy_text(status->version, sizeof status->version, INITD_VERSION);
	status->initd_pid = (uint64_t)getpid();
	status->uptime_ms = now - sv->born_ms;
	status->starts = sv->server.starts;
	status->restarts = sv->life.restarts;
	copy_text(status->last_exit, sizeof status->last_exit, sv->last_exit);
	(void)server_command_text(&sv->server, status->command, sizeof status->command);
	if (sv->server.pid > 0) {
		status->pid = (uint64_t)sv->server.pid;
		status->server_uptime_ms = now - sv->life.started_ms;
		privs_text(sv->spec.privs, status->user, sizeof status->user);
	}
	copy_text(status->state, sizeof status->state, state_text(sv));
	fill_target(sv, status);
	if (sv->probing)
		status_take_health(status, &sv->prober.health, now);
	if (sv->life.state == LIFE_OVERLAPPING && sv->prober.spec.probe.mark)
		status->ready = sv->succession->was_ready; /* what is known is of the successor */
	else if (sv->life.state != LIFE_RUNNING && sv->life.state != LIFE_OVERLAPPING)
		status->ready = false;
	if (sv->watching)
		fill_watch(sv, status);
	if (sv->succession)
		fill_succession(sv, status);
}

static size_t
on_question(void *arg, enum control_question question, pid_t pid, char answer[CONTROL_ANSWER_SIZE])
{
	struct supervisor *sv = arg;
	struct status status = { 0 };
	char reason[32];
	size_t n;

	if (sv->succession)
		hold_catch_up(&sv->succession->hold);
	if (question == CONTROL_RESTART && supervisor_is_ending(sv))
		return (size_t)snprintf(
		    answer, CONTROL_ANSWER_SIZE, CONTROL_ERROR "it is %s already", state_text(sv));
	fill_status(sv, &status);
	n = status_write(&status, answer);
	if (question == CONTROL_RESTART) {
		(void)snprintf(reason, sizeof reason, "asked by pid %d", (int)pid);
		supervisor_replace(sv, LIFE_EV_RESTART, reason);
	}
	return n;
}

_Static_assert((int)STATUS_TEXT_SIZE <= (int)CONTROL_ANSWER_SIZE, "a status may be no answer");

void
answers_open(struct supervisor *sv)
{
	const struct control_spec spec = { .on_question = on_question, .arg = sv };
	int status = control_start(&sv->control, &sv->loop, &spec);

	sv->has_control = status == 0;
	/* Without /proc there is none; that somebody has our name is worth a word. */
	if (status < 0)
		log_line(sv->spec.log, status == -EADDRINUSE ? LOG_WARN : LOG_DEBUG,
		    "no control socket: %s", strerror(-status));
}
