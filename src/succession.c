/* SPDX-License-Identifier: MIT */
/* The held socket, the predecessor, the successor and the spare one. */
#include "succession.h"

#include "activation.h"
#include "env.h"
#include "handover.h"
#include "proc.h"
#include "say.h"
#include "terminal.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

char *const *
succession_environment(const struct supervisor *sv)
{
	if (sv->succession && sv->succession->vars)
		return sv->succession->vars;
	return sv->spec.env->vars;
}

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

enum {
	LINGER_STEP_MS = 10,
	LINGER_MAX_MS = 3000, /* a server that boots has to get there first */
	LINGER_LAST_MS = 50,  /* from the accept(2) of the last one to its request */
	SPARE_BOOT_MS = 5000, /* from its start to the first word of src/standby.py, and far more */
};

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

/* From now on without: what we have must not be in the way of the server's own. */
static void
give_up_holding(struct supervisor *sv, const char *why)
{
	sv->succession->way = WAY_NONE;
	hold_release(&sv->succession->hold);
	say_not_held(sv, why);
}

/* The filter's descriptor came, or why there is none. */
static void
adopt(struct supervisor *sv, int sock, const struct server *server, struct hold_family **family)
{
	struct succession *succession = sv->succession;
	bool is_next = server == &succession->next;
	int fd = handover_receive(sock);
	int status = fd < 0 ? fd : hold_adopt(&succession->hold, fd, is_next, family);

	if (status < 0)
		give_up_holding(sv, way_failure_text(-status));
	else if (!handover_may_read(server->pid))
		give_up_holding(sv, "nobody may look into the server (setuid, or not readable)");
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
launch(struct supervisor *sv, struct server *server, bool foreground, enum proc_stage *stage)
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

	if (!succession->has_standby || spare->pid == 0)
		return false;
	if (foreground)
		terminal_give(spare->pid);
	if (!standby_go(&succession->standby, changed_variable(server->spec.env))) {
		succession->is_spare_excused =
		    supervisor_now_ms() - succession->spare_started_ms < SPARE_BOOT_MS;
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

int
succession_start(
    struct supervisor *sv, struct server *server, bool foreground, enum proc_stage *stage)
{
	return take_spare(sv, server, foreground) ? 0 : launch(sv, server, foreground, stage);
}

static void on_old_deadline(uv_timer_t *timer);

/* Two servers change their places before anything is done to them. */
void
succession_change_places(struct supervisor *sv, unsigned actions)
{
	struct succession *succession = sv->succession;
	bool had_terminal = sv->has_terminal && terminal_is_with(sv->server.group);

	if (actions & LIFE_DISMISS) {
		succession->old = succession->next;
		succession->old_started_ms = sv->life.next_started_ms;
		if (succession->next_family)
			succession->next_family->is_waiting =
			    true; /* its socket is gone, and others' it shall not have */
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

void
succession_act_on_old(struct supervisor *sv, const struct life_step *step)
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
bool
succession_ask_next(struct supervisor *sv, bool has_door)
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
	/* One that was given its socket before it was started is not there yet, and this is amid a step. */
	if (sv->succession->way == WAY_ACTIVATION)
		prober_begin(&sv->prober, sv->life.next_started_ms);
	else
		prober_begin_now(&sv->prober, sv->life.next_started_ms);
	return true;
}

/* Who answers on the held socket, and whether it is still held. */
void
succession_follow_server(struct supervisor *sv, const struct life_step *step)
{
	struct hold *hold = &sv->succession->hold;
	bool is_long = sv->life.state == LIFE_WAITING ||
		       (sv->life.state == LIFE_BACKOFF && step->delay_ms > NO_SERVER_MS);

	if (supervisor_is_ending(sv) && sv->life.state != LIFE_DRAINING)
		hold_release(hold);
	else if (sv->server.pid > 0)
		hold_has_server(hold);
	else
		hold_has_none(hold, is_long ? 0 : NO_SERVER_MS);
	/* Who was diverted from it, or replaced, is gone. */
	if (sv->life.old == LIFE_OLD_NONE && sv->life.state != LIFE_RESTARTING)
		hold_forget(hold);
}

/* A spare one is made when the server is ready and its predecessor is gone: they need the CPU more. */
void
succession_follow_spare(struct supervisor *sv)
{
	struct succession *succession = sv->succession;
	struct server *spare = &succession->spare;
	bool is_ready = sv->probing ? sv->prober.health.ready
				    : succession->family && succession->family->is_bound;
	enum proc_stage stage;
	int status;

	if (supervisor_is_ending(sv)) {
		drop_spare(sv);
		return;
	}
	if (sv->life.state != LIFE_RUNNING || sv->life.old != LIFE_OLD_NONE || !is_ready ||
	    spare->pid > 0 || succession->spare_failures == SPARE_FAILURES_MAX)
		return;
	*spare = sv->server;
	spare->pid = spare->group = 0;
	spare->spec.env = standby_prepare(&succession->standby, succession_environment(sv));
	if (!spare->spec.env)
		return;
	status = launch(sv, spare, false, &stage);
	standby_started(&succession->standby, status == 0);
	if (status == 0 && succession->spare_family)
		succession->spare_family->is_waiting = true;
	succession->spare_failures += status < 0;
	succession->spare_started_ms = supervisor_now_ms();
	succession->is_spare_excused = false;
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

void
succession_check_held(struct supervisor *sv)
{
	struct succession *succession = sv->succession;

	if (succession->said_unheld || !succession->family || succession->family->is_bound)
		return;
	succession->said_unheld = true;
	say_not_held(sv, "the server does not bind its port");
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
	if (!succession->is_spare_excused && ++succession->spare_failures == SPARE_FAILURES_MAX)
		log_line(sv->spec.log, LOG_WARN, "no standby any more: it ended %d times (%s)",
		    SPARE_FAILURES_MAX, how);
	succession_follow_spare(sv);
}

/* Servers that share a socket need not wait for each other, unless there is more that they would share. */
void
succession_update_policy(struct supervisor *sv)
{
	struct succession *succession = sv->succession;
	const struct hold_family *family = succession->family;
	bool holds = family ? family->is_bound : succession->way == WAY_ACTIVATION;
	bool binds_other = family && family->binds_other;
	bool overlaps = sv->spec.config->watch_overlap && holds;

	sv->life.policy.diverts = holds;
	sv->life.policy.parts = family && holds && !binds_other;
	sv->life.policy.overlaps = overlaps && !binds_other;
	if (overlaps && binds_other && !succession->said_other)
		log_line(sv->spec.log, LOG_WARN,
		    "the server binds another port, too: one that overlaps could not, so they come one after the other");
	succession->said_other = succession->said_other || (overlaps && binds_other);
}

uint64_t
succession_linger_ms(struct supervisor *sv)
{
	struct succession *succession = sv->succession;
	bool is_drained = hold_is_drained(&succession->hold);

	if (is_drained && succession->n_waits == 0)
		return 0;
	if (is_drained || ++succession->n_waits > LINGER_MAX_MS / LINGER_STEP_MS) {
		succession->n_waits = 0;
		return is_drained ? LINGER_LAST_MS : 0;
	}
	return LINGER_STEP_MS;
}

static void
on_old_deadline(uv_timer_t *timer)
{
	struct supervisor *sv = timer->data;
	uint64_t more_ms = sv->life.old == LIFE_OLD_LINGERS ? succession_linger_ms(sv) : 0;

	if (more_ms > 0) {
		(void)uv_timer_start(timer, on_old_deadline, more_ms, 0);
		return;
	}
	supervisor_advance(sv, LIFE_EV_OLD_DEADLINE, 0);
}

/* Is it one of those beside the server? */
bool
succession_note_end(struct supervisor *sv, pid_t pid, int wstatus)
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

/* Who ended beside the server, and what is left of it. */
void
succession_follow_ends(struct supervisor *sv)
{
	struct succession *succession = sv->succession;

	if (succession->spare.ended)
		spare_ended(sv);
	if (succession->next.ended) {
		int code = proc_exit_code(succession->next.wstatus);

		say_next_ended(sv);
		succession->next.ended = false;
		succession->next.pid = 0;
		supervisor_advance(sv, LIFE_EV_NEXT_ENDED, code);
	}
	if (succession->old.ended) {
		say_old_ended(sv);
		succession->old.ended = false;
		succession->old.pid = 0;
		supervisor_advance(sv, LIFE_EV_OLD_EXITED, 0);
	}
	if (sv->life.old == LIFE_OLD_CLEARS && proc_group_is_gone(succession->old.group))
		supervisor_advance(sv, LIFE_EV_OLD_GONE, 0);
}

static void
on_bound(void *arg, struct hold_family *family)
{
	struct supervisor *sv = arg;
	char text[64];

	if (sv->life.state == LIFE_OVERLAPPING && family == sv->succession->next_family) {
		if (sv->prober.spec.probe.mark)
			return; /* by its first socket */
		if (!succession_ask_next(sv, family->has_door))
			supervisor_advance(sv, LIFE_EV_NEXT_READY, 0);
	} else if (hold_text(&sv->succession->hold, text, sizeof text)) {
		log_line(sv->spec.log, LOG_DEBUG, "holding %s", text);
		if (sv->succession->has_standby)
			succession_follow_spare(sv);
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
	/* It would have that of its start, and the server's may be another one by then. */
	if (sv->succession->way == WAY_ACTIVATION) {
		log_line(sv->spec.log, LOG_INFO,
		    "no standby: the command gets its socket as descriptor 3");
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

void
succession_open(struct supervisor *sv)
{
	const struct config *config = sv->spec.config;
	const struct hold_spec spec = {
		.port = config->port,
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

int
succession_build(struct supervisor *sv)
{
	struct succession *succession = sv->succession;
	int status = hold_open(&succession->hold, &sv->loop);

	if (status < 0)
		return status;
	(void)uv_timer_init(&sv->loop, &succession->deadline); /* cannot fail */
	succession->deadline.data = sv;
	if (sv->dev && sv->spec.config->watch_standby)
		open_standby(sv);
	return 0;
}

void
succession_close(struct supervisor *sv)
{
	struct succession *succession = sv->succession;

	if (succession->has_standby)
		standby_close(&succession->standby);
	hold_close(&succession->hold);
	uv_close((uv_handle_t *)&succession->deadline, NULL);
}

void
succession_free(struct supervisor *sv)
{
	if (sv->succession)
		free(sv->succession->vars);
	free(sv->succession);
}
