/* SPDX-License-Identifier: MIT */
/* What a file is, in 64 bits: its state by stat(2), and its bytes. */
#ifndef INITD_FINGERPRINT_H
#define INITD_FINGERPRINT_H

#include <stdint.h>
#include <sys/stat.h>

/* Changes whenever the file may have changed without being read. Never 0. */
uint64_t fingerprint_state(const struct stat *st);

/*
 * Of the bytes of a regular file, or of where a symbolic link points. A file that cannot be read,
 * or is larger than 8 MiB, is known by its size and time of change. `dir_fd` and `name` as for openat(2); *st is what
 * fstatat(2) with AT_SYMLINK_NOFOLLOW said.
 */
uint64_t fingerprint_contents(int dir_fd, const char *name, const struct stat *st);

#endif
