/* SPDX-License-Identifier: MIT */
/* What the parts of the supervisor share. supervisor.c has the loop, and is the only one that takes steps. */
#ifndef INITD_SUPERVISOR_STATE_H
#define INITD_SUPERVISOR_STATE_H

#include "changes.h"
#include "control.h"
#include "hold.h"
#include "http.h"
#include "lifecycle.h"
#include "loop_guard.h"
#include "prober.h"
#include "server.h"
#include "signals.h"
#include "standby.h"
#include "supervisor.h"
#include "watch.h"

#include <stdbool.h>
#include <stdint.h>
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

enum {
	SPARE_FAILURES_MAX = 3, /* in a row; then there is none any more */
	NO_SERVER_MS = 1000, /* so long clients wait for the next server; then they get an answer */
};

/* How the server comes to a socket of ours. */
enum way {
	WAY_NONE,
	WAY_FILTER,     /* in the place of its own, see handover.h */
	WAY_ACTIVATION, /* as descriptor 3 */
};

/* What only a held socket makes possible: a server beside the one that everything is about. */
struct succession {
	struct hold hold;
	enum way way;
	bool said_unheld;    /* that the server has no socket of ours */
	bool said_other;     /* that it cannot overlap */
	struct server next;  /* pid 0: none */
	struct server old;   /* the same; what is left of it may be in its group */
	unsigned n_waits;    /* for clients that its predecessor has not accepted yet */
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
	uint64_t spare_started_ms;
	bool is_spare_excused;   /* it was dropped because it had not come to itself yet */
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
	uint64_t started_ms; /* of the server; the lifecycle's is ahead of it in a step */
	struct server server;
	/* Not touched before the loop is built. */
	struct prober prober;
	struct control control;
	char target[HTTP_TARGET_TEXT_SIZE]; /* what is asked, with host and port */
};

/* CLOCK_MONOTONIC, because the first server is started before the loop has a clock. */
uint64_t supervisor_now_ms(void);

/* It hung too often and is stopped; in a dev container that is not the end. */
bool supervisor_gives_up(const struct supervisor *sv);

/* Somebody wants initd to end. */
bool supervisor_is_ending(const struct supervisor *sv);

/* Take a step, and those that it leads to. */
void supervisor_advance(struct supervisor *sv, enum life_event event, int code);

/* Another server in place of this one. */
void supervisor_replace(struct supervisor *sv, enum life_event event, const char *reason);

#endif
