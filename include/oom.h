/* SPDX-License-Identifier: MIT */
/* How often the kernel killed something in this memory cgroup. */
#ifndef INITD_OOM_H
#define INITD_OOM_H

#include <stdint.h>

/* The count of OOM kills (cgroup v2 memory.events, v1 memory.oom_control); 0 if it cannot be read. */
uint64_t oom_kills(void);

#endif
