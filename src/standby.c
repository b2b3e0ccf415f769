/* SPDX-License-Identifier: MIT */
/* watch.standby: a spare Python. */
#include "standby.h"

#include "agent.h"
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

/* The parts of a zip file (APPNOTE.TXT, 4.3), little-endian as all machines that we run on. */
struct zip_file {
	uint16_t version, flags, method, time, date;
	uint32_t crc, packed_size, size;
	uint16_t name_length, extra_length;
} __attribute__((packed));

struct zip_head {
	uint32_t signature;
	struct zip_file file;
	char name[16];
} __attribute__((packed));

struct zip_tail {
	struct {
		uint32_t signature;
		uint16_t made_by;
		struct zip_file file;
		uint16_t comment_length, disk, attributes;
		uint32_t external_attributes, offset;
		char name[16];
	} __attribute__((packed)) entry;
	uint32_t signature;
	uint16_t disk, first_disk, n_here, n;
	uint32_t size, offset;
	uint16_t comment_length;
} __attribute__((packed));

#define FILE_NAME "sitecustomize.py"

/* A zip file with one file, in memory: zipimport reads it where no disk is writable. 0 or -errno. */
static int
make_archive(int fd)
{
	const uint32_t length = (uint32_t)((uintptr_t)standby_trailer - (uintptr_t)standby_data);
	struct zip_head head = {
		.signature = 0x04034b50,
		.file = { .version = 20,
		    .method = 8,
		    .date = 0x21,
		    .packed_size = length,
		    .name_length = sizeof FILE_NAME - 1 },
		.name = FILE_NAME,
	};
	struct zip_tail tail = {
		.entry = { .signature = 0x02014b50, .made_by = 20, .name = FILE_NAME },
		.signature = 0x06054b50,
		.n_here = 1,
		.n = 1,
		.size = sizeof tail.entry,
		.offset = sizeof head + length,
	};

	memcpy(&head.file.crc, standby_trailer, sizeof head.file.crc);
	memcpy(&head.file.size, standby_trailer + sizeof head.file.crc, sizeof head.file.size);
	tail.entry.file = head.file;
	if (write(fd, &head, sizeof head) != sizeof head ||
	    write(fd, standby_data, length) != (ssize_t)length ||
	    write(fd, &tail, sizeof tail) != sizeof tail)
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
	char line[256], *option;

	*why = "the command is no Python";
	if (!agent_is_python(argv[0])) {
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

/* `vars` with our archive in front of PYTHONPATH, in one allocation. */
static char **
make_environment(const struct standby *standby, char *const *vars, char *variable)
{
	const char *path = env_get(vars, "PYTHONPATH");
	size_t n = env_count(vars), length = (path ? strlen(path) : 0) + 64;
	char **all, *text;

	all = malloc((n + 3) * sizeof *all + length);
	if (!all)
		return NULL;
	text = (char *)(all + n + 3);
	(void)snprintf(text, length, "PYTHONPATH=/proc/self/fd/%d%s%s", standby->archive_fd,
	    path && *path ? ":" : "", path ? path : "");
	n = env_copy(all, vars, "PYTHONPATH");
	all[n++] = text;
	all[n++] = variable;
	all[n] = NULL;
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
