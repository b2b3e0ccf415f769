/* SPDX-License-Identifier: MIT */
/* What only a held socket makes possible: servers beside the one that all is about. */
#ifndef INITD_SUCCESSION_H
#define INITD_SUCCESSION_H

#include "supervisor_state.h"

/* The environment of all servers, before changes are added to it. */
char *const *succession_environment(const struct supervisor *sv);

/* server_start() for a server with a held socket; the spare Python becomes it if there is one. */
int succession_start(
    struct supervisor *sv, struct server *server, bool foreground, enum proc_stage *stage);

/* Two servers change their places before anything is done to them. */
void succession_change_places(struct supervisor *sv, unsigned actions);

/*
 * What came for a server before others were diverted from it is still to be accepted: look again in
 * so many ms. 0: it is not, or it takes too long.
 */
uint64_t succession_linger_ms(struct supervisor *sv);

/* The part of a step that is for the predecessor. */
void succession_act_on_old(struct supervisor *sv, const struct life_step *step);

/* Ask the successor, and it alone; false if that cannot be: then to have the socket is to be ready. */
bool succession_ask_next(struct supervisor *sv, bool has_door);

/* Who answers on the held socket, and whether it is still held. */
void succession_follow_server(struct supervisor *sv, const struct life_step *step);

/* A spare one is made when the server is ready and its predecessor is gone: they need the CPU more. */
void succession_follow_spare(struct supervisor *sv);

/* Servers that share a socket need not wait for each other, unless there is more that they would share. */
void succession_update_policy(struct supervisor *sv);

/* It is ready: has it the socket that it should have? */
void succession_check_held(struct supervisor *sv);

/* Is it one of those beside the server? */
bool succession_note_end(struct supervisor *sv, pid_t pid, int wstatus);

/* Who ended beside the server, and what is left of it. */
void succession_follow_ends(struct supervisor *sv);

/* Before the first server: decide how sockets are held; *sv has no succession if nothing is. */
void succession_open(struct supervisor *sv);

/* What of it is on the loop: 0 or a negative errno; to be closed before the loop is. */
int succession_build(struct supervisor *sv);
void succession_close(struct supervisor *sv);

void succession_free(struct supervisor *sv);

#endif
