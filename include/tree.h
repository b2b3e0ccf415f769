/* SPDX-License-Identifier: MIT */
/* What is known of the watched directories and files: memory only, no system call. */
#ifndef INITD_TREE_H
#define INITD_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tree_flag {
	TREE_SEEN = 1 << 0, /* in this reading of its directory */
	TREE_KNOWN =
	    1 << 1, /* `contents` is what the server was started with, or what is to come */
	TREE_CHANGED = 1 << 2, /* since the server was started */
	TREE_GONE = 1 << 3,    /* there is no such file or directory, maybe only for a moment */
	TREE_MADE = 1 << 4,    /* made, and not known to be written */
	TREE_NEW = 1 << 5,     /* not there when the server was started */
	/* Of files: differs at first sight, and may still be written. */
	TREE_YOUNG = 1 << 6,
	/* Of directories: may not be read, maybe only for a moment; is still to be listed. */
	TREE_DENIED = 1 << 6,
	TREE_DUE = 1 << 7,
};

/* A file that counts. One allocation each: a tree has thousands. */
struct tree_file {
	uint64_t contents; /* fingerprint.h */
	uint32_t state;    /* half of one; 0: it is to be read whatever its state is */
	uint8_t flags;
	char name[];
};

struct tree_dir {
	struct tree_dir *parent; /* NULL: a root */
	struct tree_dir **dirs;  /* by name */
	struct tree_file **files;
	unsigned n_dirs, n_files;
	struct tree_dir *next_wd; /* watch_inotify.c */
	int wd;                   /* of inotify, or -1 */
	uint8_t flags;            /* SEEN, GONE, DENIED, DUE */
	bool is_unread;           /* some files' contents are still to be taken */
	bool has_due, has_unread; /* itself, or one below */
	char name[];              /* of a root: its path */
};

/* NULL if memory is short. */
struct tree_dir *tree_new_root(const char *path);

/* NULL: there is none of that name. */
struct tree_dir *tree_find_dir(const struct tree_dir *dir, const char *name);
struct tree_file *tree_find_file(const struct tree_dir *dir, const char *name);

/* The one of that name, made if there was none (flags 0, wd -1). NULL if memory is short. */
struct tree_dir *tree_add_dir(struct tree_dir *dir, const char *name);
struct tree_file *tree_add_file(struct tree_dir *dir, const char *name);

/* Forget the file at index i of dir->files. */
void tree_remove_file(struct tree_dir *dir, unsigned i);

/* Forget the directory at index i of dir->dirs with all that is below it. */
void tree_remove_dir(struct tree_dir *dir, unsigned i);

/* Forget a directory, which is no root, with all that is below it. */
void tree_forget(struct tree_dir *dir);

/* Free a root and all that is below. NULL is fine. */
void tree_free(struct tree_dir *root);

/*
 * The path of dir, or of `name` in it if that is not NULL; `below` leaves out the root's own path. Returns
 * its length; it was cut if that is not less than size.
 */
size_t tree_path(const struct tree_dir *dir, const char *name, bool below, char *buf, size_t size);

#endif
