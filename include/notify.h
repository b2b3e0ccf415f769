/* SPDX-License-Identifier: MIT */
/* sd_notify(3)'s protocol, outwards: what a service manager that set NOTIFY_SOCKET wants to hear. */
#ifndef INITD_NOTIFY_H
#define INITD_NOTIFY_H

/*
 * Send one datagram, such as "READY=1", to the socket at `path` (@name is an abstract one). 0 or a
 * negative errno. It waits for a manager whose queue is full, but no longer than 100 ms.
 */
int notify_send(const char *path, const char *text);

#endif
