/* SPDX-License-Identifier: MIT */
/*
 * The life of the server as a pure state machine: no clock, no system call, no allocation.
 *
 * Up to two servers live at a time: the one that all is about, and beside it either its predecessor,
 * which is leaving (`old`), or its successor, which is not ready yet (`next`).
 */
#ifndef INITD_LIFECYCLE_H
#define INITD_LIFECYCLE_H

#include <stdbool.h>
#include <stdint.h>

enum life_state {
	LIFE_NEW,
	LIFE_RUNNING,
	LIFE_OVERLAPPING, /* it serves while its successor is awaited: first the quiet, then its being ready */
	LIFE_DRAINING,   /* told to stop; still serving for drain_delay */
	LIFE_STOPPING,   /* signalled; when the server ends, initd does */
	LIFE_RESTARTING, /* signalled; when the server ends, another one is started */
	LIFE_CLEARING, /* the server is gone; what it left in its group goes before the next one comes */
	LIFE_SETTLING, /* the server is gone; the next one comes when the watched tree is quiet */
	LIFE_WAITING,  /* the server failed in a dev container; the next one comes with a change */
	LIFE_BACKOFF,  /* waiting before the next start */
	LIFE_ENDING,   /* the server is gone for good; what is left gets SIGTERM and a second */
	LIFE_DONE,
	LIFE_N_STATES,
};

enum life_event {
	LIFE_EV_START,     /* once, first */
	LIFE_EV_SPAWNED,   /* answer to LIFE_SPAWN: it runs */
	LIFE_EV_REFUSED,   /* answer to LIFE_SPAWN: no memory or process to be had now */
	LIFE_EV_FAILED,    /* answer to LIFE_SPAWN: it cannot be executed; code 126 or 127 */
	LIFE_EV_EXITED,    /* the server ended; code */
	LIFE_EV_GONE,      /* nothing is left of it: its group (CLEARING), all children (ENDING) */
	LIFE_EV_STOP,      /* somebody wants initd to end */
	LIFE_EV_RESTART,   /* somebody wants a new server */
	LIFE_EV_UNHEALTHY, /* the server answers no more: replace it, as if it had ended in failure */
	LIFE_EV_CHANGED,   /* a watched file has changed: a new server, once the tree is quiet */
	LIFE_EV_QUIET,     /* it is quiet again */
	LIFE_EV_DEADLINE,     /* what LIFE_ARM asked for */
	LIFE_EV_NEXT_READY,   /* the successor serves */
	LIFE_EV_NEXT_ENDED,   /* the successor ended, or could not be started; code */
	LIFE_EV_OLD_EXITED,   /* the predecessor ended */
	LIFE_EV_OLD_GONE,     /* and nothing is left of its group */
	LIFE_EV_OLD_DEADLINE, /* what LIFE_OLD_ARM asked for */
	LIFE_N_EVENTS,
};

enum life_action {
	LIFE_SIGNAL = 1 << 0, /* ask the server to stop */
	LIFE_KILL = 1 << 1,   /* SIGKILL to the server's process group */
	LIFE_CLEAR = 1 << 2,  /* SIGTERM to what is left of the server's process group */
	LIFE_SWEEP = 1 << 3,  /* SIGTERM to everything that is left */
	LIFE_SPAWN = 1 << 4,  /* start the server; answer with SPAWNED, REFUSED or FAILED */
	LIFE_ARM = 1 << 5,    /* the deadline is in delay_ms */
	LIFE_DISARM = 1 << 6, /* there is no deadline */
	LIFE_QUIT = 1 << 7,   /* initd exits with exit_code */
	LIFE_DIVERT =
	    1
	    << 17, /* what comes anew is for the next server; what came before still for this one */
	/* Who is who comes first of all. */
	LIFE_PART = 1 << 8,     /* the server is `old` now, and the place of the server is free */
	LIFE_PROMOTE = 1 << 9,  /* the server is `old` now, and `next` is the server */
	LIFE_DISMISS = 1 << 10, /* `next` is `old` now */
	LIFE_NEW_OLD = LIFE_PART | LIFE_PROMOTE | LIFE_DISMISS,
	LIFE_SPAWN_NEXT = 1 << 11, /* start the successor; answer with NEXT_ENDED if that fails */
	LIFE_OLD_SIGNAL =
	    1 << 12, /* SIGNAL, KILL, CLEAR, ARM (in old_delay_ms) and DISARM for `old` */
	LIFE_OLD_KILL = 1 << 13,
	LIFE_OLD_CLEAR = 1 << 14,
	LIFE_OLD_ARM = 1 << 15,
	LIFE_OLD_DISARM = 1 << 16,
};

enum life_restart {
	LIFE_RESTART_NO,
	LIFE_RESTART_ON_FAILURE,
	LIFE_RESTART_ALWAYS,
};

/* All durations in milliseconds; 0 means none where nothing else is said. */
struct life_policy {
	enum life_restart restart;
	uint64_t restart_delay_ms, restart_delay_max_ms;
	unsigned restart_limit;
	uint64_t drain_delay_ms;
	uint64_t stop_timeout_ms;    /* 0: never SIGKILL; the orchestrator decides */
	uint64_t restart_timeout_ms; /* the same for a restart, and for a server that hangs */
	bool waits;                  /* where a failure would end initd, wait for a change */
	uint64_t change_timeout_ms;  /* restart_timeout_ms for CHANGED */
	/* These may change between steps. With a held socket: */
	bool diverts; /* a server to be replaced lives on for LIFE_LINGER_MS with what it has */
	bool parts;   /* a new server is started while the last one stops */
	bool
	    overlaps; /* a new server is started while the last one serves, and replaces it once ready */
};

/* How the predecessor leaves. */
enum life_old {
	LIFE_OLD_NONE,
	LIFE_OLD_LINGERS, /* the successor has taken over; what was on its way to this one still comes */
	LIFE_OLD_STOPS,  /* signalled */
	LIFE_OLD_CLEARS, /* gone; what it left in its group goes, too */
};

/* Copyable and comparable; everything the next step depends on. */
struct lifecycle {
	struct life_policy policy;
	enum life_state state;
	int exit_code; /* of the last server, or of what kept it from starting; valid from the first end on */
	bool started; /* some server ran once */
	bool killed;  /* SIGKILL was sent in this STOPPING, RESTARTING or CLEARING */
	/* this STOPPING or RESTARTING is for UNHEALTHY: a failure, whatever code it ends with */
	bool unhealthy;
	bool lingers; /* this RESTARTING: the server is not signalled yet */
	bool
	    crowded; /* the same, because its predecessor is still there: no third way for connections */
	bool unsettled;    /* CHANGED was said, QUIET not yet: no server is started */
	bool failed;       /* this CLEARING leads to WAITING */
	bool beside;       /* the server was started while its predecessor stopped */
	bool beside_works; /* one that was, lived */
	bool beside_fails; /* one that was, failed, and lived when it was started again without */
	bool
	    alone; /* start the next one without a predecessor: that may be why the last one failed */
	bool retried;     /* this server was started so */
	bool next;        /* there is a successor */
	bool next_failed; /* the last successor never got ready */
	enum life_old old;
	bool old_killed;   /* SIGKILL was sent to `old` in this state of it */
	unsigned restarts; /* by policy, since a server last lived for LIFE_STABLE_MS */
	unsigned refusals; /* in a row */
	uint64_t started_ms, next_started_ms;
	uint64_t delay_ms;   /* before the next start */
	uint64_t timeout_ms; /* that the server was last given to stop; 0: none */
};

enum {
	LIFE_STABLE_MS = 60 * 1000, /* a server that lived so long starts with a clean slate */
	LIFE_GRACE_MS = 1000,       /* for what a server leaves behind, and after a SIGKILL */
	LIFE_REFUSALS_MAX = 5,      /* so often it is tried again; then exit code 71 */
	LIFE_NEXT_MS = 60 * 1000,   /* a successor that is not ready by then never will be */
	LIFE_CROWD_MS =
	    300, /* for a predecessor to go before its successor is to be replaced, too */
	LIFE_LINGER_MS =
	    100, /* for what is on its way to a server when others go to the next one */
	LIFE_PROOF_MS =
	    3000, /* who lives so long does not fail for what its predecessor still had */
};

struct life_step {
	unsigned
	    actions; /* enum life_action, or-ed; to be done in the order of their values, but those from LIFE_PART on first */
	uint64_t delay_ms, old_delay_ms;
};

void lifecycle_init(struct lifecycle *life, const struct life_policy *policy);

/*
 * One event at one moment of a monotonic clock. `code` is an exit code in which success is 0
 * (EXITED, FAILED). An event that means nothing in the present state changes nothing.
 */
struct life_step lifecycle_step(
    struct lifecycle *life, enum life_event event, int code, uint64_t now_ms);

const char *life_state_name(enum life_state state);

#endif
