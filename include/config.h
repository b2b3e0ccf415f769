/* SPDX-License-Identifier: MIT */
/* -o, the environment, the INI file and the defaults become one struct config. */
#ifndef INITD_CONFIG_H
#define INITD_CONFIG_H

#include "options.h"

/* What there is to read. */
struct config_spec {
	const char *path; /* -c; NULL: INITD_CONFIG, else the default file, which may be missing */
	char *const *arguments; /* the texts behind each -o */
	size_t n_arguments;
	char *const *vars;
};

/*
 * Fill *cfg. On failure -1 and one line in *err that begins with where the bad text stands
 * (PATH:LINE, VARIABLE=, or -o) and says what was expected; then nothing but log_level and
 * log_format may be used, and config_free() is still due. The texts of *spec must outlive *cfg.
 */
int config_load(struct config *cfg, const struct config_spec *spec, struct error *err);

void config_free(struct config *cfg);

#endif
