/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing a configuration and finding everything that is wrong with it.
 */
#pragma once

#include <confuse.h>
#include <stddef.h>

/* Parse text (len bytes and a NUL; its comments are overwritten), which file is called in
 * messages. Writes one line FILE:LINE:COLUMN: SENTENCE to the standard error for each error.
 * What was parsed, to be freed by cfg_free(), or NULL when there was an error. */
cfg_t *check_text(const char *file, char *text, size_t len);
