/* SPDX-License-Identifier: MIT */
/* Any datagram as a request to PID 1's end, over the real socket; any as a reply to the other end. */
#include "control.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const uint8_t *sent;
static size_t sent_length;

static void
hold(bool claim)
{
	if (!claim)
		abort();
}

/* What is passed on is what was sent, as a string; the reply is what was sent, whatever it is. */
static size_t
echo(void *arg, const char *request, pid_t pid, char *reply, size_t size)
{
	(void)arg;
	hold(pid == getpid() && strlen(request) == sent_length);
	hold(sent_length < CONTROL_REQUEST_SIZE && memcmp(request, sent, sent_length) == 0);
	for (size_t i = 0; i < size; i++)
		reply[i] = (char)(sent_length > 0 ? sent[i % sent_length] : 0);
	return sent_length > 0 ? sent[0] * (size - 1) / 255 : 0;
}

/* A regular question first, whose socket then says what the input says. */
static void
say(uv_loop_t *loop, const uint8_t *bytes, size_t n)
{
	static const char hello[] = "hello";
	char reply[CONTROL_REPLY_SIZE];
	struct control_call call;
	struct control_peer peer;
	ssize_t length;

	sent = (const uint8_t *)hello;
	sent_length = strlen(hello);
	hold(control_ask(&call, getpid(), hello) == 0 && call.is_sent);
	(void)uv_run(loop, UV_RUN_NOWAIT);
	hold(control_wait(&call, 0, reply, sizeof reply, NULL) > 0);
	sent = bytes;
	sent_length = n;
	hold(send(call.fd, bytes, n, 0) == (ssize_t)n);
	(void)uv_run(loop, UV_RUN_NOWAIT);
	length = control_wait(&call, 0, reply, sizeof reply, &peer);
	hold(length >= 0 && length < CONTROL_REPLY_SIZE && reply[length] == '\0');
	hold(peer.uid == geteuid());
	if (n >= CONTROL_REQUEST_SIZE || memchr(bytes, '\0', n))
		hold(strncmp(reply, CONTROL_ERROR, strlen(CONTROL_ERROR)) == 0);
	control_end(&call);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const struct control_spec spec = { .on_request = echo };
	static struct control control;
	static uv_loop_t loop;
	static bool is_open;

	if (!is_open) {
		hold(uv_loop_init(&loop) == 0 && control_start(&control, &loop, &spec) == 0);
		is_open = true;
	}
	say(&loop, bytes, n);
	return 0;
}
