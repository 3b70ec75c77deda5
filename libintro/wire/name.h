/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a name may look like. Checked wherever a name comes from outside, so that a name is
 * always safe as one path component and in a log line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A name or a door: 1 to 64 of [A-Za-z0-9._-], the first a letter or digit. */
bool wire_name_ok(const char *s, size_t len);

/* A file in a door: as a name, but may begin with a dot (".s.PGSQL.5432"). Neither ".", ".."
 * nor anything that begins with "intro." or ".intro.", which the broker keeps for itself. */
bool wire_file_ok(const char *s, size_t len);

/* A label: 1 to 128 printable ASCII bytes without quotes, backslash or '>'. */
bool wire_label_ok(const char *s, size_t len);
