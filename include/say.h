/* SPDX-License-Identifier: MIT */
/* What is told about the server and those beside it: one place for the words. */
#ifndef INITD_SAY_H
#define INITD_SAY_H

#include "supervisor_state.h"

/* Where files are watched, as it was configured. */
const char *watched_text(const struct supervisor *sv);

void say_started(const struct supervisor *sv, const struct server *server);

/* It could not be started. */
void say_failure(
    const struct supervisor *sv, const struct server *server, enum proc_stage stage, int error);

/* How one ended, and after which time. */
void say_end_text(const struct server *server, uint64_t started_ms, char *buf, size_t size);

/* One line that tells everything about a death. */
void say_ended(struct supervisor *sv, int code);

/* Of a predecessor whose successor has long been started. */
void say_old_ended(struct supervisor *sv);

/* Of a successor that never got ready. */
void say_next_ended(struct supervisor *sv);

/* What is done now, and who or what asked for it. */
void say_asked(struct supervisor *sv, const char *what);

/* The one place where a change of state is told. */
void say_step(struct supervisor *sv, enum life_state before, const struct life_step *step);

/* Where it serves: the target without its path. */
void say_ready(struct supervisor *sv);

/* `text` is what came out last. */
void say_unhealthy(struct supervisor *sv, const char *text);

void say_not_held(const struct supervisor *sv, const char *why);

void say_watching(struct supervisor *sv);

#endif
