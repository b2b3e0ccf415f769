/* SPDX-License-Identifier: MIT */
/*
 * The least that looking at a tree costs: watch_floor inotify TREE sets up its watches, watch_floor
 * poll TREE looks at each file's status once a second. Both say "watching" when they have begun, and
 * know nothing of what changed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	EVERY_MS = 1000,
	MASK = IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
	       IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK,
};

/* Owns dir_fd. With notify_fd -1 each file is looked at, else each directory gets a watch. */
static void
walk(int dir_fd, const char *path, int notify_fd)
{
	DIR *dir = fdopendir(dir_fd);
	const struct dirent *entry;
	struct stat status;
	char below[4096];

	if (dir == NULL || (notify_fd >= 0 && inotify_add_watch(notify_fd, path, MASK) < 0))
		err(1, "%s", path);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (entry->d_type == DT_DIR) {
			(void)snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
			walk(openat(dir_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
			    below, notify_fd);
		} else if (notify_fd < 0) {
			(void)fstatat(dir_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW);
		}
	}
	(void)closedir(dir);
}

int
main(int argc, char **argv)
{
	int notify_fd = -1;

	if (argc != 3)
		errx(64, "usage: watch_floor inotify|poll TREE");
	if (strcmp(argv[1], "inotify") == 0)
		notify_fd = inotify_init1(IN_CLOEXEC);
	for (int pass = 0;; pass++) {
		walk(open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC), argv[2], notify_fd);
		if (pass == 0)
			(void)dprintf(STDERR_FILENO, "watching\n");
		if (notify_fd >= 0)
			for (;;)
				(void)pause();
		(void)poll(NULL, 0, EVERY_MS);
	}
}
