/* SPDX-License-Identifier: MIT */
/* How often the kernel killed something in this memory cgroup. */
#include "oom.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t
oom_kills(void)
{
	static const char *const paths[] = {
		"/sys/fs/cgroup/memory.events",             /* v2 */
		"/sys/fs/cgroup/memory/memory.oom_control", /* v1 */
	};
	char text[512];

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		const char *count;
		ssize_t n;

		if (fd < 0)
			continue;
		n = read(fd, text, sizeof text - 1);
		(void)close(fd);
		text[n > 0 ? n : 0] = '\0';
		count = strstr(text, "oom_kill ");
		if (count)
			return strtoull(count + strlen("oom_kill "), NULL, 10);
	}
	return 0;
}
