/* SPDX-License-Identifier: MIT */
/* The loop: advance() takes every event in and lets every action out. */
#include "supervisor.h"

#include "bytecode.h"
#include "changes.h"
#include "control.h"
#include "exit_code.h"
#include "lifecycle.h"
#include "loop_guard.h"
#include "notify.h"
#include "prober.h"
#include "server.h"
#include "signals.h"
#include "status.h"
#include "terminal.h"
#include "watch.h"
#include "watch_auto.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

/* What only a dev container needs. */
struct dev {
	struct watch watch;
	struct loop_guard guard;
	struct changes changes;
	uint64_t restarts;   /* by changes */
	bool is_told;        /* a server was started with `changes` */
	bool retried;        /* the last start was a second try, because files had been touched */
	uint64_t changed_ms; /* when the last one came, and what it was */
	char changed[WATCH_PATH_SIZE];
	char change[WATCH_PATH_SIZE + 16]; /* in words */
	char why[640];                     /* this is one; "" if somebody said so */
};

struct supervisor {
	uv_loop_t loop;
	struct supervisor_spec spec;
	struct lifecycle life;
	struct signals signals;
	uv_timer_t deadline;
	bool looping;                     /* the loop and the timer are there */
	bool armed;                       /* a deadline was asked for before they were */
	uint64_t delay_ms;                /* that one */
	char asked[WATCH_PATH_SIZE + 16]; /* who or what asked for a stop or restart */
	int stop_signal;                  /* what the server gets for it */
	bool has_terminal; /* initd was the terminal's foreground group and passes that on */
	bool is_init;      /* PID 1 */
	bool has_control;  /* the control socket is there */
	bool probing;      /* the prober is there */
	bool told_ready;   /* to who set NOTIFY_SOCKET */
	bool told_stopping;
	bool watching;    /* dev->watch is there */
	struct dev *dev;  /* NULL: this is no dev container */
	uint64_t born_ms; /* when the loop was built */
	char last_exit[144];
	struct server server;
	/* Not touched before the loop is built. */
	struct prober prober;
	struct control control;
	char target[HTTP_TARGET_TEXT_SIZE]; /* what is asked, with host and port */
};

/* CLOCK_MONOTONIC, because the first server is started before the loop has a clock. */
static uint64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- what is said ---- */

static const char *
watched_text(const struct supervisor *sv)
{
	const struct config *config = sv->spec.config;

	return config->watch_paths ? config->watch_paths : config->agent_dir;
}

static void
say_started(struct supervisor *sv)
{
	char command[256], user[128];
	bool is_whole = server_command_text(&sv->server, command, sizeof command);

	privs_text(sv->spec.privs, user, sizeof user);
	log_line(sv->spec.log, LOG_INFO, "started pid %d as %s: %s%s", (int)sv->server.pid, user,
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

static void
say_failure(struct supervisor *sv, enum proc_stage stage, int error)
{
	const char *program = sv->spec.argv[0];
	const char *reason = server_failure_text(&sv->server, stage, error);
	enum log_level level = failure_level(sv, proc_failure_passes(stage, error));
	const char *more = level == LOG_WARN ? "; trying again" : "";

	if (stage == PROC_CHDIR)
		log_line(sv->spec.log, level, "working directory %s: %s%s",
		    server_next_dir(&sv->server), reason, more);
	else
		log_line(sv->spec.log, level, "cannot run %s: %s%s", program, reason, more);
}

/* One line that tells everything about a death. */
static void
say_ended(struct supervisor *sv, int code)
{
	/* Ctrl-C at the terminal goes past us, but is no accident either. */
	int wstatus = sv->server.wstatus;
	bool asked = sv->life.state != LIFE_RUNNING ||
		     (sv->has_terminal && WIFSIGNALED(wstatus) && WTERMSIG(wstatus) == SIGINT);
	bool oom = server_was_oom_killed(&sv->server);
	char how[64], lived[32];

	server_end_text(&sv->server, how, sizeof how);
	(void)duration_text(now_ms() - sv->life.started_ms, lived);
	(void)snprintf(sv->last_exit, sizeof sv->last_exit, "%s after %s%s", how, lived,
	    oom ? ", the memory cgroup counted an OOM kill" : "");
	log_line(sv->spec.log, asked || code == 0 ? LOG_INFO : LOG_ERROR, "server ended: %s",
	    sv->last_exit);
}

static void
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
		log_line(sv->spec.log, LOG_ERROR, "gave up after %u restarts", sv->life.restarts);
}

static void
say_killed(struct supervisor *sv)
{
	char time[32];

	(void)duration_text(sv->life.timeout_ms, time);
	log_line(
	    sv->spec.log, LOG_WARN, "not stopped after %s: SIGKILL to its process group", time);
}

/* The one place where a change of state is told. */
static void
say_step(struct supervisor *sv, enum life_state before, const struct life_step *step)
{
	enum life_state now = sv->life.state;

	log_line(sv->spec.log, LOG_DEBUG, "state %s -> %s", life_state_name(before),
	    life_state_name(now));
	if (step->actions & LIFE_KILL && (now == LIFE_STOPPING || now == LIFE_RESTARTING))
		say_killed(sv);
	else if (now == LIFE_BACKOFF)
		say_backoff(sv, step->delay_ms);
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

/* ---- what is done ---- */

/* What kill(2) says is never fatal. */
static void
forward(struct supervisor *sv, int signum)
{
	char buf[16];
	const char *name = signal_name(signum, buf);
	int pid = (int)sv->server.pid, status = server_signal(&sv->server, signum);

	if (status < 0)
		log_line(sv->spec.log, LOG_WARN, "cannot send %s to pid %d: %s", name, pid,
		    strerror(-status));
	else if (pid > 0)
		log_line(sv->spec.log, LOG_DEBUG, "%s to pid %d", name, pid);
}

/* Sockets of socket activation are kept for the next server. */
static void
let_go(struct supervisor *sv)
{
	uint64_t n = sv->spec.env->listen_pid ? env_listen_fds(sv->spec.env->vars) : 0;

	server_let_go(&sv->server, STDERR_FILENO + 1 + (int)n, sv->spec.log->fd);
}

/* One file that changed since the last server: tell the next one, and do not let it run old bytecode. */
static void
on_taken(void *arg, const struct tree_dir *dir, const struct tree_file *file, enum scan_fact fact)
{
	struct supervisor *sv = arg;
	char path[PATH_MAX], below[WATCH_PATH_SIZE];
	int status;

	(void)fact;
	(void)tree_path(dir, file->name, true, below, sizeof below);
	if (tree_path(dir, file->name, false, path, sizeof path) >= sizeof path)
		return;
	changes_add(&sv->dev->changes, path, below, sv->dev->changed);
	status = bytecode_remove(path);
	if (status < 0)
		log_line(sv->spec.log, LOG_WARN,
		    "%s: its old bytecode cannot be removed, and Python may run that: %s", path,
		    strerror(-status));
}

static void
take_changes(struct supervisor *sv)
{
	struct dev *dev = sv->dev;
	const char *also;
	unsigned n_said;

	/* What the last one was not told, because it was not started, is for this one. */
	if (dev->is_told)
		changes_begin(&dev->changes);
	n_said = dev->changes.n_also;
	dev->is_told = false;
	watch_take(&dev->watch, on_taken, sv);
	sv->server.spec.env = changes_environment(&dev->changes, sv->spec.env->vars);
	also = changes_also(&dev->changes);
	if (also && dev->changes.n_also > n_said)
		log_line(sv->spec.log, LOG_INFO, "also changed: %s", also);
	dev->changed[0] = '\0';
}

static enum life_event
spawn(struct supervisor *sv, int *code)
{
	bool foreground = sv->has_terminal && terminal_is_with(sv->server.group);
	enum proc_stage stage;
	int status;

	if (sv->watching)
		take_changes(sv);
	status = server_start(&sv->server, foreground, &stage);
	if (status < 0) {
		*code = proc_failure_code(stage, -status);
		say_failure(sv, stage, -status);
		return proc_failure_passes(stage, -status) ? LIFE_EV_REFUSED : LIFE_EV_FAILED;
	}
	/* Only now: the way through /proc takes as long as a quarter of an exec. */
	log_detach(sv->spec.log);
	say_started(sv);
	if (sv->watching) {
		sv->dev->is_told = true;
		watch_taken(&sv->dev->watch);
	}
	return LIFE_EV_SPAWNED;
}

static void on_deadline(uv_timer_t *timer);

static void
arm(struct supervisor *sv, uint64_t delay_ms)
{
	sv->armed = true;
	sv->delay_ms = delay_ms;
	if (!sv->looping)
		return;
	uv_update_time(&sv->loop);
	(void)uv_timer_start(
	    &sv->deadline, on_deadline, delay_ms, 0); /* fails only while closing */
}

static void
disarm(struct supervisor *sv)
{
	sv->armed = false;
	if (sv->looping)
		(void)uv_timer_stop(&sv->deadline);
}

/* Is nothing left of what the lifecycle waits for? */
static bool
is_gone(const struct supervisor *sv)
{
	if (sv->life.state == LIFE_CLEARING)
		return proc_group_is_gone(sv->server.group);
	return sv->life.state == LIFE_ENDING && !proc_has_children();
}

/* Do what a step says. Returns the event that it led to at once, or LIFE_N_EVENTS for none. */
static enum life_event
act(struct supervisor *sv, const struct life_step *step, int *code)
{
	enum life_event next = LIFE_N_EVENTS;

	if (step->actions & LIFE_SIGNAL) {
		forward(sv, sv->stop_signal);
		forward(sv, SIGCONT); /* a stopped process does not see the other */
	}
	if (step->actions & LIFE_KILL)
		server_kill(&sv->server);
	if (step->actions & LIFE_CLEAR)
		(void)proc_kill_group(sv->server.group, SIGTERM);
	if (step->actions & LIFE_SWEEP) {
		(void)proc_kill_group(sv->server.group, SIGTERM);
		proc_kill_rest(SIGTERM);
	}
	if (step->actions & (LIFE_CLEAR | LIFE_SWEEP) && is_gone(sv))
		next = LIFE_EV_GONE;
	if (step->actions & LIFE_SPAWN)
		next = spawn(sv, code);
	if (step->actions & LIFE_ARM)
		arm(sv, step->delay_ms);
	if (step->actions & LIFE_DISARM)
		disarm(sv);
	if (step->actions & LIFE_QUIT && sv->looping)
		uv_stop(&sv->loop);
	return next;
}

/* Ask the server while there is one that shall serve. */
static void
follow_server(struct supervisor *sv, enum life_event event)
{
	if (sv->life.state != LIFE_RUNNING)
		prober_end(&sv->prober);
	else if (event == LIFE_EV_SPAWNED)
		prober_begin(&sv->prober, sv->life.started_ms);
}

/* Nobody else is there whom Ctrl-C could reach. */
static void
take_terminal(const struct supervisor *sv)
{
	bool has_none = sv->life.state == LIFE_SETTLING || sv->life.state == LIFE_WAITING ||
			sv->life.state == LIFE_BACKOFF;

	if (has_none && sv->has_terminal && terminal_is_with(sv->server.group))
		terminal_give(0);
}

static void
notify(const struct supervisor *sv, const char *text)
{
	int status = notify_send(sv->spec.notify_path, text);

	if (status < 0)
		log_line(sv->spec.log, LOG_WARN, "NOTIFY_SOCKET %s: %s", sv->spec.notify_path,
		    strerror(-status));
}

/* It hung too often and is stopped; in a dev container that is not the end. */
static bool
gives_up(const struct supervisor *sv)
{
	return sv->life.state == LIFE_STOPPING && sv->life.unhealthy && sv->life.policy.waits;
}

static bool
is_ending(const struct supervisor *sv)
{
	if (sv->life.state == LIFE_STOPPING)
		return !gives_up(sv);
	return sv->life.state == LIFE_DRAINING || sv->life.state == LIFE_ENDING ||
	       sv->life.state == LIFE_DONE;
}

static void
notify_end(struct supervisor *sv)
{
	if (sv->told_stopping || !is_ending(sv))
		return;
	sv->told_stopping = true;
	notify(sv, "STOPPING=1");
}

static void
advance(struct supervisor *sv, enum life_event event, int code)
{
	while (event != LIFE_N_EVENTS) {
		enum life_state before = sv->life.state;
		/* The first clock reading of a process looks for the vDSO; the server need not wait for that. */
		uint64_t now = event == LIFE_EV_START ? 0 : now_ms();
		struct life_step step = lifecycle_step(&sv->life, event, code, now);

		if (sv->probing)
			follow_server(sv, event);
		event = act(sv, &step, &code);
		say_step(sv, before, &step);
		if (sv->life.state != before)
			take_terminal(sv);
		if (sv->spec.notify_path)
			notify_end(sv);
	}
}

/* ---- facts ---- */

static void
on_deadline(uv_timer_t *timer)
{
	struct supervisor *sv = timer->data;

	advance(sv, LIFE_EV_DEADLINE, 0);
}

static void
on_child_change(void *arg, pid_t pid, int wstatus)
{
	struct supervisor *sv = arg;

	if (WIFSTOPPED(wstatus)) {
		/* By its terminal; whoever sends SIGSTOP wants just that process to stand still. */
		if (pid == sv->server.pid && WSTOPSIG(wstatus) != SIGSTOP)
			sv->server.suspended = true;
	} else if (pid == sv->server.pid) {
		sv->server.ended = true;
		sv->server.suspended = false;
		sv->server.wstatus = wstatus;
	} else {
		log_line(sv->spec.log, LOG_DEBUG, "reaped orphan pid %d", (int)pid);
	}
}

/* Our shell continued us: the server goes on too, in the foreground if that is where we are. */
static void
resume(struct supervisor *sv)
{
	if (sv->server.pid == 0)
		return;
	if (terminal_is_ours())
		terminal_give(sv->server.pid);
	(void)proc_kill_group(sv->server.pid, SIGCONT);
}

/* Did it end by Ctrl-C or Ctrl-\ of a terminal, and not by a signal of ours? */
static bool
is_interrupted(const struct supervisor *sv)
{
	int code = proc_exit_code(sv->server.wstatus);

	if (!sv->has_terminal || (code != 128 + SIGINT && code != 128 + SIGQUIT))
		return false;
	return sv->life.state == LIFE_RUNNING ||
	       (sv->life.state == LIFE_RESTARTING && code != 128 + sv->stop_signal);
}

/*
 * It failed soon after its start, and files were written meanwhile that have the same contents now: that
 * may be why. Once.
 */
static void
try_again(struct supervisor *sv)
{
	struct dev *dev = sv->dev;
	bool is_early = now_ms() - sv->life.started_ms < LOOP_GUARD_EARLY_MS;

	if (!sv->watching || !sv->life.failed || !is_early || dev->retried ||
	    !watch_suspect(&dev->watch))
		return;
	dev->retried = true;
	(void)snprintf(sv->asked, sizeof sv->asked, "again, files were written meanwhile");
	say_asked(sv, "starting");
	advance(sv, LIFE_EV_CHANGED, 0);
}

static void
server_ended(struct supervisor *sv)
{
	int code = proc_exit_code(sv->server.wstatus);

	if (code_set_has(&sv->spec.config->success_codes, code))
		code = EXIT_CODE_OK;
	say_ended(sv, code);
	sv->server.ended = false;
	sv->server.pid = 0;
	/* Ctrl-C goes past us, and who types it does not want to wait for a change. */
	if (sv->dev && is_interrupted(sv)) {
		(void)snprintf(sv->asked, sizeof sv->asked, "by the terminal");
		advance(sv, LIFE_EV_STOP, 0);
	}
	advance(sv, LIFE_EV_EXITED, code);
	try_again(sv);
}

static void
reap(struct supervisor *sv)
{
	/* A change that came before this end must not be overtaken by the next start. */
	if (sv->watching)
		watch_catch_up(&sv->dev->watch);
	/* No shell waits for PID 1: there Ctrl-Z just stops the server, and SIGCONT to initd continues it. */
	proc_reap(sv->has_terminal && !sv->is_init, on_child_change, sv);
	if (sv->server.ended)
		server_ended(sv);
	if (sv->server.suspended) {
		sv->server.suspended = false;
		terminal_suspend(sv->server.group);
		resume(sv);
	}
	if (is_gone(sv))
		advance(sv, LIFE_EV_GONE, 0);
}

/* Another server in place of this one. */
static void
replace(struct supervisor *sv, enum life_event event, const char *reason)
{
	int wanted = sv->spec.config->stop_signal;

	if (is_ending(sv))
		return; /* what the server gets for its end is decided */
	/* The first reason is the one that counts. */
	if (sv->life.state != LIFE_RESTARTING)
		(void)snprintf(sv->asked, sizeof sv->asked, "%s", reason);
	sv->stop_signal = wanted ? wanted : SIGTERM;
	if (sv->life.state == LIFE_WAITING)
		say_asked(sv, "starting");
	advance(sv, event, 0);
}

static void
on_signal(void *arg, int signum, pid_t sender)
{
	struct supervisor *sv = arg;
	const struct config *config = sv->spec.config;
	const struct signal_rule rule = options_signal_rule(config, signum);
	char name[16];

	if (signum == SIGCHLD) {
		reap(sv);
		return;
	}
	if (signum == SIGCONT && sv->has_terminal && rule.action == SIGNAL_FORWARD) {
		resume(sv);
		return;
	}
	log_line(sv->spec.log, LOG_DEBUG, "%s from pid %d", signal_name(signum, name), (int)sender);
	switch (rule.action) {
	case SIGNAL_IGNORE:
		break;
	case SIGNAL_FORWARD:
		forward(sv, rule.send ? rule.send : signum);
		break;
	case SIGNAL_STOP:
		(void)snprintf(sv->asked, sizeof sv->asked, "%s", signal_name(signum, name));
		if (rule.send)
			sv->stop_signal = rule.send;
		else if (config->stop_signal)
			sv->stop_signal = config->stop_signal;
		else
			sv->stop_signal = options_signal_stops(signum) ? signum : SIGTERM;
		advance(sv, LIFE_EV_STOP, 0);
		break;
	case SIGNAL_RESTART:
		replace(sv, LIFE_EV_RESTART, signal_name(signum, name));
		break;
	}
}

/* ---- health ---- */

/* Where it serves: the target without its path. */
static void
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
	if (sv->spec.notify_path && !sv->told_ready)
		notify(sv, "READY=1\nSTATUS=ready");
	sv->told_ready = true;
}

static void
say_unhealthy(struct supervisor *sv, const char *text)
{
	const struct health *health = &sv->prober.health;
	bool stays = sv->spec.config->health_restarts && !health->proven;

	log_line(sv->spec.log, LOG_WARN, "unhealthy: %s (%u in a row)%s", text, health->failures,
	    stays ? "; not restarted, because it never gave an expected answer" : "");
}

static void
on_health(void *arg, enum health_fact fact)
{
	struct supervisor *sv = arg;
	const struct health *health = &sv->prober.health;
	char text[640], lasted[32];

	probe_verdict_text(&sv->prober.probe.verdict, &sv->prober.spec.probe, text, sizeof text);
	switch (fact) {
	case HEALTH_READY:
		say_ready(sv);
		if (!health->proven)
			log_line(sv->spec.log, LOG_WARN, "health: %s", text);
		break;
	case HEALTH_WRONG:
		log_line(sv->spec.log, LOG_WARN, "health: %s", text);
		break;
	case HEALTH_FAILED:
		say_unhealthy(sv, text);
		if (sv->spec.config->health_restarts && health->proven)
			replace(sv, LIFE_EV_UNHEALTHY, "unhealthy");
		break;
	case HEALTH_RECOVERED:
		log_line(sv->spec.log, LOG_INFO, "healthy again after %s",
		    duration_text(now_ms() - health->failed_ms, lasted));
		break;
	case HEALTH_NOTHING:
		break;
	}
}

/* The texts were checked as options. */
static void
open_prober(struct supervisor *sv)
{
	const struct config *config = sv->spec.config;
	struct prober_spec spec = {
		.probe = {
			.expect_text = config->health_expect,
			.host_header = config->health_host_header,
			.timeout_ms = config->health_timeout_ms,
		},
		.policy = {
			.start_interval_ms = config->health_start_interval_ms,
			.interval_ms = config->health_interval_ms,
			.retries = config->health_retries,
			.any_answer_is_ready = !config->health_target,
		},
		.on_fact = on_health,
		.arg = sv,
	};
	int status;

	(void)http_target_spell(config->health_target, config->host, config->port, sv->target);
	if (!options_ask_server(config) ||
	    !http_target_parse(
		&spec.probe.target, config->health_target, config->host, config->port) ||
	    !http_expect_parse(config->health_expect, &spec.probe.expect))
		return;
	status = prober_open(&sv->prober, &sv->loop, &spec);
	if (status < 0) {
		log_line(sv->spec.log, LOG_WARN, "cannot ask for health: %s", strerror(-status));
		return;
	}
	sv->probing = true;
	if (sv->life.state == LIFE_RUNNING)
		prober_begin(&sv->prober, sv->life.started_ms);
}

/* ---- changes ---- */

/* It would be started, or is not to be stopped any more. */
static bool
starts_by_change(const struct supervisor *sv)
{
	return sv->life.state == LIFE_RUNNING || sv->life.state == LIFE_BACKOFF ||
	       sv->life.failed || gives_up(sv);
}

static void
note_change(struct supervisor *sv, const struct watch_change *change)
{
	static const char words[][12] = {
		[SCAN_NEW] = "is new",
		[SCAN_CHANGED] = "changed",
		[SCAN_REMOVED] = "was removed",
	};
	struct dev *dev = sv->dev;

	dev->restarts++;
	dev->retried = false;
	dev->changed_ms = now_ms();
	(void)snprintf(dev->changed, sizeof dev->changed, "%s", change->path);
	(void)snprintf(dev->change, sizeof dev->change, "%s %s", change->path, words[change->what]);
	(void)snprintf(sv->asked, sizeof sv->asked, "%s", dev->change);
}

/* How long a server that seems to restart itself is left in peace; 0: not at all. */
static uint64_t
guard_against_loop(struct supervisor *sv, const struct watch_change *change)
{
	const struct loop_guard_change asked = {
		.path = change->path,
		.alone = change->alone,
		/* Who mends what has failed is a person, too. */
		.answered = (sv->probing && sv->prober.health.ready) || sv->life.failed,
		.age_ms = now_ms() - sv->life.started_ms,
	};
	bool tell;
	uint64_t hold_ms;

	if (!change->is_ours) {
		loop_guard_absolve(&sv->dev->guard);
		return 0;
	}
	hold_ms = loop_guard_ask(&sv->dev->guard, &asked, &tell);
	if (tell && sv->dev->guard.streak == LOOP_GUARD_STREAK)
		log_line(sv->spec.log, LOG_WARN,
		    "%d restarts in a row, each soon after the server's start, the last one by %s: if the server writes such files, add them to watch.ignore; from now on they have to wait",
		    LOOP_GUARD_STREAK, change->path);
	else if (tell)
		log_line(sv->spec.log, LOG_WARN,
		    "%s has restarted the server %d times, each soon after its start: if the server writes it, add it to watch.ignore; from now on it has to wait",
		    change->path, LOOP_GUARD_RESTARTS);
	return hold_ms;
}

static uint64_t
on_change(void *arg, const struct watch_change *change)
{
	struct supervisor *sv = arg;
	int wanted = sv->spec.config->stop_signal;
	bool is_running = sv->life.state == LIFE_RUNNING;
	uint64_t hold_ms = is_running || sv->life.failed ? guard_against_loop(sv, change) : 0;

	if (hold_ms > 0 || is_ending(sv))
		return hold_ms;
	if (starts_by_change(sv)) {
		note_change(sv, change);
		sv->stop_signal = wanted ? wanted : SIGTERM;
		if (!is_running && sv->life.state != LIFE_STOPPING)
			say_asked(sv, "starting");
	}
	advance(sv, LIFE_EV_CHANGED, 0);
	return 0;
}

static void
say_watching(struct supervisor *sv)
{
	const struct watch *watch = &sv->dev->watch;
	unsigned dirs, files;

	watch_count(watch, &dirs, &files);
	log_line(sv->spec.log, LOG_INFO, "watching %s (%u director%s, %u file%s, %s)%s%s",
	    watched_text(sv), dirs, dirs == 1 ? "y" : "ies", files, files == 1 ? "" : "s",
	    watch_backend_text(watch), sv->dev->why[0] ? ": " : "", sv->dev->why);
}

static void
on_watch_fact(void *arg, enum watch_fact fact, const char *text)
{
	struct supervisor *sv = arg;
	struct log *log = sv->spec.log;
	char interval[32];

	switch (fact) {
	case WATCH_READY:
		say_watching(sv);
		break;
	case WATCH_QUIET:
		advance(sv, LIFE_EV_QUIET, 0);
		break;
	case WATCH_POLLS:
		(void)duration_text(sv->spec.config->watch_poll_interval_ms, interval);
		log_line(log, LOG_WARN, "looking for changes every %s: %s", interval, text);
		break;
	case WATCH_OVERFLOW:
		log_line(log, LOG_INFO,
		    "too many changes at once, or an unmount: looking at all files again");
		break;
	case WATCH_BLIND:
		log_line(log, LOG_WARN,
		    "inotify does not hear of all changes on %s, and watch.backend rules out to look",
		    text);
		break;
	case WATCH_MISSING:
		log_line(log, LOG_WARN, "%s is not there or not to be read, waiting for it", text);
		break;
	case WATCH_BACK:
		log_line(log, LOG_INFO, "%s is there again", text);
		break;
	case WATCH_DENIED:
		log_line(log, LOG_WARN,
		    "some of the directories cannot be read, changes there are not seen");
		break;
	}
}

/* While we are where we were started, and the server boots. */
static void
decide_to_watch(struct supervisor *sv)
{
	const struct config *config = sv->spec.config;
	struct dev *dev;
	char why[sizeof dev->why];

	switch (watch_auto_decide(config, sv->spec.argv, sv->spec.env->vars, why, sizeof why)) {
	case WATCH_OFF:
		log_line(sv->spec.log, LOG_DEBUG, "not watching: %s",
		    config->watch == CONFIG_WATCH_NO
			? "watch.enabled is no"
			: "no editable install points to server.agent_dir");
		return;
	case WATCH_ONE_SHOT:
		log_line(sv->spec.log, LOG_INFO,
		    "not watching: %s, but the command names no module there; watch.enabled=yes watches all the same",
		    why);
		return;
	case WATCH_ON:
		break;
	}
	dev = calloc(1, sizeof *dev);
	if (!dev) {
		log_line(sv->spec.log, LOG_WARN, "cannot watch: %s", strerror(ENOMEM));
		return;
	}
	(void)snprintf(dev->why, sizeof dev->why, "%s", why);
	sv->dev = dev;
	sv->life.policy.waits = true;
	sv->life.policy.change_timeout_ms = config->watch_stop_timeout_ms;
}

static void
open_watch(struct supervisor *sv)
{
	const struct config *config = sv->spec.config;
	static const enum watch_backend backends[] = {
		[CONFIG_WATCH_BACKEND_AUTO] = WATCH_AUTO,
		[CONFIG_WATCH_BACKEND_INOTIFY] = WATCH_INOTIFY,
		[CONFIG_WATCH_BACKEND_POLL] = WATCH_POLL,
	};
	const struct watch_spec spec = {
		.path = config->watch_paths ? NULL : config->agent_dir,
		.paths = config->watch_paths,
		.include = config->watch_include,
		.ignore = config->watch_ignore,
		.backend = backends[config->watch_backend],
		.poll_interval_ms = config->watch_poll_interval_ms,
		.settle_ms = config->watch_settle_ms,
		.settle_removed_ms = config->watch_settle_removed_ms,
		.started_ms = sv->life.started ? sv->life.started_ms : now_ms(),
		.on_change = on_change,
		.on_fact = on_watch_fact,
		.arg = sv,
	};
	int status;

	sv->watching = true; /* it may have something to say at once */
	status = watch_start(&sv->dev->watch, &sv->loop, &spec);
	if (status < 0) {
		sv->watching = false;
		log_line(sv->spec.log, LOG_WARN, "cannot watch %s: %s", watched_text(sv),
		    strerror(-status));
		sv->life.policy.waits = false;
		return;
	}
}

/* ---- who asks about us ---- */

static const char *
state_text(const struct supervisor *sv)
{
	const struct health *health = &sv->prober.health;

	switch (sv->life.state) {
	case LIFE_NEW:
		return "starting";
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
	status->last_change_ms = now_ms() - dev->changed_ms;
}

static void
fill_status(const struct supervisor *sv, struct status *status)
{
	uint64_t now = now_ms();

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
	status->ready = status->ready && sv->life.state == LIFE_RUNNING;
	if (sv->watching)
		fill_watch(sv, status);
}

static size_t
on_question(void *arg, enum control_question question, pid_t pid, char answer[CONTROL_ANSWER_SIZE])
{
	struct supervisor *sv = arg;
	struct status status = { 0 };
	char reason[32];
	size_t n;

	if (question == CONTROL_RESTART && is_ending(sv))
		return (size_t)snprintf(
		    answer, CONTROL_ANSWER_SIZE, CONTROL_ERROR "it is %s already", state_text(sv));
	fill_status(sv, &status);
	n = status_write(&status, answer);
	if (question == CONTROL_RESTART) {
		(void)snprintf(reason, sizeof reason, "asked by pid %d", (int)pid);
		replace(sv, LIFE_EV_RESTART, reason);
	}
	return n;
}

_Static_assert((int)STATUS_TEXT_SIZE <= (int)CONTROL_ANSWER_SIZE, "a status may be no answer");

static void
open_control(struct supervisor *sv)
{
	const struct control_spec spec = { .on_question = on_question, .arg = sv };
	int status = control_start(&sv->control, &sv->loop, &spec);

	sv->has_control = status == 0;
	/* Without /proc there is none; that somebody has our name is worth a word. */
	if (status < 0)
		log_line(sv->spec.log, status == -EADDRINUSE ? LOG_WARN : LOG_DEBUG,
		    "no control socket: %s", strerror(-status));
}

/* ---- the loop ---- */

/* As PID 1 of a namespace they come by themselves. */
static void
adopt_orphans(const struct supervisor *sv)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		log_line(sv->spec.log, LOG_WARN, "not PID 1, and orphans stay others': %s",
		    strerror(errno));
	else
		log_line(sv->spec.log, LOG_DEBUG, "not PID 1: a subreaper for orphans");
}

static int
build_loop(struct supervisor *sv)
{
	const struct signals_spec signals = { .on_signal = on_signal, .arg = sv };
	int status = uv_loop_init(&sv->loop);

	if (status < 0)
		return status;
	(void)uv_timer_init(&sv->loop, &sv->deadline); /* cannot fail */
	sv->deadline.data = sv;
	sv->looping = true;
	sv->born_ms = now_ms();
	if (sv->armed)
		arm(sv, sv->delay_ms);
	status = signals_start(&sv->signals, &sv->loop, &signals);
	if (status < 0)
		return status;
	open_control(sv);
	open_prober(sv);
	if (sv->dev)
		open_watch(sv);
	return 0;
}

static void
close_loop(struct supervisor *sv)
{
	signals_stop(&sv->signals);
	if (sv->has_control)
		control_stop(&sv->control);
	if (sv->probing)
		prober_close(&sv->prober);
	if (sv->watching)
		watch_stop(&sv->dev->watch);
	uv_close((uv_handle_t *)&sv->deadline, NULL);
	(void)uv_run(&sv->loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&sv->loop) < 0)
		log_line(sv->spec.log, LOG_WARN, "a handle was left open");
}

static void
start_policy(struct supervisor *sv)
{
	const struct config *config = sv->spec.config;
	const struct life_policy policy = {
		.restart = config->restart,
		.restart_delay_ms = config->restart_delay_ms,
		.restart_delay_max_ms = config->restart_delay_max_ms,
		.restart_limit = config->restart_limit,
		.drain_delay_ms = config->drain_delay_ms,
		.stop_timeout_ms = config->stop_timeout_ms,
		/* A restart that nobody can end must end by itself; an orchestrator watches only stops. */
		.restart_timeout_ms = config->stop_timeout_ms ? config->stop_timeout_ms : 5000,
	};

	lifecycle_init(&sv->life, &policy);
}

/* Watch the server to its end. */
static void
run_loop(struct supervisor *sv)
{
	int status = build_loop(sv);

	if (status == 0) {
		(void)uv_run(&sv->loop, UV_RUN_DEFAULT);
		close_loop(sv);
		return;
	}
	/* It must not run on unobserved. */
	log_line(sv->spec.log, LOG_ERROR, "event loop: %s", strerror(-status));
	server_kill(&sv->server);
	sv->life.exit_code = EXIT_CODE_REFUSED;
}

int
supervisor_run(const struct supervisor_spec *spec)
{
	struct supervisor sv;

	/* All but what would be pages of zeros. */
	memset(&sv, 0, offsetof(struct supervisor, server) + offsetof(struct server, working_dir));
	sv.server.working_dir[0] = '\0';
	sv.spec = *spec;
	sv.is_init = getpid() == 1;
	/* Not for `initd … | less`: the others of a pipeline need the terminal, and we pass Ctrl-C on. */
	sv.has_terminal = terminal_is_ours() && (sv.is_init || isatty(STDOUT_FILENO));
	sv.server.spec = (struct server_spec){
		.argv = spec->argv,
		.env = spec->env->vars,
		.listen_pid = spec->env->listen_pid,
		.working_dir = spec->config->working_dir,
		.signals = spec->signals,
		.signal_group = spec->config->signal_group,
		.die_with_parent = !sv.is_init,
	};
	start_policy(&sv);
	if (!sv.is_init)
		adopt_orphans(&sv);

	/* The server first, so that Python boots while we set ourselves up. */
	advance(&sv, LIFE_EV_START, 0);
	if (!is_ending(&sv))
		decide_to_watch(&sv);
	/* If it was refused, the next try still needs everything, and the loop will have its own among it. */
	if (sv.life.started)
		let_go(&sv);
	if (sv.life.state != LIFE_DONE)
		run_loop(&sv);
	if (sv.dev)
		changes_free(&sv.dev->changes);
	free(sv.dev);
	if (!sv.is_init)
		proc_kill_rest(SIGKILL); /* the kernel does that when PID 1 ends */
	if (sv.has_terminal && terminal_is_with(sv.server.group))
		terminal_give(0);
	return sv.life.exit_code;
}
