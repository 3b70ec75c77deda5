/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration as the parent holds it: the messages that introd-config made of the file,
 * and the directories they name, opened. The file's own text is never looked at here. For the
 * parent room.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../channel.h"

struct sandbox_options;

struct config_message {
	uint8_t *bytes;
	size_t len;
	int fd;			/* the directory it names, O_PATH; -1: none */
};

struct config {
	struct config_message *messages;
	size_t n;
	bool audit_said;	/* the file has a word on it */
	enum audit_kind audit;
	char audit_path[PATH_MAX];
	char user[65];		/* "": not said */
};

struct config_source {
	const char *path;
	bool may_be_missing;	/* no file is an empty configuration */
	const struct sandbox_options *sandbox; /* what introd-config runs as */
};

/* Have introd-config read the file, within 10 seconds. 0, or a negative errno after lines in
 * the log; -EINVAL: the configuration has errors. */
int config_read(struct config *ret, const struct config_source *source);

/* Open the directories that the messages name. 0, or a negative errno after a line in the
 * log. A server's directory may be missing, since many servers make theirs when they start:
 * its message is left out, with a line in the log, until the next reload. */
int config_open(struct config *config);

void config_clear(struct config *config);

