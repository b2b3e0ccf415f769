/* SPDX-License-Identifier: MIT */
/* Watches directories on the loop: by inotify(7), by looking again and again, or both. */
#ifndef INITD_WATCH_H
#define INITD_WATCH_H

#include "burst.h"
#include "scan.h"
#include "watch_inotify.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum watch_backend {
	WATCH_AUTO, /* inotify; looking as well where inotify is blind */
	WATCH_INOTIFY,
	WATCH_POLL,
};

enum watch_fact {
	WATCH_READY,    /* all directories were looked at once and are watched */
	WATCH_QUIET,    /* what was told by on_change is over */
	WATCH_POLLS,    /* it has to look again and again; the text says why */
	WATCH_OVERFLOW, /* too many changes at once: all was read again */
	WATCH_MISSING,  /* the root of that path is not there */
	WATCH_BACK,     /* it is there again */
	WATCH_DENIED,   /* some directory cannot be read */
	WATCH_BLIND, /* inotify was asked for, and does not hear of all changes on this file system */
};

enum {
	WATCH_ROOTS_MAX = 16,
	WATCH_PLACES_MAX = 8,
	WATCH_PATH_SIZE = 256, /* of a path for people, below its root */
	WATCH_BOOT_MS =
	    10 * 1000, /* after that a server has read its files, if nobody knows better */
};

struct watch_change {
	const char *path; /* the first one, below its root */
	enum scan_fact what;
	bool alone;   /* nothing else has changed so far */
	bool is_ours; /* our user, who is the server's, may have written it */
};

struct watch_spec {
	const char *path;  /* one, absolute; or NULL */
	const char *paths; /* else these, absolute and comma-separated */
	const char *include, *ignore;
	enum watch_backend backend;
	uint64_t poll_interval_ms, settle_ms, settle_removed_ms;
	uint64_t
	    started_ms; /* by uv_hrtime()'s clock: what changed since, the server may not have seen */
	/*
	 * Something changed. 0: it was taken note of. Else it waits: in so many ms, or when something
	 * else changes, it is told again.
	 */
	uint64_t (*on_change)(void *arg, const struct watch_change *change);
	void (*on_fact)(void *arg, enum watch_fact fact, const char *text);
	void *arg;
};

/* A directory above a root, and what of its entries leads there: length bytes of the root's path. */
struct watch_place {
	int wd; /* of inotify */
	unsigned begin, length;
};

struct watch_root {
	struct tree_dir *dir;
	struct watch_place places[WATCH_PLACES_MAX]; /* the one that it is in, and those above */
	size_t n_places;
	bool is_missing, is_due;
};

/* What is told next. */
struct watch_news {
	bool is_there, alone, is_ours;
	enum scan_fact what;
	uint64_t held_until_ms;
	char path[WATCH_PATH_SIZE];
};

struct watch {
	struct watch_spec spec;
	uv_poll_t readable;
	uv_timer_t timer;
	uv_idle_t worker; /* looks and reads while nothing else is to be done */
	struct scan scan;
	struct watch_inotify inotify;
	struct burst burst;
	struct watch_news news;
	bool polls, overflowed, owes_quiet, has_more, told_denied, told_blind;
	bool touched; /* something that counts, since a server was started, if only for a moment */
	uint64_t boot_end_ms; /* the server may be reading its files until then */
	bool walks, is_full;  /* directories are due; all of them were */
	uint64_t walk_ns;     /* spent on this walk */
	uint64_t full_ms,
	    seen_ms; /* when the present full walk began, and the last one that is complete */
	uint64_t now_ms, look_ms; /* now, and when to look next */
	size_t n_roots;
	struct watch_root roots[WATCH_ROOTS_MAX];
};

/*
 * Begin; WATCH_READY follows, maybe at once. 0 or a negative errno, and then there is nothing to stop.
 * Whatever the kernel has no room for is watched another way.
 */
int watch_start(struct watch *watch, uv_loop_t *loop, const struct watch_spec *spec);

/*
 * A server is about to be started, with everything as it is now. What changed since the last one is
 * told to on_taken.
 */
void watch_take(struct watch *watch, scan_on_file *on_taken, void *arg);

/* It was started: what happened since watch_take(), it may have seen or not. */
void watch_taken(struct watch *watch);

/*
 * Were files written since the server was started, though they have the same contents now? Then
 * WATCH_QUIET is told when that is over.
 */
bool watch_suspect(struct watch *watch);

/* What the kernel has to say by now is taken note of, and told. */
void watch_catch_up(struct watch *watch);

/* What is watched, for people. */
void watch_count(const struct watch *watch, unsigned *dirs, unsigned *files);
const char *watch_backend_text(const struct watch *watch);

/* Its handles are closing when it returns; the struct must outlive them. */
void watch_stop(struct watch *watch);

#endif
