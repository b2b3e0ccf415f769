/* SPDX-License-Identifier: MIT */
/* Who asks about us over the control socket, and what is answered. */
#ifndef INITD_ANSWERS_H
#define INITD_ANSWERS_H

#include "supervisor_state.h"

void answers_open(struct supervisor *sv);

#endif
