/* SPDX-License-Identifier: MIT */
/* Both ends of the control socket. */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	REQUESTS_AT_ONCE = 8, /* then the loop's others have their turn */
};

/* @initd/PID-NAMESPACE/PID, or a negative errno where there is no /proc to name the namespace by. */
static int
make_address(pid_t pid, struct sockaddr_un *address, socklen_t *length)
{
	struct stat st;
	int n;

	if (stat("/proc/self/ns/pid", &st) < 0)
		return -errno;
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "initd/%llu/%d",
	    (unsigned long long)st.st_ino, (int)pid);
	*length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	return 0;
}

/* A socket that is told who sends. */
static int
open_socket(int flags)
{
	static const int yes = 1;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | flags, 0);

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) < 0) {
		int error = errno;

		(void)close(fd);
		return -error;
	}
	return fd < 0 ? -errno : fd;
}

/* One datagram and its sender; NUL-terminated. */
struct letter {
	char *text;
	size_t size;
	ssize_t length;
	bool is_cut;
	struct sockaddr_un from;
	socklen_t from_length;
	struct ucred sender; /* pid 0: not of our PID namespace */
};

static ssize_t
receive(int fd, struct letter *letter)
{
	/* No room for anything but credentials: descriptors that somebody passes are closed by the kernel. */
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec piece = { .iov_base = letter->text, .iov_len = letter->size - 1 };
	struct msghdr message = {
		.msg_name = &letter->from,
		.msg_namelen = sizeof letter->from,
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control,
	};
	const struct cmsghdr *header;

	letter->length = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	if (letter->length < 0)
		return -errno;
	letter->text[letter->length] = '\0';
	letter->is_cut = (message.msg_flags & MSG_TRUNC) != 0;
	letter->from_length = message.msg_namelen;
	letter->sender = (struct ucred){ 0 };
	header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS)
		memcpy(&letter->sender, CMSG_DATA(header), sizeof letter->sender);
	return letter->length;
}

/* ---- PID 1's end ---- */

static bool
send_from(int fd, const struct letter *letter, const char *reply, size_t n)
{
	return sendto(fd, reply, n, MSG_DONTWAIT | MSG_NOSIGNAL,
		   (const struct sockaddr *)&letter->from, letter->from_length) >= 0 ||
	       errno != EAGAIN;
}

/*
 * Who has gone, or reads nothing, has no answer. What a peer that is connected leaves unread takes
 * all room from the socket that sent it; then others get theirs from another one.
 */
static void
send_reply(const struct control *control, const struct letter *letter, const char *reply, size_t n)
{
	int fd;

	if (send_from(control->fd, letter, reply, n))
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)send_from(fd, letter, reply, n);
	(void)close(fd);
}

static void
answer(const struct control *control, const struct letter *letter)
{
	char reply[CONTROL_REPLY_SIZE];
	uid_t self = geteuid();
	size_t n;

	if (letter->sender.pid == 0)
		return;
	if (letter->sender.uid != 0 && letter->sender.uid != self)
		n = (size_t)snprintf(
		    reply, sizeof reply, CONTROL_ERROR "only root and uid %u may ask", self);
	else if (letter->is_cut || strlen(letter->text) != (size_t)letter->length)
		n = (size_t)snprintf(reply, sizeof reply, CONTROL_ERROR "this is no request");
	else
		n = control->spec.on_request(
		    control->spec.arg, letter->text, letter->sender.pid, reply, sizeof reply);
	send_reply(control, letter, reply, n);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	const struct control *control = poll->data;
	char request[CONTROL_REQUEST_SIZE];
	struct letter letter = { .text = request, .size = sizeof request };

	(void)status;
	(void)events;
	for (int i = 0; i < REQUESTS_AT_ONCE && receive(control->fd, &letter) >= 0; i++)
		answer(control, &letter);
}

int
control_start(struct control *control, uv_loop_t *loop, const struct control_spec *spec)
{
	struct sockaddr_un address;
	socklen_t length = 0;
	int status = make_address(getpid(), &address, &length);

	control->spec = *spec;
	control->fd = status < 0 ? status : open_socket(SOCK_NONBLOCK);
	if (control->fd < 0)
		return control->fd;
	status = bind(control->fd, (const struct sockaddr *)&address, length) < 0 ? -errno : 0;
	if (status == 0)
		status = uv_poll_init(loop, &control->poll, control->fd);
	if (status < 0) {
		(void)close(control->fd);
		control->fd = -1;
		return status;
	}
	control->poll.data = control;
	return uv_poll_start(&control->poll, UV_READABLE, on_readable);
}

void
control_stop(struct control *control)
{
	if (control->fd < 0)
		return;
	uv_close((uv_handle_t *)&control->poll, NULL);
	(void)close(control->fd);
	control->fd = -1;
}

/* ---- the other end ---- */

/*
 * PID 1's queue is short (net.unix.max_dgram_qlen, often 10) and may be full; a send that blocks has
 * its turn, in the order of those who wait. The kernel gives our socket a name to answer to, because
 * it is to be told who sends (unix(7), autobind).
 */
static int
send_request(struct control_call *call, int flags)
{
	if (sendto(call->fd, call->request, strlen(call->request), MSG_NOSIGNAL | flags,
		(const struct sockaddr *)&call->to, call->to_length) < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	call->is_sent = true;
	return 0;
}

int
control_ask(struct control_call *call, pid_t pid, const char *request)
{
	int status;

	call->pid = pid;
	call->request = request;
	call->is_sent = false;
	call->fd = -1;
	status = make_address(pid, &call->to, &call->to_length);
	if (status < 0)
		return status;
	call->fd = open_socket(0);
	if (call->fd < 0)
		return call->fd;
	status = send_request(call, MSG_DONTWAIT);
	if (status == -ETIMEDOUT)
		return 0; /* control_wait() tries again */
	if (status < 0)
		control_end(call);
	return status;
}

static int64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int
send_until(struct control_call *call, int64_t end_ms)
{
	int64_t left_ms = end_ms - now_ms();
	/* 0 would be for ever. */
	const struct timeval left = { .tv_sec = left_ms > 0 ? left_ms / 1000 : 0,
		.tv_usec = left_ms > 0 ? left_ms % 1000 * 1000 + 1 : 1 };

	(void)setsockopt(call->fd, SOL_SOCKET, SO_SNDTIMEO, &left, sizeof left);
	return send_request(call, 0);
}

/* The next datagram, from whomever. Its length, or a negative errno. */
static ssize_t
receive_until(const struct control_call *call, int64_t end_ms, struct letter *letter)
{
	struct pollfd readable = { .fd = call->fd, .events = POLLIN };
	int64_t left_ms = end_ms - now_ms();

	if (poll(&readable, 1, left_ms > 0 ? (int)left_ms : 0) <= 0)
		return -ETIMEDOUT;
	return receive(call->fd, letter);
}

ssize_t
control_wait(
    struct control_call *call, int timeout_ms, char *reply, size_t size, struct control_peer *peer)
{
	struct letter letter = { .size = size };
	int64_t end_ms = now_ms() + timeout_ms;
	int status = call->is_sent ? 0 : send_until(call, end_ms);
	ssize_t n = status;

	letter.text = reply;
	/* Anybody may send to us; that is not worth a word. */
	do {
		if (status == 0)
			n = receive_until(call, end_ms, &letter);
	} while (n >= 0 && letter.sender.pid != call->pid);
	if (n >= 0 && peer)
		*peer = (struct control_peer){ letter.sender.uid, letter.sender.gid };
	return n;
}

void
control_end(struct control_call *call)
{
	if (call->fd >= 0)
		(void)close(call->fd);
	call->fd = -1;
}
