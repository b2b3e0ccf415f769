/* SPDX-License-Identifier: MIT */
/*
 * The control socket: an abstract Unix datagram socket, named after the PID namespace and initd's
 * pid, so it needs no writable directory and no two containers collide. One datagram asks, one
 * answers; the kernel says who sent it (SCM_CREDENTIALS), and there is no connection that a peer
 * could be slow on.
 */
#ifndef INITD_CONTROL_H
#define INITD_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <uv.h>

enum {
	CONTROL_REQUEST_SIZE = 64,
	CONTROL_REPLY_SIZE = 8192,
	CONTROL_HEALTH_SIZE = 1024, /* of the reply to CONTROL_HEALTH */
};

/* Requests, each a word. */
#define CONTROL_STATUS  "status"  /* the reply is the text of a struct status */
#define CONTROL_HEALTH  "health"  /* the same, only what `initd healthcheck` needs of it */
#define CONTROL_RESTART "restart" /* the same; what is told is the moment before the restart */
#define CONTROL_ERROR   "error="  /* a reply that begins so says why not */

struct control_spec {
	/* One request of a peer that may ask. Write the reply and return its length. */
	size_t (*on_request)(void *arg, const char *request, pid_t pid, char *reply, size_t size);
	void *arg;
};

struct control {
	struct control_spec spec;
	uv_poll_t poll;
	int fd;
};

/*
 * Serve peers of our own PID namespace that are root or have our uid; to others of this namespace
 * it says no, and strangers hear nothing. 0 or a negative errno: then nothing was started.
 */
int control_start(struct control *control, uv_loop_t *loop, const struct control_spec *spec);

/* Close what was started; the loop must run once more. */
void control_stop(struct control *control);

/* ---- the other end ---- */

/* Who an answer is from. */
struct control_peer {
	uid_t uid;
	gid_t gid;
};

/* One question to the initd with a certain pid. */
struct control_call {
	pid_t pid;
	const char *request;
	struct sockaddr_un to;
	socklen_t to_length;
	int fd;       /* -1: none */
	bool is_sent; /* PID 1's queue had room */
};

/* Ask. 0 or a negative errno: -ECONNREFUSED or -ENOENT if there is none. */
int control_ask(struct control_call *call, pid_t pid, const char *request);

/*
 * Wait for the reply, as a string (cut if it does not fit), and in *peer (may be NULL) who it is from: its length,
 * -ETIMEDOUT (then one may wait on), or another negative errno. What others than that pid send is
 * passed over.
 */
ssize_t control_wait(
    struct control_call *call, int timeout_ms, char *reply, size_t size, struct control_peer *peer);

/* Close it; also if it was never open. */
void control_end(struct control_call *call);

#endif
