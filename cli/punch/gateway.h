/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The default route of IPv4: where the port mapper asks, and which interface is the real one.
 */
#pragma once

#include <net/if.h>

#include "../../libintro/punch/address.h"

struct gateway {
	struct address address;		/* port 0 */
	struct address local;		/* ours towards it; port 0 */
	char interface[IF_NAMESIZE];
};

/* 0; -ENETUNREACH: there is no default route with a gateway; or another negative errno. */
int gateway_find(struct gateway *ret);
