/* SPDX-License-Identifier: MIT */
/* Looks at the watched files and directories, and tells what differs from what is known of them. */
#include "scan.h"

#include "fingerprint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char venv_marker[] = "pyvenv.cfg";

enum {
	/* A file may change twice within one tick of its clock, which is up to 2 s (FAT). */
	RACY_NS = 2000000000,
};

/* ---- which names count ---- */

int
scan_open(struct scan *scan, const struct scan_spec *spec)
{
	*scan = (struct scan){ .spec = *spec };
	if (!patterns_parse(&scan->include, spec->include, patterns_include))
		return -EINVAL;
	if (patterns_parse(&scan->ignore, spec->ignore, patterns_ignore))
		return 0;
	patterns_free(&scan->include);
	return -EINVAL;
}

void
scan_close(struct scan *scan)
{
	patterns_free(&scan->include);
	patterns_free(&scan->ignore);
}

/* Does a list match this name in dir? A path that is too long matches by its beginning only. */
static bool
is_in(const struct patterns *patterns, const struct tree_dir *dir, const char *name)
{
	char path[PATH_MAX];

	if (!patterns->has_paths)
		return patterns_match(patterns, name);
	if (tree_path(dir, name, true, path, sizeof path) >= sizeof path)
		return false;
	return patterns_match(patterns, path);
}

bool
scan_ignores(const struct scan *scan, const struct tree_dir *dir, const char *name)
{
	return is_in(&scan->ignore, dir, name);
}

static bool
is_link_to_dir(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_NO_AUTOMOUNT) == 0 && S_ISDIR(st.st_mode);
}

/* A link to a directory counts whatever its name: modules may be imported through it. */
static bool
counts(
    const struct scan *scan, const struct tree_dir *dir, const char *name, int dir_fd, bool is_link)
{
	if (scan_ignores(scan, dir, name))
		return false;
	return is_in(&scan->include, dir, name) || (is_link && is_link_to_dir(dir_fd, name));
}

/* ---- one file ---- */

static void
tell(const struct scan *scan, const struct tree_dir *dir, const struct tree_file *file,
    enum scan_fact fact)
{
	scan->spec.on_file(scan->spec.arg, dir, file, fact);
}

static int64_t
time_ns(const struct timespec *time)
{
	return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static int64_t
now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return time_ns(&now);
}

static uint32_t
state_of(const struct stat *st)
{
	return (uint32_t)(fingerprint_state(st) >> 32) | 1;
}

/* The same, or 0 if it may change again without that being seen there. Another machine's clock may be anything. */
static uint32_t
lasting_state(const struct stat *st)
{
	int64_t age_ns = now_ns() - time_ns(&st->st_ctim);

	return age_ns < RACY_NS && age_ns > -RACY_NS ? 0 : state_of(st);
}

static void
take_contents(struct tree_file *file, uint64_t contents, const struct stat *st)
{
	file->contents = contents;
	file->state = lasting_state(st);
	file->flags |= TREE_KNOWN;
}

/* It is no more in doubt, or in another way. */
static void
clear_doubt(struct scan *scan, struct tree_file *file)
{
	scan->n_made -= (file->flags & TREE_MADE) != 0;
	file->flags &= (uint8_t) ~(TREE_GONE | TREE_MADE | TREE_YOUNG);
}

/*
 * It is there: are its contents what they were? True if they are. A difference counts at once only
 * if its writer has closed it; in a listing it counts at second sight.
 */
static bool
compare(struct scan *scan, const struct tree_dir *dir, int dir_fd, struct tree_file *file,
    const struct stat *st, bool is_whole)
{
	uint8_t was = file->flags;
	uint64_t contents;

	clear_doubt(scan, file);
	if ((was & (TREE_KNOWN | TREE_GONE)) == TREE_KNOWN && file->state == state_of(st))
		return true;
	contents = fingerprint_contents(dir_fd, file->name, st);
	if (was & TREE_KNOWN && contents == file->contents) {
		file->state = lasting_state(st);
		return true;
	}
	if (!is_whole && !(was & TREE_YOUNG)) {
		file->flags |= TREE_YOUNG;
		tell(scan, dir, file, SCAN_YOUNG);
		return false;
	}
	take_contents(file, contents, st);
	file->flags |= TREE_CHANGED;
	tell(scan, dir, file, file->flags & TREE_NEW ? SCAN_NEW : SCAN_CHANGED);
	return false;
}

/* It is not there, maybe only for a moment. */
static void
miss(struct scan *scan, const struct tree_dir *dir, struct tree_file *file)
{
	if (file->flags & TREE_GONE)
		return;
	clear_doubt(scan, file);
	file->flags |= TREE_GONE;
	if (scan->is_boot)
		file->flags &= (uint8_t)~TREE_KNOWN;
	tell(scan, dir, file, SCAN_DOUBT);
}

/* The file of that name, which is there; NULL if memory is short: then it is not watched. */
static struct tree_file *
know(const struct scan *scan, struct tree_dir *dir, const char *name)
{
	struct tree_file *file = tree_find_file(dir, name);

	if (file)
		return file;
	file = tree_add_file(dir, name);
	if (file && !scan->is_first)
		file->flags |= TREE_NEW;
	return file;
}

static bool
is_file(const struct stat *st)
{
	return S_ISREG(st->st_mode) || S_ISLNK(st->st_mode);
}

static void
mark_unread(struct tree_dir *dir)
{
	dir->is_unread = true;
	for (; dir && !dir->has_unread; dir = dir->parent)
		dir->has_unread = true;
}

/* In a listing. What is unknown of a file that was always there is left to scan_read_some(). */
static void
look(struct scan *scan, struct tree_dir *dir, int dir_fd, const char *name)
{
	struct tree_file *file;
	struct stat st;

	if (scan->is_first) {
		file = know(scan, dir, name);
		if (file)
			file->flags |= TREE_SEEN;
		mark_unread(dir);
		return;
	}
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0 || !is_file(&st))
		return;
	file = know(scan, dir, name);
	if (!file)
		return;
	file->flags |= TREE_SEEN;
	/* Of one that is being made its writer will tell. */
	if (file->flags & TREE_MADE && dir->wd >= 0)
		return;
	if (file->flags & (TREE_KNOWN | TREE_NEW | TREE_GONE))
		(void)compare(scan, dir, dir_fd, file, &st, false);
}

/* Is it not there, or did only we fail to see it? */
static bool
is_absence(int status)
{
	return status == -ENOENT || status == -ENOTDIR || status == -ELOOP;
}

static int
open_dir(const struct tree_dir *dir)
{
	char path[PATH_MAX];
	int fd;

	if (tree_path(dir, NULL, false, path, sizeof path) >= sizeof path)
		return -ENAMETOOLONG;
	fd = open(
	    path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC | (dir->parent ? O_NOFOLLOW : 0));
	return fd < 0 ? -errno : fd;
}

/* A file that counts is there. */
static void
take_file(struct scan *scan, struct tree_dir *dir, int dir_fd, const char *name,
    const struct stat *st, enum scan_event event)
{
	struct tree_file *file = know(scan, dir, name);

	if (!file)
		return;
	/* A link is whole at once, one more hard link too; another file is when it is closed. */
	if (event == SCAN_CAME && S_ISREG(st->st_mode) && st->st_nlink == 1) {
		clear_doubt(scan, file);
		file->flags |= TREE_MADE;
		scan->n_made++;
		tell(scan, dir, file, SCAN_DOUBT);
	} else if (compare(scan, dir, dir_fd, file, st, true)) {
		tell(scan, dir, file, SCAN_SAME);
	}
}

void
scan_file(struct scan *scan, struct tree_dir *dir, const char *name, enum scan_event event)
{
	struct tree_file *file = tree_find_file(dir, name);
	struct stat st;
	int dir_fd;

	if (dir->parent && strcmp(name, venv_marker) == 0) {
		scan_due(dir); /* it has become a venv, or is none any more */
		return;
	}
	dir_fd = open_dir(dir);
	if (dir_fd < 0 && !is_absence(dir_fd))
		return;
	if (dir_fd < 0 || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0 ||
	    !is_file(&st)) {
		if (file)
			miss(scan, dir, file);
	} else if (event != SCAN_WENT &&
		   (file || counts(scan, dir, name, dir_fd, S_ISLNK(st.st_mode)))) {
		take_file(scan, dir, dir_fd, name, &st, event);
	}
	if (dir_fd >= 0)
		(void)close(dir_fd);
}

/* ---- directories ---- */

void
scan_gone(struct scan *scan, struct tree_dir *dir)
{
	/* What was due below it must not come to life again under a directory that will be forgotten. */
	dir->flags = (uint8_t)((dir->flags | TREE_GONE) & ~TREE_DUE);
	for (unsigned i = 0; i < dir->n_files; i++)
		miss(scan, dir, dir->files[i]);
	for (unsigned i = 0; i < dir->n_dirs; i++)
		scan_gone(scan, dir->dirs[i]);
	scan->spec.on_gone(scan->spec.arg, dir);
}

static void
forget_seen(struct tree_dir *dir)
{
	for (unsigned i = 0; i < dir->n_files; i++)
		dir->files[i]->flags &= (uint8_t)~TREE_SEEN;
	for (unsigned i = 0; i < dir->n_dirs; i++)
		dir->dirs[i]->flags &= (uint8_t)~TREE_SEEN;
}

static void
miss_unseen(struct scan *scan, struct tree_dir *dir)
{
	for (unsigned i = 0; i < dir->n_files; i++)
		if (!(dir->files[i]->flags & TREE_SEEN))
			miss(scan, dir, dir->files[i]);
	for (unsigned i = 0; i < dir->n_dirs; i++)
		if (!(dir->dirs[i]->flags & (TREE_SEEN | TREE_GONE)))
			scan_gone(scan, dir->dirs[i]);
}

/*
 * getdents64(2), not readdir(3): that costs an allocation and three calls more for each directory, and
 * by polling there may be thousands of them every second. What it gives is what libc calls a dirent.
 */
_Static_assert(offsetof(struct dirent, d_reclen) == 16 && offsetof(struct dirent, d_type) == 18 &&
		   offsetof(struct dirent, d_name) == 19,
    "struct dirent is not the kernel's");

enum {
	ENTRIES_BYTES = 16 * 1024,
};

/* Not every file system says it by itself. */
static unsigned char
entry_type(int dir_fd, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type;
	if (fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return DT_UNKNOWN;
	return S_ISDIR(st.st_mode)   ? DT_DIR
	       : S_ISREG(st.st_mode) ? DT_REG
	       : S_ISLNK(st.st_mode) ? DT_LNK
				     : DT_UNKNOWN;
}

static void
take_entry(struct scan *scan, struct tree_dir *dir, int dir_fd, const struct dirent *entry)
{
	const char *name = entry->d_name;
	unsigned char type = entry_type(dir_fd, entry);
	struct tree_dir *child;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return;
	if (type == DT_DIR && !scan_ignores(scan, dir, name)) {
		child = tree_add_dir(dir, name);
		if (child)
			child->flags =
			    (uint8_t)(TREE_SEEN | (child->flags & (TREE_DENIED | TREE_DUE)));
	} else if ((type == DT_REG || type == DT_LNK) &&
		   counts(scan, dir, name, dir_fd, type == DT_LNK)) {
		look(scan, dir, dir_fd, name);
	}
}

/* All that getdents64(2) gave at once. True: one of them makes this a venv. */
static bool
take_entries(struct scan *scan, struct tree_dir *dir, int dir_fd, const char *at, const char *end)
{
	while (at < end) {
		const struct dirent *entry = (const void *)at;

		if (dir->parent && strcmp(entry->d_name, venv_marker) == 0)
			return true;
		take_entry(scan, dir, dir_fd, entry);
		at += entry->d_reclen;
	}
	return false;
}

/* 0, or -errno. A venv is none of ours, wherever it is, but as a root it was asked for. */
static int
list(struct scan *scan, struct tree_dir *dir)
{
	_Alignas(struct dirent) char entries[ENTRIES_BYTES];
	int fd = open_dir(dir), status = 0;
	long n;

	if (fd < 0)
		return fd;
	dir->flags &= (uint8_t) ~(TREE_GONE | TREE_DENIED);
	/* Of one that is known the listing says it, and what was known of it counts as removed. */
	if (dir->parent && dir->n_files + dir->n_dirs == 0 &&
	    faccessat(fd, venv_marker, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		(void)close(fd);
		return -ENOENT;
	}
	scan->spec.on_dir(scan->spec.arg, dir, fd);
	forget_seen(dir);
	while (status == 0 && (n = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0)
		status = take_entries(scan, dir, fd, entries, entries + n) ? -ENOENT : 0;
	if (status == 0 && n < 0)
		status = -errno;
	(void)close(fd);
	if (status == 0)
		miss_unseen(scan, dir);
	return status;
}

void
scan_due(struct tree_dir *dir)
{
	dir->flags |= TREE_DUE;
	for (; dir && !dir->has_due; dir = dir->parent)
		dir->has_due = true;
}

/* List one directory; those in it are due then. */
static void
look_at_dir(struct scan *scan, struct tree_dir *dir)
{
	int status = list(scan, dir);

	if (status < 0 && !is_absence(status)) {
		dir->flags |= TREE_DENIED;
		scan->spec.on_denied(scan->spec.arg, dir, -status);
		status = list(scan, dir); /* it may have been opened before anybody looked */
	}
	if (is_absence(status))
		scan_gone(scan, dir);
	else if (status < 0)
		dir->flags |= TREE_DENIED;
	for (unsigned i = 0; status == 0 && i < dir->n_dirs; i++)
		if (dir->dirs[i]->flags & TREE_SEEN)
			scan_due(dir->dirs[i]);
}

static uint64_t
clock_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* No descriptor is open and no path is on the stack while it goes down. */
bool
scan_some(struct scan *scan, struct tree_dir *root, uint64_t until_ns)
{
	if (!root->has_due)
		return true;
	if (root->flags & TREE_DUE) {
		root->flags &= (uint8_t)~TREE_DUE;
		look_at_dir(scan, root);
		if (clock_ns() >= until_ns)
			return false;
	}
	if (root->flags & TREE_GONE) {
		root->has_due = false;
		return true;
	}
	for (unsigned i = 0; i < root->n_dirs; i++)
		if (!scan_some(scan, root->dirs[i], until_ns))
			return false;
	root->has_due = false;
	return true;
}

/* ---- all of a tree ---- */

/* The present state of a file that is in doubt. */
static void
decide(struct scan *scan, struct tree_dir *dir, int dir_fd, struct tree_file *file)
{
	struct stat st;

	if (dir_fd < 0 && !is_absence(dir_fd))
		return;
	if (dir_fd >= 0 &&
	    fstatat(dir_fd, file->name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0 &&
	    is_file(&st)) {
		(void)compare(scan, dir, dir_fd, file, &st, true);
		return;
	}
	clear_doubt(scan, file);
	file->flags |= TREE_GONE;
	/* What came and went without being written was never there. */
	if ((file->flags & (TREE_NEW | TREE_KNOWN)) == TREE_NEW || file->flags & TREE_CHANGED)
		return;
	file->flags |= TREE_CHANGED;
	tell(scan, dir, file, SCAN_REMOVED);
}

void
scan_settle(struct scan *scan, struct tree_dir *root, unsigned flags)
{
	int dir_fd = -ENOENT;

	for (unsigned i = 0; i < root->n_files; i++) {
		if (!(root->files[i]->flags & flags))
			continue;
		if (dir_fd < 0)
			dir_fd = open_dir(root);
		decide(scan, root, dir_fd, root->files[i]);
	}
	if (dir_fd >= 0)
		(void)close(dir_fd);
	for (unsigned i = 0; i < root->n_dirs; i++)
		scan_settle(scan, root->dirs[i], flags);
}

/*
 * Has it changed since the server was started? Its ctime alone would be that of a chown or chmod too,
 * which many an entrypoint script does; what is moved into place leaves its mark on the directory.
 */
static bool
is_recent(const struct scan *scan, int dir_fd, const struct stat *st)
{
	struct stat dir;

	return time_ns(&st->st_ctim) >= scan->since_ns &&
	       (time_ns(&st->st_mtim) >= scan->since_ns ||
		   (fstat(dir_fd, &dir) == 0 && time_ns(&dir.st_mtim) >= scan->since_ns));
}

/* What was unknown may have changed while the server read it: then nobody knows which of both it has. */
static void
read_file(struct scan *scan, struct tree_dir *dir, int dir_fd, struct tree_file *file)
{
	const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
	struct stat st;

	if (file->flags & (TREE_KNOWN | TREE_GONE) || dir_fd < 0)
		return;
	if (fstatat(dir_fd, file->name, &st, flags) < 0 || !is_file(&st)) {
		miss(scan, dir, file);
		return;
	}
	take_contents(file, fingerprint_contents(dir_fd, file->name, &st), &st);
	/* Asked again: it may have changed before it was read, and that would be what it always was. */
	if (fstatat(dir_fd, file->name, &st, flags) < 0 || !is_recent(scan, dir_fd, &st))
		return;
	file->flags |= TREE_CHANGED;
	tell(scan, dir, file, SCAN_CHANGED);
}

/* At least one of them, so that it comes to an end however slow that is. */
static bool
read_dir(struct scan *scan, struct tree_dir *dir, uint64_t until_ns)
{
	int dir_fd = open_dir(dir);
	bool has_read = false;
	unsigned i;

	for (i = 0; i < dir->n_files; i++) {
		if (dir->files[i]->flags & (TREE_KNOWN | TREE_GONE))
			continue;
		if (has_read && clock_ns() >= until_ns)
			break;
		read_file(scan, dir, dir_fd, dir->files[i]);
		has_read = true;
	}
	dir->is_unread = i < dir->n_files;
	if (dir_fd >= 0)
		(void)close(dir_fd);
	return !dir->is_unread;
}

bool
scan_read_some(struct scan *scan, struct tree_dir *root, uint64_t until_ns)
{
	if (!root->has_unread)
		return true;
	if (root->is_unread && !read_dir(scan, root, until_ns))
		return false;
	for (unsigned i = 0; i < root->n_dirs; i++)
		if (!scan_read_some(scan, root->dirs[i], until_ns))
			return false;
	root->has_unread = false;
	return true;
}

/* What is gone is forgotten; a directory not before it is certain, which is still to be listed or is in such a one. */
static void
take(struct tree_dir *root, bool is_due, scan_on_file *on_file, void *arg)
{
	is_due = is_due || root->flags & TREE_DUE;
	for (unsigned i = root->n_files; i-- > 0;) {
		struct tree_file *file = root->files[i];
		bool is_gone = file->flags & TREE_GONE;

		if (file->flags & TREE_CHANGED)
			on_file(arg, root, file,
			    is_gone                  ? SCAN_REMOVED
			    : file->flags & TREE_NEW ? SCAN_NEW
						     : SCAN_CHANGED);
		file->flags &= (uint8_t) ~(TREE_CHANGED | TREE_NEW);
		if (is_gone)
			tree_remove_file(root, i);
	}
	for (unsigned i = root->n_dirs; i-- > 0;) {
		take(root->dirs[i], is_due, on_file, arg);
		if (!is_due && (root->dirs[i]->flags & (TREE_GONE | TREE_DUE)) == TREE_GONE)
			tree_remove_dir(root, i);
	}
}

void
scan_take(struct scan *scan, struct tree_dir *root, scan_on_file *on_file, void *arg)
{
	scan_settle(scan, root, TREE_GONE | TREE_MADE | TREE_YOUNG);
	take(root, false, on_file, arg);
}

void
scan_count(const struct tree_dir *root, unsigned *dirs, unsigned *files)
{
	*dirs += !(root->flags & TREE_GONE);
	*files += root->n_files;
	for (unsigned i = 0; i < root->n_dirs; i++)
		scan_count(root->dirs[i], dirs, files);
}
