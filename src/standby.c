/* SPDX-License-Identifier: MIT */
/* watch.standby: a spare Python. */
#include "standby.h"

#include "env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FIRST_FD = 10, /* beyond what sd_listen_fds(3) may pass */
};

/* ---- the archive ---- */

/* src/standby.py by gzip(1), without its header: the compressed bytes, their CRC, and the size of what they were. */
extern const unsigned char standby_data[], standby_trailer[];

__asm__(".pushsection .rodata\n"
	".hidden standby_data, standby_trailer\n"
	".globl standby_data, standby_trailer\n"
	"standby_data: .incbin \"" INITD_STANDBY_GZ "\", 10\n"
	"standby_trailer = . - 8\n"
	".popsection\n");

static const char file_name[] = "sitecustomize.py";

/* Little-endian numbers, one after the other. */
static unsigned char *
put(unsigned char *at, unsigned bytes, size_t n)
{
	for (; bytes > 0; bytes--, n >>= 8)
		*at++ = (unsigned char)n;
	return at;
}

static size_t
data_size(void)
{
	return (size_t)((uintptr_t)standby_trailer - (uintptr_t)standby_data);
}

/* What the two headers of a file have in common (APPNOTE.TXT, 4.3.7 and 4.3.12), with its name's length. */
static unsigned char *
put_file(unsigned char *at)
{
	at = put(at, 2, 20); /* version */
	at = put(at, 2, 0);
	at = put(at, 2, 8);           /* deflated */
	at = put(at, 4, 0x21U << 16); /* 1980-01-01 */
	memcpy(at, standby_trailer, 4);
	at = put(at + 4, 4, data_size());
	memcpy(at, standby_trailer + 4, 4);
	at = put(at + 4, 2, sizeof file_name - 1);
	return put(at, 2, 0);
}

static unsigned char *
put_name(unsigned char *at)
{
	memcpy(at, file_name, sizeof file_name - 1);
	return at + sizeof file_name - 1;
}

/* A zip file with one file, in memory: zipimport reads it where no disk is writable. A descriptor or -errno. */
static int
make_archive(int fd)
{
	unsigned char head[64], tail[128], *at = head, *end = tail;
	const size_t size = data_size();
	size_t offset;

	at = put(at, 4, 0x04034b50);
	at = put_name(put_file(at));
	offset = (size_t)(at - head) + size;
	end = put(end, 4, 0x02014b50);
	end = put(end, 2, 20);
	end = put_file(end);
	end = put(put(put(end, 4, 0), 4, 0), 2, 0); /* comment, disk, attributes */
	end = put_name(put(end, 4, 0));
	{
		const size_t length = (size_t)(end - tail);

		end = put(put(put(end, 4, 0x06054b50), 4, 0), 4, 0x10001);
		end = put(put(put(end, 4, length), 4, offset), 2, 0);
	}
	if (write(fd, head, (size_t)(at - head)) != at - head ||
	    write(fd, standby_data, size) != (ssize_t)size ||
	    write(fd, tail, (size_t)(end - tail)) != end - tail)
		return -EIO;
	return 0;
}

/* ---- what it is started with ---- */

/* A #! line with a Python, and the options in it. */
static const char *
interpreter_of(const char *program, char line[256])
{
	int fd = open(program, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, line, 255);

	if (fd >= 0)
		(void)close(fd);
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return strncmp(line, "#!", 2) == 0 ? strstr(line, "python") : NULL;
}

/* -E, -I and -S keep Python from our file; -W and -X have a word of their own. */
static bool
hides(const char *option)
{
	return option[0] == '-' && option[1] != '-' && option[strcspn(option, "EIS")] != '\0' &&
	       strcspn(option, "EIS") < strcspn(option, "WXmc");
}

bool
standby_suits(char *const *argv, const char *program, const char **why)
{
	const char *name = strrchr(argv[0], '/');
	char line[256], *option;

	name = name ? name + 1 : argv[0];
	*why = "the command is no Python";
	if (strncmp(name, "python", 6) != 0) {
		if (!program || !interpreter_of(program, line))
			return false;
		option = strstr(line, " -");
		*why = "the #! line of the command keeps Python from sitecustomize";
		return !option || !hides(option + 1);
	}
	*why = "-E, -I or -S keeps Python from sitecustomize";
	for (char *const *word = argv + 1; *word && **word == '-'; word++) {
		if (hides(*word))
			return false;
		if (strcmp(*word, "-W") == 0 || strcmp(*word, "-X") == 0)
			word++;
		if (!*word || (*word)[strcspn(*word, "mc")] != '\0')
			break;
	}
	return true;
}

static bool
is_ours(const char *variable)
{
	return strncmp(variable, "PYTHONPATH=", strlen("PYTHONPATH=")) == 0;
}

/* `vars` with our archive in front of PYTHONPATH, in one allocation. */
static char **
make_environment(const struct standby *standby, char *const *vars, char *variable)
{
	const char *path = env_get(vars, "PYTHONPATH");
	size_t n = 0, kept = 0, length = (path ? strlen(path) : 0) + 64;
	char **all, *text;

	while (vars[n])
		n++;
	all = malloc((n + 3) * sizeof *all + length);
	if (!all)
		return NULL;
	text = (char *)(all + n + 3);
	(void)snprintf(text, length, "PYTHONPATH=/proc/self/fd/%d%s%s", standby->archive_fd,
	    path && *path ? ":" : "", path ? path : "");
	for (size_t i = 0; i < n; i++)
		if (!is_ours(vars[i]))
			all[kept++] = vars[i];
	all[kept++] = text;
	all[kept++] = variable;
	all[kept] = NULL;
	return all;
}

/* Beyond those that the child may get as others, and not for anybody else. */
static int
move_up(int fd)
{
	int moved = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD);

	if (fd >= 0)
		(void)close(fd);
	return moved;
}

char *const *
standby_prepare(struct standby *standby, char *const *vars)
{
	int pair[2];

	standby_drop(standby);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return NULL;
	standby->channel = move_up(pair[0]);
	standby->child_channel = move_up(pair[1]);
	(void)snprintf(standby->variable, sizeof standby->variable, "INITD_STANDBY=%d:%d:%d",
	    standby->archive_fd, standby->child_channel, standby->notes_fd);
	free(standby->vars);
	standby->vars = make_environment(standby, vars, standby->variable);
	if (standby->vars && standby->channel >= 0 && standby->child_channel >= 0)
		return standby->vars;
	standby_started(standby, false);
	return NULL;
}

void
standby_in_child(const struct standby *standby)
{
	(void)fcntl(standby->archive_fd, F_SETFD, 0);
	(void)fcntl(standby->child_channel, F_SETFD, 0);
	(void)fcntl(standby->notes_fd, F_SETFD, 0);
}

/* ---- what it says ---- */

/* An end without a word of it comes with SIGCHLD, too. */
static void
on_channel(void *arg, uint32_t events)
{
	struct standby *standby = arg;
	char said[2];
	ssize_t n = recv(standby->channel, said, sizeof said, MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		standby_drop(standby);
	if (n <= 0 || standby->state == STANDBY_NONE)
		return;
	if (said[n - 1] == 'w')
		standby->state = STANDBY_WARM;
	else
		standby->state = said[n - 1] == 'h' ? STANDBY_HERE : STANDBY_WRONG;
	standby->spec.on_change(standby->spec.arg);
}

void
standby_started(struct standby *standby, bool is_started)
{
	if (standby->child_channel >= 0)
		(void)close(standby->child_channel);
	standby->child_channel = -1;
	standby->state = STANDBY_BOOTS;
	if (!is_started ||
	    pollset_add(&standby->set, standby->channel, EPOLLIN, &standby->entry) < 0)
		standby_drop(standby);
}

bool
standby_go(struct standby *standby, const char *assignment)
{
	size_t length = assignment ? strlen(assignment) + 1 : 0;
	bool heard = standby->state == STANDBY_HERE || standby->state == STANDBY_WARM;

	heard = heard && send(standby->channel, "g", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
	if (heard && length > 0)
		heard = send(standby->channel, assignment, length, MSG_NOSIGNAL | MSG_DONTWAIT) ==
			(ssize_t)length;
	heard = heard && shutdown(standby->channel, SHUT_WR) == 0;
	/* Not closed before it is: what it says at this very moment would make an error of our word. */
	standby->state = STANDBY_NONE;
	if (!heard)
		standby_drop(standby);
	return heard;
}

void
standby_drop(struct standby *standby)
{
	if (standby->channel >= 0) {
		pollset_remove(&standby->set, standby->channel);
		(void)close(standby->channel);
	}
	standby->channel = -1;
	standby->state = STANDBY_NONE;
}

/* ---- the public ones ---- */

static int
make_memory(const char *name)
{
	return move_up(memfd_create(name, MFD_CLOEXEC));
}

int
standby_open(struct standby *standby, uv_loop_t *loop, const struct standby_spec *spec)
{
	int status;

	*standby = (struct standby){
		.spec = *spec,
		.entry = { .on_ready = on_channel, .arg = standby },
		.archive_fd = make_memory("initd-standby"),
		.notes_fd = make_memory("initd-imports"),
		.channel = -1,
		.child_channel = -1,
	};
	status = standby->archive_fd < 0 ? -errno : make_archive(standby->archive_fd);
	if (status == 0)
		status = pollset_open(&standby->set, loop);
	if (standby->notes_fd >= 0)
		(void)fcntl(standby->notes_fd, F_SETFL, O_APPEND);
	if (status < 0) {
		(void)close(standby->archive_fd);
		(void)close(standby->notes_fd);
	}
	return status;
}

void
standby_close(struct standby *standby)
{
	standby_drop(standby);
	pollset_close(&standby->set);
	(void)close(standby->archive_fd);
	(void)close(standby->notes_fd);
	free(standby->vars);
}
