/* SPDX-License-Identifier: MIT */
/* A claim of a fuzz target: libFuzzer keeps the input that breaks it. */
#ifndef INITD_FUZZ_HOLD_H
#define INITD_FUZZ_HOLD_H

#include <stdbool.h>
#include <stdlib.h>

static inline void
hold(bool claim)
{
	if (!claim)
		abort();
}

#endif
