/* SPDX-License-Identifier: MIT */
/* Python's caches of what a source file was. */
#ifndef INITD_BYTECODE_H
#define INITD_BYTECODE_H

/*
 * Remove what __pycache__ beside DIR/NAME.py holds of it, for every interpreter and level of
 * optimization (PEP 3147). Python trusts a .pyc whose source has the same size and the same second
 * of change, and Compose syncs whole seconds. 0, also if there is none or `path` is no .py; or
 * -errno of the first that could not be removed.
 */
int bytecode_remove(const char *path);

#endif
