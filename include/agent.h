/* SPDX-License-Identifier: MIT */
/* What the image holds: AGENT_DIR, its venv, the one package in it. */
#ifndef INITD_AGENT_H
#define INITD_AGENT_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

/* 0 if this is a directory, else a negative errno. */
int agent_check_dir(const char *path);

/*
 * The venv (PEP 405: it has a pyvenv.cfg) beside AGENT_DIR, else /app/.venv; false if neither
 * exists. agent_dir must be absolute; the path is written to venv[size].
 */
bool agent_find_venv(const char *agent_dir, char *venv, size_t size);

/*
 * The module to run when nobody named a command: PACKAGE.server for a server.py, else PACKAGE for
 * a __main__.py, of the only package directly under agent_dir that has either. -1 and *err, which
 * says what was looked for, if there is none or more than one.
 */
int agent_find_module(const char *agent_dir, char *module, size_t size, struct error *err);

/*
 * Does this command run something of agent_dir? That is: a module of it after -m, `X.y` or `X.y:app`
 * in a word, a FILE.py in it, or a program that is a script (#!, `program` is its path or NULL)
 * which names such a module, as console scripts and shell entrypoints do. X counts if agent_dir has
 * X.py or X/.
 */
bool agent_is_run_by(const char *agent_dir, char *const *argv, const char *program);

/* The last part of a path. */
const char *agent_base_name(const char *path);

/* Is this word of a command a Python: python, /usr/bin/python3.13? */
bool agent_is_python(const char *word);

#endif
