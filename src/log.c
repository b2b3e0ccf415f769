/* SPDX-License-Identifier: MIT */
/* One line = one write(2) to stderr, never blocking. */
#include "log.h"

#include "json.h"
#include "utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A line fits into PIPE_BUF, so that a pipe takes all of it or nothing. */
enum {
	MESSAGE_SIZE = 1024,
	LOST_SIZE = 64,
	LINE_SIZE = 2048,
};

static const struct {
	const char *text, *severity;
} levels[] = {
	[LOG_ERROR] = { "error", "ERROR" },
	[LOG_WARN] = { "warn", "WARNING" },
	[LOG_INFO] = { "info", "INFO" },
	[LOG_DEBUG] = { "debug", "DEBUG" },
};

void
log_init(struct log *log)
{
	*log = (struct log){
		.level = LOG_INFO, .format = LOG_TEXT, .fd = STDERR_FILENO, .may_block = true
	};
}

void
log_detach(struct log *log)
{
	struct stat st;
	int fd;

	if (!log->may_block || fstat(STDERR_FILENO, &st) < 0)
		return;
	log->is_socket = S_ISSOCK(st.st_mode);
	/* A regular file never blocks, and its offset must stay shared with the child. */
	if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return;
	/* openat: musl's open(2) sets O_CLOEXEC by a second system call, for kernels before 2.6.23. */
	fd = openat(AT_FDCWD, "/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return;
	log->fd = fd;
	log->may_block = false;
}

static size_t
text_line(char *line, enum log_level level, const char *message)
{
	int n = snprintf(line, LINE_SIZE - 1, "initd: %s: %s", levels[level].text, message);

	utf8_make_printable(line);
	return (size_t)n;
}

static size_t
json_line(char *line, enum log_level level, const char *message)
{
	struct timespec now;
	struct tm tm;
	int n;
	size_t length;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	n = snprintf(line, LINE_SIZE,
	    "{\"severity\":\"%s\",\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\",\"logger\":\"initd\",\"message\":",
	    levels[level].severity, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
	    tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000);
	length = (size_t)n;
	length += json_string(line + length, LINE_SIZE - length - 2, message);
	line[length++] = '}';
	return length;
}

/* The write that cannot block. False: nobody took the line. */
static bool
put(const struct log *log, const char *line, size_t length)
{
	struct pollfd writable = { .fd = log->fd, .events = POLLOUT };

	if (log->is_socket)
		return send(log->fd, line, length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
	if (log->may_block && poll(&writable, 1, 0) <= 0)
		return false;
	return write(log->fd, line, length) >= 0;
}

void
log_line(struct log *log, enum log_level level, const char *fmt, ...)
{
	char message[MESSAGE_SIZE + LOST_SIZE], line[LINE_SIZE];
	size_t length;
	int saved = errno, n;
	va_list ap;

	if (level > log->level)
		return;
	va_start(ap, fmt);
	n = vsnprintf(message, MESSAGE_SIZE, fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	else if (n >= MESSAGE_SIZE)
		n = MESSAGE_SIZE - 1;
	if (log->lost > 0)
		(void)snprintf(
		    message + n, LOST_SIZE, " (%lu lines before this were lost)", log->lost);
	length = log->format == LOG_JSON ? json_line(line, level, message)
					 : text_line(line, level, message);
	line[length++] = '\n';
	if (put(log, line, length))
		log->lost = 0;
	else
		log->lost++;
	errno = saved;
}
