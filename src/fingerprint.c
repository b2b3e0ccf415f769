/* SPDX-License-Identifier: MIT */
/* What a file is, in 64 bits. */
#include "fingerprint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

enum {
	READ_MAX_BYTES = 8 * 1024 * 1024, /* code is shorter; PID 1 has other things to do */
};

/* Odd, and its bits are evenly spread: 2^64 divided by the golden ratio (Knuth, volume 3, 6.4). */
#define SPREAD UINT64_C(0x9e3779b97f4a7c15)

static uint64_t
mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * SPREAD;
	return hash ^ (hash >> 29);
}

static uint64_t
mix_bytes(uint64_t hash, const char *bytes, size_t length)
{
	uint64_t word;

	for (; length >= sizeof word; bytes += sizeof word, length -= sizeof word) {
		memcpy(&word, bytes, sizeof word);
		hash = mix(hash, word);
	}
	if (length == 0)
		return hash;
	word = 0;
	memcpy(&word, bytes, length);
	return mix(hash, word);
}

uint64_t
fingerprint_state(const struct stat *st)
{
	uint64_t hash = mix(SPREAD, (uint64_t)st->st_ino);

	hash = mix(hash, (uint64_t)st->st_dev);
	hash = mix(hash, (uint64_t)st->st_mode & S_IFMT);
	hash = mix(hash, (uint64_t)st->st_size);
	hash = mix(hash, (uint64_t)st->st_mtim.tv_sec);
	hash = mix(hash, (uint64_t)st->st_mtim.tv_nsec);
	hash = mix(hash, (uint64_t)st->st_ctim.tv_sec);
	hash = mix(hash, (uint64_t)st->st_ctim.tv_nsec);
	return hash | 1;
}

/* What is known of a file without reading it; chmod and chown make it no other. */
static uint64_t
unread(const struct stat *st)
{
	uint64_t hash = mix(SPREAD, (uint64_t)st->st_size);

	hash = mix(hash, (uint64_t)st->st_mtim.tv_sec);
	return mix(hash, (uint64_t)st->st_mtim.tv_nsec);
}

/* 0 or -errno. As much as fits is read before it counts, so that short reads are no other contents. */
static int
hash_file(int fd, uint64_t *hash)
{
	_Alignas(uint64_t) char bytes[16 * 1024];
	size_t length;
	uint64_t total = 0;

	do {
		length = 0;
		while (length < sizeof bytes) {
			ssize_t n = read(fd, bytes + length, sizeof bytes - length);

			if (n < 0 && errno != EINTR)
				return -errno;
			if (n == 0)
				break;
			length += n > 0 ? (size_t)n : 0;
		}
		*hash = mix_bytes(*hash, bytes, length);
		total += length;
	} while (length == sizeof bytes && total < READ_MAX_BYTES);
	*hash = mix(*hash, total);
	return 0;
}

uint64_t
fingerprint_contents(int dir_fd, const char *name, const struct stat *st)
{
	uint64_t hash = SPREAD;
	char target[PATH_MAX];
	ssize_t n;
	int fd, status;

	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(dir_fd, name, target, sizeof target);
		return n < 0 ? unread(st) : mix_bytes(~SPREAD, target, (size_t)n);
	}
	if (!S_ISREG(st->st_mode) || st->st_size > READ_MAX_BYTES)
		return unread(st);
	/* O_NONBLOCK: it may have become a FIFO since, and PID 1 waits for nobody. */
	fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return unread(st);
	status = hash_file(fd, &hash);
	(void)close(fd);
	return status < 0 ? unread(st) : hash;
}
