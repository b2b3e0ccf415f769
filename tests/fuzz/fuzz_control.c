/* SPDX-License-Identifier: MIT */
/* Any answer of initd's end, over the real sockets, as the other end takes it. */
#include "control.h"
#include "hold.h"
#include "status.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

struct input {
	const uint8_t *bytes;
	size_t n;
	enum control_question question;
	unsigned asked;
};

static size_t
answer(void *arg, enum control_question question, pid_t pid, char text[CONTROL_ANSWER_SIZE])
{
	struct input *input = arg;
	size_t n = input->n < CONTROL_ANSWER_SIZE ? input->n : CONTROL_ANSWER_SIZE;

	hold(pid == getpid() && question == input->question);
	input->asked++;
	memcpy(text, input->bytes, n);
	return n;
}

/* What was said arrives, or it is an error; a status of it is safe to read and print. */
static void
take(int fd, const struct input *input)
{
	char text[CONTROL_ANSWER_SIZE];
	ssize_t length = control_wait(fd, 0, text);
	struct status status;

	if (input->n == 0 || input->n >= CONTROL_ANSWER_SIZE) {
		hold(length == -ECONNRESET || length == -EMSGSIZE);
		return;
	}
	hold(length == (ssize_t)input->n && text[length] == '\0');
	hold(memcmp(text, input->bytes, input->n) == 0);
	if (status_read(&status, text))
		hold(status.n_verdicts <= HEALTH_HISTORY);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct input input;
	static struct control control;
	static uv_loop_t loop;
	static bool is_open;
	const struct control_spec spec = { .on_question = answer, .arg = &input };
	struct control_peer peer;
	int fd;

	if (!is_open)
		hold(uv_loop_init(&loop) == 0 && control_start(&control, &loop, &spec) == 0);
	is_open = true;
	input = (struct input){
		.bytes = bytes, .n = n, .question = n % 2 ? CONTROL_RESTART : CONTROL_STATUS
	};
	fd = control_ask(getpid(), input.question, 0, &peer);
	hold(fd >= 0 && peer.uid == geteuid() && peer.gid == getegid());
	(void)uv_run(&loop, UV_RUN_NOWAIT);
	hold(input.asked == 1);
	take(fd, &input);
	(void)close(fd);
	return 0;
}
