/* SPDX-License-Identifier: MIT */
/* Both ends of the control socket. */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	BACKLOG = 64,
	REST_MS = 100,
	ANSWERS_AT_ONCE = 8, /* then the loop's others have their turn */
};

static const char *const question_names[] = {
	[CONTROL_STATUS] = "",
	[CONTROL_RESTART] = "/restart",
};

/* @initd/PID-NAMESPACE/PID[/QUESTION], or a negative errno where there is no /proc to name the namespace by. */
static int
make_address(
    pid_t pid, enum control_question question, struct sockaddr_un *address, socklen_t *length)
{
	struct stat st;
	int n;

	*length = 0;
	if (stat("/proc/self/ns/pid", &st) < 0)
		return -errno;
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "initd/%llu/%d%s",
	    (unsigned long long)st.st_ino, (int)pid, question_names[question]);
	*length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	return 0;
}

/* ---- initd's end ---- */

/* What to say to whom; 0: nothing. */
static size_t
make_answer(const struct control *control, enum control_question question, const struct ucred *peer,
    char answer[CONTROL_ANSWER_SIZE])
{
	uid_t self = geteuid();

	if (peer->pid == 0)
		return 0;
	if (peer->uid != 0 && peer->uid != self)
		return (size_t)snprintf(answer, CONTROL_ANSWER_SIZE,
		    CONTROL_ERROR "only root and uid %u may ask", self);
	return control->spec.on_question(control->spec.arg, question, peer->pid, answer);
}

/* One packet into an empty buffer: it fits, or the peer has gone. */
static void
answer_peer(const struct control *control, enum control_question question, int fd)
{
	char answer[CONTROL_ANSWER_SIZE];
	struct ucred peer = { 0 };
	socklen_t size = sizeof peer;
	size_t n = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
		n = make_answer(control, question, &peer, answer);
	if (n > 0)
		(void)send(fd, answer, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)close(fd);
}

/* Without a descriptor to accept with, the peer would wait and the loop spin: the spare one is for that. */
static int
accept_peer(struct control *control, int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0 || (errno != EMFILE && errno != ENFILE) || control->spare_fd < 0)
		return fd;
	(void)close(control->spare_fd);
	control->spare_fd = -1;
	return accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
}

static void
keep_spare(struct control *control)
{
	if (control->spare_fd < 0)
		control->spare_fd = fcntl(control->fds[0], F_DUPFD_CLOEXEC, 0);
}

static void hear(struct control *control);

static void
on_rested(uv_timer_t *timer)
{
	hear(timer->data);
}

/* There is no descriptor to be had, not even in place of the spare one. Better deaf for a moment than busy. */
static void
rest(struct control *control)
{
	for (int n = 0; n < CONTROL_N_QUESTIONS; n++)
		(void)uv_poll_stop(&control->polls[n]);
	(void)uv_timer_start(&control->retry, on_rested, REST_MS, 0);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct control *control = poll->data;
	enum control_question question = (enum control_question)(poll - control->polls);

	(void)status;
	(void)events;
	for (int i = 0; i < ANSWERS_AT_ONCE; i++) {
		int fd = accept_peer(control, control->fds[question]);
		int error = fd < 0 ? errno : 0;

		if (error == 0)
			answer_peer(control, question, fd);
		keep_spare(control);
		if (error != 0 && error != EAGAIN && error != ECONNABORTED)
			rest(control);
		if (error != 0)
			return;
	}
}

static void
hear(struct control *control)
{
	for (int n = 0; n < CONTROL_N_QUESTIONS; n++)
		(void)uv_poll_start(&control->polls[n], UV_READABLE, on_readable);
}

static int
listen_on(enum control_question question)
{
	struct sockaddr_un address;
	socklen_t length;
	int status = make_address(getpid(), question, &address, &length), fd;

	if (status < 0)
		return status;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, length) < 0 || listen(fd, BACKLOG) < 0) {
		status = -errno;
		(void)close(fd);
		return status;
	}
	return fd;
}

/* One listening socket and its handle. */
static int
open_question(struct control *control, uv_loop_t *loop, int n)
{
	int fd = listen_on((enum control_question)n);
	int status = fd < 0 ? fd : uv_poll_init(loop, &control->polls[n], fd);

	if (status < 0) {
		if (fd >= 0)
			(void)close(fd);
		return status;
	}
	control->fds[n] = fd;
	control->polls[n].data = control;
	return 0;
}

static void
close_questions(struct control *control, int n)
{
	while (n-- > 0) {
		uv_close((uv_handle_t *)&control->polls[n], NULL);
		(void)close(control->fds[n]);
	}
}

int
control_start(struct control *control, uv_loop_t *loop, const struct control_spec *spec)
{
	control->spec = *spec;
	control->spare_fd = -1;
	for (int n = 0; n < CONTROL_N_QUESTIONS; n++) {
		int status = open_question(control, loop, n);

		if (status < 0) {
			close_questions(control, n);
			return status;
		}
	}
	(void)uv_timer_init(loop, &control->retry); /* cannot fail */
	control->retry.data = control;
	keep_spare(control);
	hear(control);
	return 0;
}

void
control_stop(struct control *control)
{
	close_questions(control, CONTROL_N_QUESTIONS);
	uv_close((uv_handle_t *)&control->retry, NULL);
	if (control->spare_fd >= 0)
		(void)close(control->spare_fd);
}

/* ---- the other end ---- */

/*
 * Connect, within so long, if that many others are before us. The other end need not run for that;
 * who listens there is known before a word is said.
 */
static int
connect_to(
    int fd, pid_t pid, enum control_question question, int timeout_ms, struct control_peer *peer)
{
	/* 0 would be for ever. */
	const struct timeval timeout = { .tv_sec = timeout_ms / 1000,
		.tv_usec = timeout_ms % 1000 * 1000 + (timeout_ms == 0) };
	struct sockaddr_un address;
	struct ucred listener = { 0 };
	socklen_t length, size = sizeof listener;
	int status = make_address(pid, question, &address, &length);

	if (status < 0)
		return status;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
	if (connect(fd, (const struct sockaddr *)&address, length) < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &size) < 0 || listener.pid != pid)
		return -EPERM;
	if (peer)
		*peer = (struct control_peer){ listener.uid, listener.gid };
	return 0;
}

int
control_ask(pid_t pid, enum control_question question, int timeout_ms, struct control_peer *peer)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), status;

	if (fd < 0)
		return -errno;
	status = connect_to(fd, pid, question, timeout_ms, peer);
	if (status < 0)
		(void)close(fd);
	return status < 0 ? status : fd;
}

ssize_t
control_wait(int fd, int timeout_ms, char answer[CONTROL_ANSWER_SIZE])
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&readable, 1, timeout_ms) == 0)
		return -ETIMEDOUT;
	n = recv(fd, answer, CONTROL_ANSWER_SIZE - 1, MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0)
		return -errno;
	if (n >= CONTROL_ANSWER_SIZE)
		return -EMSGSIZE;
	answer[n] = '\0';
	return n > 0 ? n : -ECONNRESET;
}
