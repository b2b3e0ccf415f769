/* SPDX-License-Identifier: MIT */
/* The loop: advance() takes every event in and lets every action out. */
#include "supervisor.h"

#include "activation.h"
#include "bytecode.h"
#include "changes.h"
#include "control.h"
#include "exit_code.h"
#include "handover.h"
#include "hold.h"
#include "lifecycle.h"
#include "loop_guard.h"
#include "notify.h"
#include "prober.h"
#include "server.h"
#include "signals.h"
#include "standby.h"
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
#include <sys/socket.h>
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

/* How the server comes to a socket of ours. */
enum {
	SPARE_FAILURES_MAX = 3,
	NO_SERVER_MS = 1000, /* so long clients wait for the next server; then they get an answer */
};

enum way {
	WAY_NONE,
	WAY_FILTER,     /* in the place of its own, see handover.h */
	WAY_ACTIVATION, /* as descriptor 3 */
};

/* What only a held socket makes possible: a server beside the one that everything is about. */
struct succession {
	struct hold hold;
	enum way way;
	bool said_other;     /* that it cannot overlap */
	struct server next;  /* pid 0: none */
	struct server old;   /* the same; what is left of it may be in its group */
	bool has_door;       /* next alone gets what initd asks, see hold.h */
	bool was_ready;      /* the server, before its successor was asked */
	bool is_going_back;  /* asking the server again, which was ready all the time */
	uv_timer_t deadline; /* of old */
	uint64_t old_started_ms;
	struct hold_family *family, *next_family; /* of the server, of next */
	char **vars;            /* WAY_ACTIVATION: the environment with what it needs */
	char failure[144];      /* of the last successor */
	bool has_standby;       /* the spare one's side is there */
	struct standby standby; /* watch.standby */
	struct server spare;    /* that Python; pid 0: none */
	struct hold_family *spare_family;
	unsigned spare_failures; /* in a row */
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
	bool watching;                 /* dev->watch is there */
	struct dev *dev;               /* NULL: this is no dev container */
	struct succession *succession; /* NULL: no socket is held */
	uint64_t born_ms;              /* when the loop was built */
	char last_exit[144];
	uint64_t
	    started_ms; /* of the server, when it was started; the lifecycle's is ahead in a step */
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

static void
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
static void
end_text(const struct server *server, uint64_t started_ms, char *buf, size_t size)
{
	bool oom = server_was_oom_killed(server);
	char how[64], lived[32];

	server_end_text(server, how, sizeof how);
	(void)duration_text(now_ms() - started_ms, lived);
	(void)snprintf(buf, size, "%s after %s%s", how, lived,
	    oom ? ", the memory cgroup counted an OOM kill" : "");
}

/* One line that tells everything about a death. */
static void
say_ended(struct supervisor *sv, int code)
{
	/* Ctrl-C at the terminal goes past us, but is no accident either. */
	int wstatus = sv->server.wstatus;
	bool asked = (sv->life.state != LIFE_RUNNING && sv->life.state != LIFE_OVERLAPPING) ||
		     (sv->has_terminal && WIFSIGNALED(wstatus) && WTERMSIG(wstatus) == SIGINT);

	end_text(&sv->server, sv->life.started_ms, sv->last_exit, sizeof sv->last_exit);
	log_line(sv->spec.log, asked || code == 0 ? LOG_INFO : LOG_ERROR, "server ended: %s",
	    sv->last_exit);
}

/* Of a predecessor whose successor has long been started. */
static void
say_old_ended(struct supervisor *sv)
{
	end_text(&sv->succession->old, sv->succession->old_started_ms, sv->last_exit,
	    sizeof sv->last_exit);
	log_line(sv->spec.log, LOG_INFO, "the server before it ended: %s", sv->last_exit);
}

/* Of a successor that never got ready. */
static void
say_next_ended(struct supervisor *sv)
{
	struct succession *succession = sv->succession;

	end_text(&succession->next, sv->life.next_started_ms, succession->failure,
	    sizeof succession->failure);
	log_line(sv->spec.log, LOG_ERROR, "its successor ended: %s; pid %d serves on",
	    succession->failure, (int)sv->server.pid);
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
static void
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
	int keep[1 + 1 + LISTENERS_MAX];
	size_t n_keep = 0;

	keep[n_keep++] = sv->spec.log->fd;
	if (sv->succession)
		n_keep += hold_fds(&sv->succession->hold, keep + 1, sizeof keep / sizeof *keep - 1);
	server_let_go(&sv->server, STDERR_FILENO + 1 + (int)n, keep, n_keep);
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

static char *const *
environment(const struct supervisor *sv)
{
	if (sv->succession && sv->succession->vars)
		return sv->succession->vars;
	return sv->spec.env->vars;
}

static void
take_changes(struct supervisor *sv, struct server *server)
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
	server->spec.env = changes_environment(&dev->changes, environment(sv));
	also = changes_also(&dev->changes);
	if (also && dev->changes.n_also > n_said)
		log_line(sv->spec.log, LOG_INFO, "also changed: %s", also);
	dev->changed[0] = '\0';
}

/* ---- the held socket ---- */

static const char *
way_failure_text(int error)
{
	if (error == EACCES)
		return "user.no_new_privs is no";
	if (error == EPERM)
		return "kernel.yama.ptrace_scope lets only root look into processes";
	if (error == EBUSY)
		return "a seccomp filter of the container's runtime has a listener already";
	if (error == ENOSYS || error == EINVAL || error == EOPNOTSUPP)
		return "this kernel tells nobody of bind(2) (seccomp notification, Linux 5.9)";
	return strerror(error);
}

static void
say_not_held(const struct supervisor *sv, const char *why)
{
	bool wanted = sv->spec.config->hold_socket == CONFIG_YES || sv->spec.config->watch_overlap;

	log_line(sv->spec.log, wanted ? LOG_WARN : LOG_INFO, "not holding the socket: %s", why);
}

/* What a child does between fork and exec. */
struct birth {
	int sock;                      /* for handover.h; -1: none */
	const struct standby *standby; /* NULL: it is none */
};

static void
in_child(void *arg)
{
	const struct birth *birth = arg;

	if (birth->standby)
		standby_in_child(birth->standby);
	if (birth->sock >= 0)
		handover_in_child(birth->sock);
}

/* The filter's descriptor came, or why there is none: from now on without. */
static void
adopt(struct supervisor *sv, int sock, const struct server *server, struct hold_family **family)
{
	struct succession *succession = sv->succession;
	bool is_next = server == &succession->next;
	int fd = handover_receive(sock);
	int status = fd < 0 ? fd : hold_adopt(&succession->hold, fd, is_next, family);

	if (status < 0) {
		succession->way = WAY_NONE;
		say_not_held(sv, way_failure_text(-status));
	} else if (!handover_may_read(server->pid)) {
		say_not_held(sv, "nobody may look into the server (setuid, or not readable)");
	}
}

static struct hold_family **
family_of(struct succession *succession, const struct server *server)
{
	if (server == &succession->next)
		return &succession->next_family;
	return server == &succession->spare ? &succession->spare_family : &succession->family;
}

static int
passed_fd(struct succession *succession, bool is_next)
{
	if (succession->way != WAY_ACTIVATION)
		return 0;
	return is_next ? hold_take_next(&succession->hold, &succession->has_door)
		       : succession->hold.now.held[0].fd;
}

/* Start it, with what makes a held socket its own. */
static int
start_holding(struct supervisor *sv, struct server *server, bool foreground, enum proc_stage *stage)
{
	struct succession *succession = sv->succession;
	struct hold_family **family = family_of(succession, server);
	bool is_spare = server == &succession->spare;
	struct birth birth = { .standby = is_spare ? &succession->standby : NULL, .sock = -1 };
	int pair[2] = { -1, -1 }, status;

	hold_leave(*family);
	*family = NULL;
	if (succession->way == WAY_FILTER &&
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0)
		birth.sock = pair[1];
	server->spec.in_child = in_child;
	server->spec.in_child_arg = &birth;
	server->spec.pass_fd = passed_fd(succession, server == &succession->next);
	status = server_start(server, foreground, stage);
	server->spec.in_child = NULL;
	if (pair[0] < 0)
		return status;
	(void)close(pair[1]);
	if (status == 0)
		adopt(sv, pair[0], server, family);
	(void)close(pair[0]);
	return status;
}

/* ---- the spare Python ---- */

static void
drop_spare(struct supervisor *sv)
{
	struct succession *succession = sv->succession;

	standby_drop(&succession->standby);
	if (succession->spare.pid > 0)
		server_kill(&succession->spare);
}

static const char *
changed_variable(char *const *vars)
{
	const char *value = env_get(vars, CHANGES_VARIABLE);

	return value ? value - sizeof CHANGES_VARIABLE
		     : NULL; /* NAME= is as long as NAME and its end */
}

/* The spare one is the server now; false if there is none that can be. */
static bool
take_spare(struct supervisor *sv, struct server *server, bool foreground)
{
	struct succession *succession = sv->succession;
	struct server *spare = &succession->spare;
	struct hold_family **family = family_of(succession, server);
	bool is_next = server == &succession->next;

	if (!succession->has_standby || spare->pid == 0 ||
	    (is_next && succession->way == WAY_ACTIVATION))
		return false;
	if (foreground)
		terminal_give(spare->pid);
	if (!standby_go(&succession->standby, changed_variable(server->spec.env))) {
		drop_spare(sv);
		return false;
	}
	hold_leave(*family);
	*family = succession->spare_family;
	succession->spare_family = NULL;
	if (*family) {
		(*family)->is_waiting = false;
		(*family)->is_successor = is_next;
	}
	server->pid = server->group = spare->pid;
	server->ended = server->suspended = false;
	server->oom_kills = spare->oom_kills;
	server->starts++;
	spare->pid = 0;
	succession->spare_failures = 0;
	return true;
}

/* ---- starting ---- */

/* 0, or -errno with it said and *code filled. */
static int
start(struct supervisor *sv, struct server *server, bool foreground, int *code)
{
	enum proc_stage stage;
	int status;

	if (sv->watching)
		take_changes(sv, server);
	if (sv->succession && take_spare(sv, server, foreground))
		status = 0;
	else if (sv->succession)
		status = start_holding(sv, server, foreground, &stage);
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
		sv->started_ms = now_ms();
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

static void on_old_deadline(uv_timer_t *timer);

/* Two servers change their places before anything is done to them. */
static void
change_places(struct supervisor *sv, unsigned actions)
{
	struct succession *succession = sv->succession;
	bool had_terminal = sv->has_terminal && terminal_is_with(sv->server.group);

	if (actions & LIFE_DISMISS) {
		succession->old = succession->next;
		succession->old_started_ms = sv->life.next_started_ms;
		hold_leave(succession->next_family);
		hold_dismiss(&succession->hold);
	} else {
		succession->old = sv->server;
		succession->old_started_ms = sv->started_ms;
		hold_leave(succession->family);
		succession->family = NULL;
		sv->server.pid = 0;
	}
	if (actions & LIFE_PROMOTE) {
		sv->server = succession->next;
		sv->started_ms = sv->life.started_ms;
		succession->family = succession->next_family;
		hold_promote(&succession->hold, succession->family);
		if (had_terminal)
			terminal_give(sv->server.group);
	}
	if (actions & (LIFE_DISMISS | LIFE_PROMOTE)) {
		succession->next.pid = succession->next.group = 0;
		succession->next_family = NULL;
	}
}

static void
act_on_old(struct supervisor *sv, const struct life_step *step)
{
	struct succession *succession = sv->succession;

	if (step->actions & LIFE_OLD_SIGNAL) {
		(void)server_signal(&succession->old, sv->stop_signal);
		(void)server_signal(&succession->old, SIGCONT);
	}
	if (step->actions & LIFE_OLD_KILL)
		server_kill(&succession->old);
	if (step->actions & LIFE_OLD_CLEAR)
		(void)proc_kill_group(succession->old.group, SIGTERM);
	if (step->actions & LIFE_OLD_ARM) {
		uv_update_time(&sv->loop);
		(void)uv_timer_start(&succession->deadline, on_old_deadline, step->old_delay_ms, 0);
	}
	if (step->actions & LIFE_OLD_DISARM)
		(void)uv_timer_stop(&succession->deadline);
}

/* Ask the successor, and it alone; false if that cannot be: then to have the socket is to be ready. */
static bool
ask_next(struct supervisor *sv, bool has_door)
{
	const union http_address *at = &sv->prober.spec.probe.target.addresses[0];
	union listener_address address;

	if (!sv->probing || !has_door || at->sa.sa_family == AF_UNIX)
		return false;
	memcpy(&address, at, sizeof address);
	if (listener_port(&address) != sv->spec.config->port)
		return false;
	sv->succession->was_ready = sv->prober.health.ready;
	prober_mark(&sv->prober, LISTENER_MARK);
	prober_begin(&sv->prober, sv->life.next_started_ms);
	return true;
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
	if (succession->way == WAY_ACTIVATION && !ask_next(sv, succession->has_door))
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

	if (step->actions & (LIFE_PART | LIFE_PROMOTE | LIFE_DISMISS))
		change_places(sv, step->actions);
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
		act_on_old(sv, step);
	if (step->actions & LIFE_SPAWN)
		next = spawn(sv, code);
	if (step->actions & LIFE_SPAWN_NEXT)
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

/*
 * Ask the server while there is one that shall serve. Its predecessor may still answer on the socket
 * that they share: it is asked when that has ended.
 */
static void
follow_server(struct supervisor *sv, enum life_event event, const struct life_step *step)
{
	bool is_first = event == LIFE_EV_SPAWNED || event == LIFE_EV_OLD_EXITED;

	if (sv->life.state != LIFE_RUNNING && sv->life.state != LIFE_OVERLAPPING) {
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
	} else if (is_first && sv->life.beside && sv->life.old == LIFE_OLD_STOPS) {
		prober_end(&sv->prober);
	} else if (event == LIFE_EV_SPAWNED || (is_first && sv->life.beside)) {
		prober_begin(&sv->prober, sv->life.started_ms);
	}
}

/* Who answers on the held socket, and whether it is still held. */
static void
follow_hold(struct supervisor *sv, const struct life_step *step)
{
	struct hold *hold = &sv->succession->hold;
	bool is_long = sv->life.state == LIFE_WAITING ||
		       (sv->life.state == LIFE_BACKOFF && step->delay_ms > NO_SERVER_MS);

	if (is_ending(sv) && sv->life.state != LIFE_DRAINING)
		hold_release(hold);
	else if (sv->server.pid > 0)
		hold_has_server(hold);
	else
		hold_has_none(hold, is_long ? 0 : NO_SERVER_MS);
	if (sv->life.old == LIFE_OLD_NONE)
		hold_forget(hold);
}

/* A spare one is made when the server is ready and its predecessor is gone: they need the CPU more. */
static void
follow_spare(struct supervisor *sv)
{
	struct succession *succession = sv->succession;
	struct server *spare = &succession->spare;
	bool is_ready = sv->probing ? sv->prober.health.ready
				    : succession->family && succession->family->is_bound;
	enum proc_stage stage;
	int status;

	if (is_ending(sv)) {
		drop_spare(sv);
		return;
	}
	if (sv->life.state != LIFE_RUNNING || sv->life.old != LIFE_OLD_NONE || !is_ready ||
	    spare->pid > 0 || succession->spare_failures == SPARE_FAILURES_MAX)
		return;
	*spare = sv->server;
	spare->pid = spare->group = 0;
	spare->spec.env = standby_prepare(&succession->standby, environment(sv));
	if (!spare->spec.env)
		return;
	status = start_holding(sv, spare, false, &stage);
	standby_started(&succession->standby, status == 0);
	if (status == 0 && succession->spare_family)
		succession->spare_family->is_waiting = true;
	succession->spare_failures += status < 0;
	if (status == 0)
		log_line(sv->spec.log, LOG_DEBUG, "standby pid %d", (int)spare->pid);
}

static void
on_standby(void *arg)
{
	struct supervisor *sv = arg;
	struct succession *succession = sv->succession;

	if (succession->standby.state == STANDBY_WARM)
		log_line(
		    sv->spec.log, LOG_DEBUG, "standby pid %d is warm", (int)succession->spare.pid);
	else if (succession->standby.state == STANDBY_WRONG)
		drop_spare(sv);
}

static void
spare_ended(struct supervisor *sv)
{
	struct succession *succession = sv->succession;
	char how[64];

	server_end_text(&succession->spare, how, sizeof how);
	log_line(sv->spec.log, LOG_DEBUG, "standby ended: %s", how);
	succession->spare.ended = false;
	succession->spare.pid = 0;
	standby_drop(&succession->standby);
	hold_leave(succession->spare_family);
	succession->spare_family = NULL;
	if (++succession->spare_failures == SPARE_FAILURES_MAX)
		log_line(sv->spec.log, LOG_WARN, "no standby any more: it ended %d times (%s)",
		    SPARE_FAILURES_MAX, how);
	follow_spare(sv);
}

/* Servers that share a socket need not wait for each other, unless there is more that they would share. */
static void
update_policy(struct supervisor *sv)
{
	struct succession *succession = sv->succession;
	const struct hold_family *family = succession->family;
	bool holds = family ? family->is_bound : succession->way == WAY_ACTIVATION;
	bool binds_other = family && family->binds_other;
	bool overlaps = sv->spec.config->watch_overlap && holds;

	sv->life.policy.parts = family && holds && !binds_other;
	sv->life.policy.overlaps = overlaps && !binds_other;
	if (overlaps && binds_other && !succession->said_other)
		log_line(sv->spec.log, LOG_WARN,
		    "the server binds another port, too: one that overlaps could not, so they come one after the other");
	succession->said_other = succession->said_other || (overlaps && binds_other);
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
		enum life_event told = event;
		/* The first clock reading of a process looks for the vDSO; the server need not wait for that. */
		uint64_t now = event == LIFE_EV_START ? 0 : now_ms();
		struct life_step step;

		if (sv->succession)
			update_policy(sv);
		step = lifecycle_step(&sv->life, event, code, now);
		if (step.actions & LIFE_PART && before != LIFE_RESTARTING)
			say_asked(sv, "restarting");
		else if (before == LIFE_RUNNING && sv->life.state == LIFE_OVERLAPPING)
			say_asked(sv, "replacing");
		event = act(sv, &step, &code);
		if (sv->probing)
			follow_server(sv, told, &step);
		if (sv->succession)
			follow_hold(sv, &step);
		if (sv->succession && sv->succession->has_standby)
			follow_spare(sv);
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
on_old_deadline(uv_timer_t *timer)
{
	struct supervisor *sv = timer->data;

	advance(sv, LIFE_EV_OLD_DEADLINE, 0);
}

/* Is it one of those beside the server? */
static bool
is_beside(struct supervisor *sv, pid_t pid, int wstatus)
{
	struct succession *succession = sv->succession;
	struct server *server = NULL;

	if (succession && pid == succession->old.pid)
		server = &succession->old;
	else if (succession && pid == succession->next.pid)
		server = &succession->next;
	else if (succession && pid == succession->spare.pid)
		server = &succession->spare;
	if (server) {
		server->ended = true;
		server->wstatus = wstatus;
	}
	return server;
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
	} else if (!is_beside(sv, pid, wstatus)) {
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

/* Who ended beside the server, and what is left of it. */
static void
follow_succession(struct supervisor *sv)
{
	struct succession *succession = sv->succession;

	if (succession->spare.ended)
		spare_ended(sv);
	if (succession->next.ended) {
		int code = proc_exit_code(succession->next.wstatus);

		say_next_ended(sv);
		succession->next.ended = false;
		succession->next.pid = 0;
		advance(sv, LIFE_EV_NEXT_ENDED, code);
	}
	if (succession->old.ended) {
		say_old_ended(sv);
		succession->old.ended = false;
		succession->old.pid = 0;
		advance(sv, LIFE_EV_OLD_EXITED, 0);
	}
	if (sv->life.old == LIFE_OLD_CLEARS && proc_group_is_gone(succession->old.group))
		advance(sv, LIFE_EV_OLD_GONE, 0);
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
		follow_succession(sv);
	if (sv->server.ended)
		server_ended(sv);
	if (sv->succession)
		follow_succession(sv); /* the place of the server may have been taken over */
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
			advance(sv, LIFE_EV_NEXT_READY, 0);
		return;
	}
	switch (fact) {
	case HEALTH_READY:
		if (is_back(sv))
			break;
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
	if (sv->succession && sv->succession->has_standby)
		follow_spare(sv);
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
	return sv->life.state == LIFE_RUNNING || sv->life.state == LIFE_OVERLAPPING ||
	       sv->life.state == LIFE_BACKOFF || sv->life.failed || gives_up(sv);
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
	bool is_running = sv->life.state == LIFE_RUNNING || sv->life.state == LIFE_OVERLAPPING;
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
		    config->watch == CONFIG_NO ? "watch.enabled is no"
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

/* ---- holding ---- */

static void
on_bound(void *arg, struct hold_family *family)
{
	struct supervisor *sv = arg;
	char text[64];

	if (sv->life.state == LIFE_OVERLAPPING && family == sv->succession->next_family) {
		if (!ask_next(sv, family->has_door))
			advance(sv, LIFE_EV_NEXT_READY, 0);
	} else if (hold_text(&sv->succession->hold, text, sizeof text)) {
		log_line(sv->spec.log, LOG_DEBUG, "holding %s", text);
		if (sv->succession->has_standby)
			follow_spare(sv);
	}
}

/* What a client is told while there is no server. */
static void
why_unavailable(void *arg, char *buf, size_t size)
{
	const struct supervisor *sv = arg;
	const char *next = "the next one is on its way";

	if (sv->life.state == LIFE_WAITING)
		next = "initd waits for a change";
	else if (sv->life.state == LIFE_BACKOFF)
		next = "it will be started again";
	(void)snprintf(buf, size, "no server: %s; %s", sv->last_exit, next);
}

static void
open_standby(struct supervisor *sv)
{
	const struct standby_spec spec = { .on_change = on_standby, .arg = sv };
	char program[PATH_MAX];
	const char *why;
	int status;

	if (!standby_suits(sv->spec.argv,
		proc_find(sv->spec.argv[0], sv->spec.env->vars, program, sizeof program) ? program
											 : NULL,
		&why)) {
		log_line(sv->spec.log, LOG_INFO, "no standby: %s", why);
		return;
	}
	status = standby_open(&sv->succession->standby, &sv->loop, &spec);
	if (status < 0)
		log_line(sv->spec.log, LOG_WARN, "no standby: %s", strerror(-status));
	sv->succession->has_standby = status == 0;
}

/* Socket activation: from the first start on the socket listens. False if it cannot be. */
static bool
activate(struct supervisor *sv)
{
	const struct config *config = sv->spec.config;
	struct succession *succession = sv->succession;
	struct listeners *listeners = &succession->hold.now;
	union listener_address address;
	char *pid;
	int fd;

	if (!listener_parse(&address, config->host, config->port))
		return false; /* it was checked as an option */
	fd = listeners_take(listeners, &address);
	if (fd >= 0)
		fd = listener_listen(fd) < 0 ? -errno : fd;
	if (fd < 0) {
		say_not_held(sv, strerror(-fd));
		return false;
	}
	listeners->held[0].is_used = true;
	succession->vars = activation_environment(sv->spec.env->vars, &pid);
	if (!succession->vars)
		return false;
	sv->server.spec.env = succession->vars;
	sv->server.spec.listen_pid = pid;
	return true;
}

/* Which of both ways it shall be, before the first server is started. */
static void
choose_way(struct supervisor *sv)
{
	const struct config *config = sv->spec.config;
	struct succession *succession = sv->succession;
	int status = handover_check(config->no_new_privs);

	if (activation_is_asked_for(sv->spec.argv) ||
	    (status < 0 && activation_is_known_to(sv->spec.argv)))
		succession->way = activate(sv) ? WAY_ACTIVATION : WAY_NONE;
	else if (status == 0)
		succession->way = WAY_FILTER;
	else
		say_not_held(sv, way_failure_text(-status));
}

static void
open_succession(struct supervisor *sv)
{
	const struct config *config = sv->spec.config;
	const struct hold_spec spec = {
		.port = config->port,
		.shares = config->watch_overlap,
		.on_bound = on_bound,
		.unavailable = { .why = why_unavailable, .arg = sv },
		.arg = sv,
	};
	struct succession *succession;

	succession = calloc(1, sizeof *succession);
	if (!succession) {
		say_not_held(sv, strerror(ENOMEM));
		return;
	}
	sv->succession = succession;
	hold_init(&succession->hold, &spec);
	succession->hold.now = *sv->spec.listeners;
	/* Whoever activates us holds its sockets itself. */
	if (config->hold_socket != CONFIG_NO && !sv->spec.env->listen_pid)
		choose_way(sv);
	if (succession->way == WAY_NONE)
		hold_release(&succession->hold);
}

/* ---- who asks about us ---- */

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
	status->last_change_ms = now_ms() - dev->changed_ms;
}

static void
fill_succession(const struct supervisor *sv, struct status *status)
{
	const struct succession *succession = sv->succession;

	(void)hold_text(&succession->hold, status->held, sizeof status->held);
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
	if (sv->succession) {
		(void)uv_timer_init(&sv->loop, &sv->succession->deadline); /* cannot fail */
		sv->succession->deadline.data = sv;
		status = hold_open(&sv->succession->hold, &sv->loop);
		if (status < 0)
			return status;
		if (sv->dev && sv->spec.config->watch_standby)
			open_standby(sv);
	}
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
	if (sv->succession) {
		if (sv->succession->has_standby)
			standby_close(&sv->succession->standby);
		hold_close(&sv->succession->hold);
		uv_close((uv_handle_t *)&sv->succession->deadline, NULL);
	}
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
	       access(config->agent_dir, X_OK) == 0;
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
		decide_to_watch(&sv);
	if (spec->config->hold_socket == CONFIG_YES ||
	    (sv.dev && (spec->config->hold_socket == CONFIG_AUTO || spec->config->watch_standby)))
		open_succession(&sv);
	advance(&sv, LIFE_EV_START, 0);
	if (!decides && !is_ending(&sv))
		decide_to_watch(&sv);
	/* If it was refused, the next try still needs everything, and the loop will have its own among it. */
	if (sv.life.started)
		let_go(&sv);
	if (sv.life.state != LIFE_DONE)
		run_loop(&sv);
	if (sv.succession)
		free(sv.succession->vars);
	free(sv.succession);
	if (sv.dev)
		changes_free(&sv.dev->changes);
	free(sv.dev);
	if (!sv.is_init)
		proc_kill_rest(SIGKILL); /* the kernel does that when PID 1 ends */
	if (sv.has_terminal && terminal_is_with(sv.server.group))
		terminal_give(0);
	return sv.life.exit_code;
}
