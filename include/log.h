/* SPDX-License-Identifier: MIT */
/* One line = one write(2) to stderr, never blocking. */
#ifndef INITD_LOG_H
#define INITD_LOG_H

#include <stdbool.h>

enum log_level {
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG,
};

enum log_format {
	LOG_TEXT, /* initd: warn: message */
	LOG_JSON, /* {"severity":"WARNING","time":"…","logger":"initd","message":"…"} (Cloud Logging's names) */
};

struct log {
	enum log_level level;
	enum log_format format;
	int fd;             /* stderr, or our own non-blocking description of it */
	bool may_block;     /* fd is shared with others and may be full: poll first */
	bool is_socket;     /* send with MSG_DONTWAIT instead of write */
	unsigned long lost; /* lines that nobody took since the last one that got through */
};

/* A log on stderr as it is; fit for everything that is said before a child can fill it. */
void log_init(struct log *log);

/*
 * Make sure that a reader who does not read can never stop us: O_NONBLOCK belongs to the open file
 * description, which the child shares, so pipes and terminals are opened again through /proc. That
 * takes the right to: ours before the drop, or the user's if stdio was given to it. Done once, it
 * does nothing more.
 */
void log_detach(struct log *log);

/* Say one line if `level` is wanted. Control characters are replaced; errno is kept. */
void log_line(struct log *log, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
