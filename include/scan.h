/* SPDX-License-Identifier: MIT */
/* Looks at the watched files and directories, and tells what differs from what is known of them. */
#ifndef INITD_SCAN_H
#define INITD_SCAN_H

#include "patterns.h"
#include "tree.h"

#include <stdbool.h>
#include <stdint.h>

/* What is seen of a file that counts. */
enum scan_fact {
	SCAN_NEW,     /* it was not there when the server was started */
	SCAN_CHANGED, /* its contents differ */
	SCAN_REMOVED,
	SCAN_DOUBT, /* it is missing, or was just made: scan_settle() decides */
	SCAN_YOUNG, /* it differs, but may still be written: to be looked at once more */
	SCAN_SAME,  /* scan_file() was asked for it, but it has not changed */
};

typedef void scan_on_file(
    void *arg, const struct tree_dir *dir, const struct tree_file *file, enum scan_fact fact);

struct scan_spec {
	const char *include, *ignore; /* as the options say it */
	/* A directory is there, open as fd, and is about to be listed: the moment to watch it. */
	void (*on_dir)(void *arg, struct tree_dir *dir, int fd);
	/* It cannot be read. tar(1) as root makes them so, and opens them when they are full. */
	void (*on_denied)(void *arg, struct tree_dir *dir, int error);
	/* It is not there any more, or is none of ours. */
	void (*on_gone)(void *arg, struct tree_dir *dir);
	scan_on_file *on_file;
	void *arg;
};

struct scan {
	struct scan_spec spec;
	struct patterns include, ignore;
	bool is_first;    /* what is found was there when the server was started */
	int64_t since_ns; /* when that was, by the clock of files: CLOCK_REALTIME */
	/* A file that is away for a moment was none for the server: its return counts. */
	bool is_boot;
	unsigned n_made; /* files that are made and not known to be written */
};

/* 0, or -EINVAL for a list that cannot be read. */
int scan_open(struct scan *scan, const struct scan_spec *spec);
void scan_close(struct scan *scan);

/* A directory is to be looked at, with all that is below. */
void scan_due(struct tree_dir *dir);

/*
 * Look at directories that are due, until `until_ns` of CLOCK_MONOTONIC: PID 1 has other things to do.
 * False: there are more. A root that is missing is TREE_GONE then.
 */
bool scan_some(struct scan *scan, struct tree_dir *root, uint64_t until_ns);

/* What is said to have happened to a name. */
enum scan_event {
	SCAN_CAME,    /* it was created; who writes it will be heard when it is closed */
	SCAN_WRITTEN, /* it was closed, or moved here as it is */
	SCAN_WENT,    /* if it is there again, there is more to be heard */
};

/* Look at one name in dir, if it is a file that counts. */
void scan_file(struct scan *scan, struct tree_dir *dir, const char *name, enum scan_event event);

/* A directory has gone from its place with all that is below. */
void scan_gone(struct scan *scan, struct tree_dir *dir);

/* Is this directory's name one that is not looked at? */
bool scan_ignores(const struct scan *scan, const struct tree_dir *dir, const char *name);

/* Decide now on files with one of these flags: GONE, MADE, YOUNG. */
void scan_settle(struct scan *scan, struct tree_dir *root, unsigned flags);

/* Take contents that are still unknown: of what was there at the first look. As scan_some(). */
bool scan_read_some(struct scan *scan, struct tree_dir *root, uint64_t until_ns);

/*
 * A server is about to be started: everything is as it shall be known to it. Each file that changed
 * since the last one is told as SCAN_NEW, SCAN_CHANGED or SCAN_REMOVED.
 */
void scan_take(struct scan *scan, struct tree_dir *root, scan_on_file *on_file, void *arg);

/* What is there. */
void scan_count(const struct tree_dir *root, unsigned *dirs, unsigned *files);

#endif
