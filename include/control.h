/* SPDX-License-Identifier: MIT */
/*
 * The control socket: abstract Unix sockets named after the PID namespace and initd's pid, so that
 * they need no writable directory and no two containers collide. There is one for each question;
 * to connect is to ask, and the answer is one packet. Nothing is read from a peer, so there is
 * nothing that it could be slow, long or wrong with, and the kernel tells both ends who the other is
 * (SO_PEERCRED).
 */
#ifndef INITD_CONTROL_H
#define INITD_CONTROL_H

#include <stddef.h>
#include <sys/types.h>
#include <uv.h>

enum control_question {
	CONTROL_STATUS,  /* the answer is the text of a struct status */
	CONTROL_RESTART, /* the same, of the moment before the restart */
	CONTROL_N_QUESTIONS,
};

enum {
	CONTROL_ANSWER_SIZE = 8192,
	CONTROL_INIT_PID = 1, /* whom one asks if nobody says otherwise */
};

/* An answer that begins so says why not. */
#define CONTROL_ERROR "error="

/* ---- initd's end ---- */

struct control_spec {
	/* A peer that may ask does. Write the answer and return its length. */
	size_t (*on_question)(
	    void *arg, enum control_question question, pid_t pid, char answer[CONTROL_ANSWER_SIZE]);
	void *arg;
};

struct control {
	struct control_spec spec;
	uv_poll_t polls[CONTROL_N_QUESTIONS];
	int fds[CONTROL_N_QUESTIONS];
	int spare_fd;     /* given up to accept when there is no other */
	uv_timer_t retry; /* when even that does not help */
};

/*
 * Answer peers of our own PID namespace that are root or have our uid; others of this namespace get
 * an error, and strangers nothing. 0 or a negative errno: then nothing was started.
 */
int control_start(struct control *control, uv_loop_t *loop, const struct control_spec *spec);

/* Close what was started; the loop must run once more. */
void control_stop(struct control *control);

/* ---- the other end ---- */

/* Who answers. */
struct control_peer {
	uid_t uid;
	gid_t gid;
};

/*
 * Ask the initd with this pid. A descriptor to wait on, with *peer (may be NULL) filled, or a
 * negative errno: -ECONNREFUSED, -ENOENT or -EPERM if there is none (-EPERM: somebody else has its name),
 * -EAGAIN if so many others ask that it did not come to us within `timeout_ms`.
 */
int control_ask(
    pid_t pid, enum control_question question, int timeout_ms, struct control_peer *peer);

/* The answer, as a string: its length, -ETIMEDOUT (then one may wait on) or another negative errno. */
ssize_t control_wait(int fd, int timeout_ms, char answer[CONTROL_ANSWER_SIZE]);

#endif
