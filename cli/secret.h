/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets come from files and descriptors, never from the command line, which everybody on the
 * machine can read.
 */
#pragma once

#include <stddef.h>

/* Read one line, without its newline, from "@FILE", "fd:N" or "-" (standard input) into out.
 * what names it in a complaint ("a gift"). CODE_OK or an exit code. */
int secret_read(const char *verb, const char *what, const char *from, char *out, size_t size);
