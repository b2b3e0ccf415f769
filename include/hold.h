/* SPDX-License-Identifier: MIT */
/*
 * server.hold_socket on the loop: the held sockets, the servers whose bind(2) we are told of, and
 * who answers while there is none.
 */
#ifndef INITD_HOLD_H
#define INITD_HOLD_H

#include "listener.h"
#include "pollset.h"
#include "unavailable.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <uv.h>

/* One server and all that descends from it: who inherits its filter. */
struct hold_family {
	struct hold *hold;
	struct hold_family *next;
	struct pollset_entry entry;
	int filter_fd;     /* -1: nobody is left in it */
	bool is_owned;     /* somebody has a pointer to it */
	bool is_waiting;   /* it has no business with sockets yet */
	bool is_successor; /* it gets sockets of its own */
	bool is_bound;     /* it has a held socket */
	bool has_door;     /* it alone gets the connections that are marked */
	bool binds_other;  /* it bound another TCP port by itself */
};

struct hold_spec {
	unsigned port;
	void (*on_bound)(
	    void *arg, struct hold_family *family); /* it has a held socket, maybe one more */
	struct unavailable_spec unavailable;
	void *arg;
};

struct hold {
	struct hold_spec spec;
	struct listeners now, next, leaving; /* of the server, its successor, its predecessor */
	struct hold_family *families;
	struct pollset set;
	struct unavailable unavailable;
	bool is_open;     /* the loop knows of it */
	bool is_released; /* nothing is held any more */
};

void hold_init(struct hold *hold, const struct hold_spec *spec);

/*
 * A server whose filter was received: what it binds is looked after from now on, or from
 * hold_open() on. -errno: then nothing is, and filter_fd is closed.
 */
int hold_adopt(struct hold *hold, int filter_fd, bool is_successor, struct hold_family **family);

/* The pointer is not needed any more. What is left of the family is looked after to its end. NULL: nothing. */
void hold_leave(struct hold_family *family);

/* A bind(2) that waits for us is served before a signal of ours interrupts it: servers do not expect that. */
void hold_catch_up(struct hold *hold);

/* 0 or -errno. */
int hold_open(struct hold *hold, uv_loop_t *loop);

/* There is a server to answer, or there is none from delay_ms on. */
void hold_has_server(struct hold *hold);
void hold_has_none(struct hold *hold, uint64_t delay_ms);

/*
 * New connections wait in other sockets from now on, which are the next server's: what came before is
 * for the server. hold_forget() when it is gone. False if that cannot be, and they have the same ones.
 */
bool hold_divert(struct hold *hold);
bool hold_is_diverted(const struct hold *hold);

/* Has everybody been accepted who came before? */
bool hold_is_drained(const struct hold *hold);

/* The same for a successor that has its own. */
void hold_promote(struct hold *hold, struct hold_family *successor);
void hold_forget(struct hold *hold);

/* A socket for a successor at the first held address, listening; see has_door. -errno if there can be none. */
int hold_take_next(struct hold *hold, bool *has_door);

/* The successor is none any more. */
void hold_dismiss(struct hold *hold);

/* The end is near: what the server has is the server's, and whoever comes later is refused by the kernel. */
void hold_release(struct hold *hold);

/* The held addresses that a server took, "0.0.0.0:8000, [::]:8000"; false if there is none. */
bool hold_text(const struct hold *hold, char *buf, size_t size);

/* The descriptors that it has, for who closes all others: at most `max`. */
size_t hold_fds(const struct hold *hold, int *fds, size_t max);

/* The loop must run once more; after that, free(3) may follow. */
void hold_close(struct hold *hold);

#endif
