/* SPDX-License-Identifier: MIT */
/* The kernel's words about changes in directories: inotify(7), by directory instead of by number. */
#ifndef INITD_WATCH_INOTIFY_H
#define INITD_WATCH_INOTIFY_H

#include "tree.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	WATCH_INOTIFY_BUCKETS = 256,
};

struct watch_inotify {
	int fd; /* -1: none is open */
	struct tree_dir *buckets[WATCH_INOTIFY_BUCKETS];
};

struct watch_inotify_event {
	struct tree_dir
	    *dir; /* NULL: none that is watched any more, or a place of watch_inotify_guard() */
	int wd;
	uint32_t mask;
	const char *name; /* in dir; "" for the directory itself */
};

/* 0 or -errno: -EMFILE if the user has too many instances (128 by default), -ENOSYS. */
int watch_inotify_open(struct watch_inotify *inotify);

/*
 * Watch a directory, or watch what has come to its place. 0 or -errno: -ENOSPC if the user has
 * too many watches (fs.inotify.max_user_watches), -ENOENT.
 */
int watch_inotify_add(struct watch_inotify *inotify, struct tree_dir *dir);

/* Hear of attributes of what is in it, too. */
void watch_inotify_add_attributes(struct watch_inotify *inotify, const struct tree_dir *dir);

void watch_inotify_remove(struct watch_inotify *inotify, struct tree_dir *dir);

/*
 * Watch whether `path` itself goes, and which of its entries come and go. The number that the
 * events will have, or -errno.
 */
int watch_inotify_guard(struct watch_inotify *inotify, const char *path);

/* No more, unless it is the number of a directory of the tree, too. */
void watch_inotify_unguard(struct watch_inotify *inotify, int wd);

/* The kernel has ended this watch by itself (IN_IGNORED). */
void watch_inotify_forget(struct watch_inotify *inotify, struct tree_dir *dir);

/*
 * Read what there is, until `until_ns` of CLOCK_MONOTONIC: PID 1 has other things to do. True if there
 * is more.
 */
bool watch_inotify_read(struct watch_inotify *inotify, uint64_t until_ns,
    void (*on_event)(void *arg, const struct watch_inotify_event *event), void *arg);

void watch_inotify_close(struct watch_inotify *inotify);

#endif
