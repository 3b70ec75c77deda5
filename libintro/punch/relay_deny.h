/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To which addresses the relay never sends. Used by relay.c.
 */
#pragma once

#include "relay.h"

struct relay_deny {
	unsigned int allow;
	size_t own_n;
	struct address own[RELAY_OWN_MAX];
};

/* 0, or -EINVAL: too many own addresses. */
int relay_deny_init(struct relay_deny *d, const struct relay_config *config);
bool relay_denied(const struct relay_deny *d, const struct address *a);
