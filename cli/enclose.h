/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a program that reaches what it is lent, and nothing else of the broker.
 */
#pragma once

#include <stddef.h>

#include "../libintro/intro.h"

/* Enclose the names and become argv, with INTRO_DOOR=fd:N and the names as INTRO_NAMES. in is
 * closed. Does not return but with an exit code, after complaining. */
int enclose_exec(struct intro *in, const struct intro_enclosed *names, size_t n, char **argv,
		 const char *door);
