/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Included before everything by `make lint`, never compiled: tells clang's analyzer that errno
 * is positive after a failure, without which each `return -errno` looks like a success whose
 * outputs are missing. It cannot negate an unknown number, so that it is given known ones.
 */
#pragma once

#include <errno.h>

int lint_choice(void);

static inline int *lint_errno(void)
{
	static int value;

	switch (lint_choice()) {
	case 0:
		value = EINTR;
		break;
	case 1:
		value = EAGAIN;
		break;
	default:
		value = EIO;
	}
	return &value;
}

#undef errno
#define errno (*lint_errno())
