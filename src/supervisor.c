/* SPDX-License-Identifier: MIT */
/* The loop: supervisor_advance() takes every event in and lets every action out. */
#include "supervisor.h"

#include "answers.h"
#include "control.h"
#include "dev.h"
#include "exit_code.h"
#include "notify.h"
#include "say.h"
#include "succession.h"
#include "supervisor_state.h"
#include "terminal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

/* CLOCK_MONOTONIC, because the first server is started before the loop has a clock. */
uint64_t
supervisor_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
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
	int keep[1 + 1 + LISTENERS_MAX];
	size_t n_keep = 0;

	keep[n_keep++] = sv->spec.log->fd;
	if (sv->succession)
		n_keep += hold_fds(&sv->succession->hold, keep + 1, sizeof keep / sizeof *keep - 1);
	server_let_go(&sv->server, STDERR_FILENO + 1 + (int)n, keep, n_keep);
}

/* ---- starting ---- */

/* 0, or -errno with it said and *code filled. */
static int
start(struct supervisor *sv, struct server *server, bool foreground, int *code)
{
	/*
	 * What changes from now on may be the server's own work: when we are back, it may have run for a while.
	 * Where nothing is watched libc's first look at the clock would only delay it.
	 */
	bool is_watched = sv->dev || sv->spec.config->watch == CONFIG_YES;
	uint64_t before_ms = is_watched ? supervisor_now_ms() : 0;
	enum proc_stage stage;
	int status;

	if (sv->watching)
		dev_take_changes(sv, server);
	if (sv->succession)
		status = succession_start(sv, server, foreground, &stage);
	else
		status = server_start(server, foreground, &stage);
	if (status < 0) {
		*code = proc_failure_code(stage, -status);
		say_failure(sv, server, stage, -status);
		return proc_failure_passes(stage, -status) ? -EAGAIN : status;
	}
	/* Only now: the way through /proc takes as long as a quarter of an exec. */
	log_detach(sv->spec.log);
	if (server == &sv->server)
		sv->started_ms = is_watched ? before_ms : supervisor_now_ms();
	say_started(sv, server);
	if (sv->watching) {
		sv->dev->is_told = true;
		watch_taken(&sv->dev->watch);
	}
	return 0;
}

static enum life_event
spawn(struct supervisor *sv, int *code)
{
	bool foreground = sv->has_terminal && terminal_is_with(sv->server.group);
	int status = start(sv, &sv->server, foreground, code);

	if (status < 0)
		return status == -EAGAIN ? LIFE_EV_REFUSED : LIFE_EV_FAILED;
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

static enum life_event
spawn_next(struct supervisor *sv, int *code)
{
	struct succession *succession = sv->succession;

	succession->next = sv->server;
	succession->next.pid = succession->next.group = 0;
	succession->next.suspended = false;
	if (start(sv, &succession->next, false, code) < 0) {
		(void)snprintf(succession->failure, sizeof succession->failure, "not started");
		return LIFE_EV_NEXT_ENDED;
	}
	if (succession->way == WAY_ACTIVATION && !succession_ask_next(sv, succession->has_door))
		return LIFE_EV_NEXT_READY;
	return LIFE_N_EVENTS;
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

	if (sv->succession && step->actions & LIFE_DIVERT)
		(void)hold_divert(&sv->succession->hold); /* if not, they share it */
	if (sv->succession && step->actions & LIFE_NEW_OLD)
		succession_change_places(sv, step->actions);
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
	if (sv->succession)
		succession_act_on_old(sv, step);
	if (step->actions & LIFE_SPAWN)
		next = spawn(sv, code);
	if (sv->succession && step->actions & LIFE_SPAWN_NEXT)
		next = spawn_next(sv, code);
	if (step->actions & LIFE_ARM)
		arm(sv, step->delay_ms);
	if (step->actions & LIFE_DISARM)
		disarm(sv);
	if (step->actions & LIFE_QUIT && sv->looping)
		uv_stop(&sv->loop);
	return next;
}

/* It hung too often and is stopped; in a dev container that is not the end. */
bool
supervisor_gives_up(const struct supervisor *sv)
{
	return sv->life.state == LIFE_STOPPING && sv->life.unhealthy && sv->life.policy.waits;
}

bool
supervisor_is_ending(const struct supervisor *sv)
{
	if (sv->life.state == LIFE_STOPPING)
		return !supervisor_gives_up(sv);
	return sv->life.state == LIFE_DRAINING || sv->life.state == LIFE_ENDING ||
	       sv->life.state == LIFE_DONE;
}

/* Its predecessor may still answer in its place. */
static bool
is_shadowed(const struct supervisor *sv)
{
	return (sv->life.old == LIFE_OLD_STOPS || sv->life.old == LIFE_OLD_LINGERS) &&
	       !hold_is_diverted(&sv->succession->hold);
}

/* Ask the server while there is one that shall serve, and nobody else can answer. */
static void
follow_server(struct supervisor *sv, enum life_event event, const struct life_step *step)
{
	bool serves = sv->life.state == LIFE_RUNNING || sv->life.state == LIFE_OVERLAPPING;
	bool is_first = event == LIFE_EV_SPAWNED || event == LIFE_EV_OLD_EXITED;

	if (!serves || (is_first && sv->life.beside && is_shadowed(sv))) {
		prober_end(&sv->prober);
	} else if (step->actions & LIFE_PART) {
		prober_begin(
		    &sv->prober, sv->life.started_ms); /* what was known was of the old one */
		prober_end(&sv->prober);
	} else if (step->actions & (LIFE_DISMISS | LIFE_PROMOTE)) {
		bool was_asked = sv->prober.spec.probe.mark != 0;

		prober_mark(&sv->prober, 0);
		if (step->actions & LIFE_DISMISS && was_asked)
			sv->succession->is_going_back = sv->succession->was_ready;
		if (was_asked == !!(step->actions & LIFE_DISMISS))
			prober_begin(&sv->prober, sv->life.started_ms);
	} else if (event == LIFE_EV_SPAWNED || (is_first && !sv->prober.is_wanted)) {
		prober_begin(&sv->prober, sv->life.started_ms);
	}
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

static void
notify_ready(struct supervisor *sv)
{
	if (sv->spec.notify_path && !sv->told_ready)
		notify(sv, "READY=1\nSTATUS=ready");
	sv->told_ready = true;
}

static void
notify_end(struct supervisor *sv)
{
	if (sv->told_stopping || !supervisor_is_ending(sv))
		return;
	sv->told_stopping = true;
	notify(sv, "STOPPING=1");
}

void
supervisor_advance(struct supervisor *sv, enum life_event event, int code)
{
	while (event != LIFE_N_EVENTS) {
		enum life_state before = sv->life.state;
		enum life_event told = event;
		enum life_old old = sv->life.old;
		/* The first clock reading of a process looks for the vDSO; the server need not wait for that. */
		uint64_t now = event == LIFE_EV_START ? 0 : supervisor_now_ms();
		struct life_step step;

		if (sv->succession)
			succession_update_policy(sv);
		step = lifecycle_step(&sv->life, event, code, now);
		/* Its place may be taken again in the same step. */
		if (old != LIFE_OLD_NONE &&
		    (sv->life.old == LIFE_OLD_NONE || step.actions & LIFE_NEW_OLD))
			hold_forget(&sv->succession->hold);
		if (step.actions & LIFE_PART && before != LIFE_RESTARTING)
			say_asked(sv, "restarting");
		else if (before == LIFE_RUNNING && sv->life.state == LIFE_OVERLAPPING)
			say_asked(sv, "replacing");
		event = act(sv, &step, &code);
		if (sv->probing)
			follow_server(sv, told, &step);
		if (sv->succession)
			succession_follow_server(sv, &step);
		if (sv->succession && sv->succession->has_standby)
			succession_follow_spare(sv);
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
	uint64_t more_ms = sv->life.lingers ? succession_linger_ms(sv) : 0;

	if (more_ms > 0)
		arm(sv, more_ms);
	else
		supervisor_advance(sv, LIFE_EV_DEADLINE, 0);
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
	} else if (!succession_note_end(sv, pid, wstatus)) {
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
		supervisor_advance(sv, LIFE_EV_STOP, 0);
	}
	supervisor_advance(sv, LIFE_EV_EXITED, code);
	dev_try_again(sv);
}

static void
reap(struct supervisor *sv)
{
	/* A change that came before this end must not be overtaken by the next start. */
	if (sv->watching)
		watch_catch_up(&sv->dev->watch);
	/* No shell waits for PID 1: there Ctrl-Z just stops the server, and SIGCONT to initd continues it. */
	proc_reap(sv->has_terminal && !sv->is_init, on_child_change, sv);
	if (sv->succession)
		succession_follow_ends(sv);
	if (sv->server.ended)
		server_ended(sv);
	if (sv->succession)
		succession_follow_ends(sv); /* the place of the server may have been taken over */
	if (sv->server.suspended) {
		sv->server.suspended = false;
		terminal_suspend(sv->server.group);
		resume(sv);
	}
	if (is_gone(sv))
		supervisor_advance(sv, LIFE_EV_GONE, 0);
}

/* Another server in place of this one. */
void
supervisor_replace(struct supervisor *sv, enum life_event event, const char *reason)
{
	int wanted = sv->spec.config->stop_signal;

	if (supervisor_is_ending(sv))
		return; /* what the server gets for its end is decided */
	/* The first reason is the one that counts. */
	if (sv->life.state != LIFE_RESTARTING)
		(void)snprintf(sv->asked, sizeof sv->asked, "%s", reason);
	sv->stop_signal = wanted ? wanted : SIGTERM;
	if (sv->life.state == LIFE_WAITING)
		say_asked(sv, "starting");
	supervisor_advance(sv, event, 0);
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
	if (sv->succession)
		hold_catch_up(&sv->succession->hold);
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
		supervisor_advance(sv, LIFE_EV_STOP, 0);
		break;
	case SIGNAL_RESTART:
		supervisor_replace(sv, LIFE_EV_RESTART, signal_name(signum, name));
		break;
	}
}

/* ---- health ---- */

/* It was ready all the time, only its successor was asked meanwhile. */
static bool
is_back(struct supervisor *sv)
{
	bool is = sv->succession && sv->succession->is_going_back;

	if (is)
		sv->succession->is_going_back = false;
	return is;
}

static void
on_health(void *arg, enum health_fact fact)
{
	struct supervisor *sv = arg;
	const struct health *health = &sv->prober.health;
	char text[640], lasted[32];

	probe_verdict_text(&sv->prober.probe.verdict, &sv->prober.spec.probe, text, sizeof text);
	if (sv->life.state == LIFE_OVERLAPPING && sv->life.next) {
		if (fact == HEALTH_READY)
			supervisor_advance(sv, LIFE_EV_NEXT_READY, 0);
		return;
	}
	switch (fact) {
	case HEALTH_READY:
		if (is_back(sv))
			break;
		say_ready(sv);
		notify_ready(sv);
		if (sv->succession)
			succession_check_held(sv);
		if (!health->proven)
			log_line(sv->spec.log, LOG_WARN, "health: %s", text);
		break;
	case HEALTH_WRONG:
		log_line(sv->spec.log, LOG_WARN, "health: %s", text);
		break;
	case HEALTH_FAILED:
		say_unhealthy(sv, text);
		if (sv->spec.config->health_restarts && health->proven)
			supervisor_replace(sv, LIFE_EV_UNHEALTHY, "unhealthy");
		break;
	case HEALTH_RECOVERED:
		log_line(sv->spec.log, LOG_INFO, "healthy again after %s",
		    duration_text(supervisor_now_ms() - health->failed_ms, lasted));
		break;
	case HEALTH_NOTHING:
		break;
	}
	if (sv->succession && sv->succession->has_standby)
		succession_follow_spare(sv);
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
	sv->born_ms = supervisor_now_ms();
	if (sv->armed)
		arm(sv, sv->delay_ms);
	status = signals_start(&sv->signals, &sv->loop, &signals);
	if (status < 0)
		return status;
	if (sv->succession)
		status = succession_build(sv);
	if (status < 0)
		return status;
	answers_open(sv);
	open_prober(sv);
	if (sv->dev)
		dev_open(sv);
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
	if (sv->succession)
		succession_close(sv);
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

/* A socket is held from the first server on, or not at all. It costs a look at AGENT_DIR where nothing is watched. */
static bool
decides_first(const struct config *config)
{
	return config->watch != CONFIG_NO &&
	       (config->hold_socket == CONFIG_AUTO || config->watch_standby) &&
	       (config->watch == CONFIG_YES || access(config->agent_dir, X_OK) == 0);
}

int
supervisor_run(const struct supervisor_spec *spec)
{
	struct supervisor sv;
	bool decides;

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
	decides = decides_first(spec->config);
	if (decides)
		dev_decide(&sv);
	if (spec->config->hold_socket == CONFIG_YES ||
	    (sv.dev && (spec->config->hold_socket == CONFIG_AUTO || spec->config->watch_standby)))
		succession_open(&sv);
	supervisor_advance(&sv, LIFE_EV_START, 0);
	if (!decides && !supervisor_is_ending(&sv))
		dev_decide(&sv);
	/* If it was refused, the next try still needs everything, and the loop will have its own among it. */
	if (sv.life.started)
		let_go(&sv);
	if (sv.life.state != LIFE_DONE)
		run_loop(&sv);
	succession_free(&sv);
	dev_free(&sv);
	if (!sv.is_init)
		proc_kill_rest(SIGKILL); /* the kernel does that when PID 1 ends */
	if (sv.has_terminal && terminal_is_with(sv.server.group))
		terminal_give(0);
	return sv.life.exit_code;
}
