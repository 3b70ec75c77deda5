/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the values in a configuration may look like, and what they mean.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The form of an option's value, by the option's name. */
struct value_form {
	const char *option;
	bool (*ok)(const char *value);
	const char *wanted;	/* completes "wanted …" */
};

/* NULL: there is none. */
const struct value_form *value_form(const char *option);

/* Meanings of values whose form is good. */
bool value_bool(const char *s);
uint32_t value_count(const char *s);
uint64_t value_duration_us(const char *s);
uint32_t value_uid(const char *s);	/* of a number or of a user's name; -1: nobody's */
uint32_t value_right(const char *s);	/* enum wire_right; 0: none */

/* Split an absolute path into its directory (dir has CONFIG_PATH_MAX + 1 bytes) and file. */
const char *value_path_split(const char *path, char *dir);

/* An absolute path that fits a message. */
bool value_path_ok(const char *s);
